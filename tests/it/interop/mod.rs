//! Real programs against the real binary.

mod browser;
mod clients;
mod dialogs;
mod disk;
mod nginx;
mod process;
