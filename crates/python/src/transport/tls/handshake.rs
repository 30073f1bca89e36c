//! The beginning of a TLS connection.

use super::read::Feed;
use super::{State, Told};
use crate::capi::{Instance, Obj};
use crate::imports::tls_imports;
use nalsil_driver::sys::time::monotonic;
use pyo3::exceptions::{PyConnectionAbortedError, PyConnectionResetError};
use pyo3::prelude::*;

impl Instance<super::TlsTransport> {
    /// The transport below is there: begins the handshake.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn begin(&self, lower: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = lower.py();
        if !self.in_state(State::New) {
            return Ok(());
        }
        let below = super::Lower::of(lower)?;
        self.lower.set(lower);
        self.state.set(State::Handshake);
        if below.is_closing(py) {
            let text = "the connection was closed before the SSL handshake";
            return self.fail_handshake(py, PyConnectionResetError::new_err(text));
        }
        self.begun.set(monotonic());
        let begun = self
            .log(py, ("%r starts SSL handshake", self.bind(py)), None)
            .and_then(|()| self.set_timer(py, &self.handshake_timeout, "_check_handshake_timeout"))
            // The client speaks first. A server has nothing to do yet.
            .and_then(|()| if self.server_side { Ok(()) } else { self.make_handshake_step(py) });
        self.or_fatal(py, begun, super::FATAL)
    }

    /// Something has arrived during the handshake.
    pub(super) fn go_on_with_handshake(&self, py: Python<'_>) -> PyResult<()> {
        if self.engine.is_ready(py)? { self.make_handshake_step(py) } else { Ok(()) }
    }

    fn make_handshake_step(&self, py: Python<'_>) -> PyResult<()> {
        match self.engine.do_handshake(py) {
            Ok(None) => self.flush(py),
            Ok(Some(())) => self.finish_handshake(py),
            Err(error) => self.fail_handshake(py, error),
        }
    }

    fn finish_handshake(&self, py: Python<'_>) -> PyResult<()> {
        self.cancel_timer(py)?;
        self.state.set(State::Open);
        self.established.set(true);
        let milliseconds = (monotonic() - self.begun.get()) * 1e3;
        self.log(py, ("%r: SSL handshake took %.1f ms", self.bind(py), milliseconds), None)?;
        if self.told.get() == Told::Nothing {
            self.told.set(Told::Made);
            if let Err(error) = self.protocol.connection_made(&self.bind(py)) {
                let message = "Fatal error: protocol.connection_made() call failed.";
                return self.fatal(py, error, message);
            }
        }
        self.wake_waiter(py, None)?;
        if !self.in_state(State::Open) {
            return Ok(());
        }
        if self.paused.get()
            && let Some(lower) = self.lower(py)
        {
            lower.pause_reading(py);
        }
        // What the protocol has written goes out together with our last word of the handshake.
        self.read(py, &mut Feed::new(&[]))
    }

    /// Ends the connection because of `error`, and tells who waits for the handshake.
    pub(super) fn fail_handshake(&self, py: Python<'_>, error: PyErr) -> PyResult<()> {
        let cancelled = self.cancel_timer(py);
        let message = if error.is_instance(py, &tls_imports(py)?.certificate_error.bind(py)) {
            "SSL handshake failed on verifying the certificate"
        } else {
            "SSL handshake failed"
        };
        let reason = Obj::from(error.value(py));
        let ended = self.fatal(py, error, message);
        let woken = self.wake_waiter(py, Some(&reason.bind(py)));
        ended.and(cancelled).and(woken)
    }

    /// The time for the handshake is over.
    pub(super) fn check_handshake_timeout(&self, py: Python<'_>) -> PyResult<()> {
        if !self.in_state(State::Handshake) {
            return Ok(());
        }
        let text = format!(
            "SSL handshake is taking longer than {} seconds: aborting the connection",
            self.handshake_timeout.get_or_none(py).str()?
        );
        self.fatal(py, PyConnectionAbortedError::new_err(text), "SSL handshake timed out")
    }
}

/// The exception for a peer that goes away during the handshake: asyncio's, without text.
pub(super) fn cut_off() -> PyErr {
    PyConnectionResetError::new_err(())
}
