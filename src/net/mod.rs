//! Sockets: listening, accepting, and moving octets with a deadline. Nothing here knows a protocol.

mod buffer;
mod conn;
mod listener;

pub use buffer::Buffer;
pub use conn::{Conn, Received};
pub use listener::{Tasks, bind, serve};
