//! Connections and listening sockets.

#[macro_use]
mod declare;
mod address;
mod flow_control;
mod listener;
mod protocol;
mod stream;
mod tls;
mod write_queue;

pub use listener::Listener;
pub use stream::StreamTransport;
pub use tls::TlsTransport;
