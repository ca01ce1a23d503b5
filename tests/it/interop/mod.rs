//! Real programs against the real binary.

mod browser;
mod clients;
mod encrypted;
mod haproxy;
mod nginx;
mod postfix;
mod process;
