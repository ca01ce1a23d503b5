//! Real programs against the real binary.

mod browser;
mod clients;
mod disk;
mod nginx;
mod process;
