//! Real programs against the real binary.

mod browser;
mod clients;
mod nginx;
mod process;
