//! Connections and listening sockets.

mod address;
mod listener;
mod stream;
mod write_queue;

pub use listener::Listener;
pub use stream::StreamTransport;
