//! Connections, datagram sockets, pipes, and listening sockets.

#[macro_use]
mod declare;
mod address;
mod datagram;
mod endpoint;
mod flow_control;
mod listener;
mod pipe;
mod protocol;
mod stream;
mod tls;
mod write_queue;

pub use datagram::DatagramTransport;
pub use listener::Listener;
pub use pipe::{ReadPipeTransport, WritePipeTransport};
pub use stream::StreamTransport;
pub use tls::TlsTransport;

use crate::capi::{Instance, Obj};
use crate::errors;
use crate::event_loop::EventLoop;
use crate::imports::imports;
use nalsil_driver::Event;
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::os::fd::RawFd;

/// Debug mode: writes a line to the logger of asyncio. `line` is a format and what goes into it,
/// and `error` is shown with its traceback.
///
/// # Errors
///
/// An exception that ends the run. What else the logging raises is reported.
fn log_in_debug<'py>(
    event_loop: &Bound<'py, EventLoop>,
    line: impl PyCallArgs<'py>,
    error: Option<&PyErr>,
) -> PyResult<()> {
    if !event_loop.get().is_debug() {
        return Ok(());
    }
    let py = event_loop.py();
    let keywords = PyDict::new(py);
    if let Some(error) = error {
        keywords.set_item("exc_info", error.value(py))?;
    }
    let logger = imports(py)?.logger.bind(py);
    match logger.call_method(crate::capi::intern!(py, "debug"), line, Some(&keywords)) {
        Ok(_) => Ok(()),
        Err(failed) => errors::report(event_loop, "Error in logging", failed, &[]),
    }
}

/// A transport of any kind, as the loop knows it.
pub enum Transport {
    /// A connection.
    Stream(Instance<StreamTransport>),
    /// A datagram socket.
    Datagram(Instance<DatagramTransport>),
    /// The reading end of a pipe.
    ReadPipe(Instance<ReadPipeTransport>),
    /// The writing end of a pipe.
    WritePipe(Instance<WritePipeTransport>),
}

macro_rules! each {
    ($this:expr, $transport:ident => $body:expr) => {
        match $this {
            Transport::Stream($transport) => $body,
            Transport::Datagram($transport) => $body,
            Transport::ReadPipe($transport) => $body,
            Transport::WritePipe($transport) => $body,
        }
    };
}

impl Transport {
    /// The object.
    pub fn object(&self) -> &Obj {
        each!(self, transport => transport.object())
    }

    /// A second reference.
    #[inline]
    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Transport::Stream(stream) => Transport::Stream(stream.clone_ref(py)),
            Transport::Datagram(datagram) => Transport::Datagram(datagram.clone_ref(py)),
            Transport::ReadPipe(pipe) => Transport::ReadPipe(pipe.clone_ref(py)),
            Transport::WritePipe(pipe) => Transport::WritePipe(pipe.clone_ref(py)),
        }
    }

    /// Whether the transport owns descriptor `fd` and does not let go of it.
    pub fn owns(&self, fd: RawFd) -> bool {
        each!(self, transport => transport.owns(fd))
    }

    /// Tells the protocol of the connection, and begins to read.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn start(&self, py: Python<'_>) -> PyResult<()> {
        each!(self, transport => transport.start(py))
    }

    /// Tells the protocol that it is over, and closes the descriptor.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn lost(&self, py: Python<'_>) -> PyResult<()> {
        each!(self, transport => transport.lost(py))
    }

    /// The descriptor is ready.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    #[inline]
    pub fn ready(&self, event_loop: &Bound<'_, EventLoop>, event: Event) -> PyResult<()> {
        match self {
            Transport::Stream(stream) => stream.ready(event_loop, event),
            Transport::Datagram(datagram) => datagram.met(event_loop, event),
            Transport::ReadPipe(pipe) => pipe.met(event_loop, event),
            Transport::WritePipe(pipe) => pipe.met(event_loop, event),
        }
    }
}
