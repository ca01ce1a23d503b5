//! Sockets: listening, accepting, connecting, TLS, and moving octets with a deadline. Nothing here knows a
//! protocol.

mod activation;
mod address;
mod buffer;
mod conn;
mod connect;
mod deadline_timer;
pub mod drive;
mod listener;
mod socket;
mod stream;
pub mod tls;

pub use activation::Activation;
pub use address::Address;
pub use buffer::Buffer;
pub use conn::{Conn, Received};
pub use connect::connect;
pub use deadline_timer::DeadlineTimer;
pub use listener::{Listener, Tasks, bind, serve};
pub use socket::Socket;
pub use stream::Stream;
