//! The connection below TLS: a socket's, or TLS again.

use super::super::StreamTransport;
use super::TlsTransport;
use crate::capi::{Instance, Obj};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// What carries the ciphertext of a TLS transport.
pub enum Lower {
    /// A connected socket.
    Stream(Instance<StreamTransport>),
    /// Another TLS transport.
    Tls(Instance<TlsTransport>),
}

impl Lower {
    /// The transport `object`.
    ///
    /// # Errors
    ///
    /// `TypeError` if it is none of nalsil's.
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(stream) = Instance::<StreamTransport>::cast(object) {
            return Ok(Lower::Stream(stream));
        }
        match Instance::<TlsTransport>::cast(object) {
            Some(tls) => Ok(Lower::Tls(tls)),
            None => Err(PyTypeError::new_err(format!(
                "TLS needs a stream transport of nalsil's below, got {}",
                object.repr()?
            ))),
        }
    }

    /// Sends bytes objects.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn write(&self, py: Python<'_>, records: Vec<Obj>) -> PyResult<()> {
        match self {
            Lower::Stream(stream) => stream.write_records(py, records),
            Lower::Tls(tls) => tls.write_objects(py, records),
        }
    }

    /// Reads no more for now.
    pub fn pause_reading(&self, py: Python<'_>) {
        match self {
            Lower::Stream(stream) => stream.pause_reading(),
            Lower::Tls(tls) => tls.pause_reading(py),
        }
    }

    /// Reads again.
    ///
    /// # Errors
    ///
    /// `OSError` if the descriptor cannot be watched.
    pub fn resume_reading(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Lower::Stream(stream) => stream.resume_reading(py),
            Lower::Tls(tls) => tls.resume_reading(py),
        }
    }

    /// Sends what is queued, then closes.
    ///
    /// # Errors
    ///
    /// `RuntimeError` if the loop is closed.
    pub fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Lower::Stream(stream) => stream.close(py),
            Lower::Tls(tls) => tls.close(py),
        }
    }

    /// Closes now, for `reason`.
    ///
    /// # Errors
    ///
    /// `RuntimeError` if the loop is closed.
    pub fn force_close(&self, py: Python<'_>, reason: Option<Obj>) -> PyResult<()> {
        match self {
            Lower::Stream(stream) => stream.force_close(py, reason),
            Lower::Tls(tls) => tls.force_close(py, reason),
        }
    }

    /// Whether it is closed or closing.
    pub fn is_closing(&self, py: Python<'_>) -> bool {
        match self {
            Lower::Stream(stream) => stream.is_closing(),
            Lower::Tls(tls) => tls.is_closing(py),
        }
    }

    /// How many bytes it has to send.
    pub fn unsent(&self, py: Python<'_>) -> usize {
        match self {
            Lower::Stream(stream) => stream.unsent(),
            Lower::Tls(tls) => tls.unsent(py),
        }
    }

    /// Runs `body` in the context of the connection.
    ///
    /// # Errors
    ///
    /// Those of `body`.
    pub fn in_context<R>(&self, py: Python<'_>, body: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
        let mut this = Lower::clone_ref(self, py);
        let stream = loop {
            match this {
                Lower::Stream(stream) => break stream,
                Lower::Tls(tls) => match tls.lower(py) {
                    Some(lower) => this = lower,
                    None => return body(),
                },
            }
        };
        stream.in_context(py, body)
    }

    fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Lower::Stream(stream) => Lower::Stream(stream.clone_ref(py)),
            Lower::Tls(tls) => Lower::Tls(tls.clone_ref(py)),
        }
    }
}
