//! What is known of a connection: its socket and its addresses.

use super::super::address;
use super::{StreamTransport, hold_open};
use crate::capi::Instance;
use crate::capi::intern;
use crate::imports::imports;
use nalsil_driver::sys::net::Address;
use pyo3::prelude::*;
use pyo3::types::PyDict;

impl Instance<StreamTransport> {
    /// The socket object, made if there is none yet; nothing once the descriptor is closed.
    ///
    /// # Errors
    ///
    /// `OSError` if Python cannot make one.
    pub fn socket_object<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let fd = self.fd.get();
        if self.socket.is_set() || fd < 0 {
            return Ok(self.socket.get(py));
        }
        let keywords = PyDict::new(py);
        keywords.set_item("fileno", fd)?;
        let socket = imports(py)?.socket.bind(py).call((), Some(&keywords))?;
        let prepared = socket
            .call_method1(intern!(py, "setblocking"), (false,))
            .and_then(|_| hold_open(&socket));
        // Python ran: somebody else may have made one, or closed the transport.
        if prepared.is_err() || self.socket.is_set() || self.fd.get() != fd {
            socket.call_method0(intern!(py, "detach"))?;
            return prepared.map(|()| self.socket.get(py));
        }
        self.socket.set(&socket);
        Ok(Some(socket))
    }

    /// A socket object whose descriptor is closed, of the family that the transport's had.
    fn closed_socket<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let family = match &*self.local.borrow() {
            Some(Address::Unix(_)) => "AF_UNIX",
            Some(Address::V6(..)) => "AF_INET6",
            _ => "AF_INET",
        };
        let family = py.import(intern!(py, "socket"))?.getattr(family)?;
        let socket = imports(py)?.socket.bind(py).call1((family,))?;
        socket.call_method0(intern!(py, "close"))?;
        Ok(socket)
    }

    /// What `get_extra_info("socket")` gives.
    ///
    /// # Errors
    ///
    /// Those of [`Self::socket_object`].
    pub fn public_socket<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(socket) = self.public_socket.get(py) {
            return Ok(socket);
        }
        let socket = match self.socket_object(py)? {
            Some(socket) => socket,
            None => self.closed_socket(py)?,
        };
        let public = imports(py)?.transport_socket.bind(py).call1((socket,))?;
        self.public_socket.set(&public);
        Ok(public)
    }

    /// One of the two addresses.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn address<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let known = if name == "peername" { &self.peer } else { &self.local };
        let known = known.borrow().clone();
        let Some(known) = known else { return Ok(None) };
        if let Some(address) = address::to_python(py, &known)? {
            return Ok(Some(address));
        }
        let method = if name == "peername" { "getpeername" } else { "getsockname" };
        match self.socket_object(py)? {
            Some(socket) => Ok(socket.call_method0(method).ok()),
            None => Ok(None),
        }
    }
}
