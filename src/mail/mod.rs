//! What every front end does with mail: takes it in, changes it, and tells what happened to it.

mod edit;
mod intake;
pub mod json;
mod reader;
pub mod watch;

pub use self::{
    edit::Desk,
    intake::{Incoming, Intake},
    reader::{
        CHUNK, Error, Excerpt, LoadedMessage, MOST_READ, MOST_SHOWN, ScanCache, spawn_bounded,
    },
};
