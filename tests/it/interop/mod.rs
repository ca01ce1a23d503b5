//! Real programs against the real binary.

mod browser;
mod browser_login;
mod clients;
mod dialogs;
mod disk;
mod encrypted;
mod haproxy;
mod looks;
mod nginx;
mod nginx_logins;
mod postfix;
mod process;
