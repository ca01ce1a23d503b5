//! What every front end does with mail: takes it in, changes it, and tells what happened to it.

mod edit;
mod intake;
pub mod watch;

pub use self::{
    edit::Desk,
    intake::{Incoming, Intake},
};
