//! The end of a TLS connection: ours, the peer's, and that of the connection below.

use super::engine::{RECORD, is_late_data};
use super::read::Feed;
use super::{FATAL, State, TlsTransport, Told, handshake};
use crate::capi::Instance;
use crate::capi::intern;
use crate::imports::imports;
use pyo3::exceptions::PyTimeoutError;
use pyo3::prelude::*;
use std::mem::MaybeUninit;

impl Instance<TlsTransport> {
    /// Sends what is queued, ends our direction, waits for the peer to end its own, and closes.
    ///
    /// # Errors
    ///
    /// An exception that ends the run, and `RuntimeError` if the loop is closed.
    pub fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.state.get() {
            State::New | State::Handshake => return self.force_close(py, None),
            State::Shutdown | State::Closed => return Ok(()),
            State::Open | State::Flushing => {}
        }
        self.event_loop(py)?.get().check_open()?;
        self.closed_by_user.set(true);
        let closed = match self.state.get() {
            State::Open => self.begin_closing(py),
            _ => self.go_on_closing(py),
        };
        self.or_fatal(py, closed, FATAL)
    }

    /// Takes nothing more from the user, and begins to close.
    fn begin_closing(&self, py: Python<'_>) -> PyResult<()> {
        if !self.in_state(State::Open) {
            return Ok(());
        }
        self.state.set(State::Flushing);
        if self.closed_by_user.get()
            && self.paused.get()
            && let Some(lower) = self.lower(py)
        {
            // The word of the peer that ends the connection is still to come.
            lower.resume_reading(py)?;
        }
        self.go_on_closing(py)
    }

    /// Makes the next steps of closing, as far as they can be made now.
    pub(super) fn go_on_closing(&self, py: Python<'_>) -> PyResult<()> {
        if self.in_state(State::Flushing) {
            if self.closed_by_user.get() {
                self.discard(py)?;
            }
            self.pump(py)?;
            if !self.in_state(State::Flushing) {
                return Ok(());
            }
            // Without a peer that sends, only room below can help.
            let waits = self.lower_paused.get() || !self.lower_ended.get();
            if !self.backlog.borrow().is_empty() && waits {
                return self.watch_shutdown(py);
            }
            self.state.set(State::Shutdown);
            self.end_our_direction(py)?;
            return if self.in_state(State::Shutdown) { self.watch_shutdown(py) } else { Ok(()) };
        }
        if self.in_state(State::Shutdown) && (self.lower_ended.get() || self.engine.is_ready(py)?) {
            self.end_our_direction(py)?;
        }
        Ok(())
    }

    /// Says that we send no more, and closes below if the peer has said it as well.
    fn end_our_direction(&self, py: Python<'_>) -> PyResult<()> {
        if !self.lower_ended.get() {
            match self.engine.shut_down(py) {
                Ok(None) => return self.flush(py),
                Ok(Some(())) => {}
                // Nobody wants what the peer still sends, so there is nothing to wait for.
                Err(error) if is_late_data(py, &error) => {
                    self.flush(py)?;
                    return self.close_lower(py);
                }
                Err(error) => return Err(error),
            }
        }
        self.flush(py)?;
        self.tell_end(py)?;
        self.close_lower(py)
    }

    fn close_lower(&self, py: Python<'_>) -> PyResult<()> {
        match self.lower(py) {
            Some(lower) => lower.close(py),
            None => Ok(()),
        }
    }

    /// Reads what has arrived for nobody.
    fn discard(&self, py: Python<'_>) -> PyResult<()> {
        let mut room = Vec::new();
        while self.engine.is_ready(py)? {
            room.resize(RECORD, MaybeUninit::uninit());
            if matches!(self.engine.read(py, &mut room)?, None | Some(0)) {
                break;
            }
        }
        Ok(())
    }

    /// The peer has ended its direction as TLS asks for.
    pub(super) fn peer_ended(&self, py: Python<'_>) -> PyResult<()> {
        if self.tell_end(py)? {
            return Ok(());
        }
        self.begin_closing(py)
    }

    /// Tells the protocol that no more comes. Returns whether that is TLS again, which closes this
    /// connection when it has no more use for it.
    fn tell_end(&self, py: Python<'_>) -> PyResult<bool> {
        if self.told.get() != Told::Made {
            return Ok(self.held_open.get());
        }
        self.told.set(Told::Ended);
        let is_tls = self.protocol.tls(py).is_some();
        match self.protocol.eof_received(py) {
            Ok(true) if is_tls => self.held_open.set(true),
            Ok(true) => {
                let text = "returning true from eof_received() has no effect when using ssl";
                let logger = imports(py)?.logger.bind(py);
                logger.call_method1(intern!(py, "warning"), (text,))?;
            }
            Ok(false) => {}
            Err(error) => self.fatal(py, error, "Error calling eof_received()")?,
        }
        Ok(self.held_open.get())
    }

    /// The peer has ended the connection below. Returns whether there is still something to do on
    /// it.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn lower_ended(&self, py: Python<'_>) -> PyResult<bool> {
        self.lower_ended.set(true);
        let logged = self.log(py, ("%r received EOF", self.bind(py)), None);
        let done = match self.state.get() {
            State::New | State::Closed => Ok(()),
            State::Handshake => self.fail_handshake(py, handshake::cut_off()),
            State::Open => {
                self.state.set(State::Flushing);
                self.finish_reading(py)
            }
            State::Flushing | State::Shutdown => self.go_on_closing(py),
        };
        self.or_fatal(py, logged.and(done), FATAL)?;
        Ok(self.in_state(State::Flushing))
    }

    /// Nothing more arrives: gives the protocol what is left, then the end.
    pub(super) fn finish_reading(&self, py: Python<'_>) -> PyResult<()> {
        self.read(py, &mut Feed::new(&[]))?;
        if !self.in_state(State::Flushing) || self.paused.get() && !self.closed_by_user.get() {
            return Ok(());
        }
        if self.tell_end(py)? { Ok(()) } else { self.go_on_closing(py) }
    }

    /// Sets the timer of the shutdown, unless it is set, or the end is certain.
    fn watch_shutdown(&self, py: Python<'_>) -> PyResult<()> {
        let unsent = self.unsent(py);
        let closes = self.lower(py).is_none_or(|lower| lower.is_closing(py));
        if self.timer.is_set() || closes && unsent == 0 {
            return Ok(());
        }
        self.unsent_before.set(unsent);
        self.set_timer(py, &self.shutdown_timeout, "_check_shutdown_timeout")
    }

    /// The time for the shutdown is over. It begins anew while the peer takes what we send.
    pub(super) fn check_shutdown_timeout(&self, py: Python<'_>) -> PyResult<()> {
        drop(self.timer.take());
        if matches!(self.state.get(), State::New | State::Closed) {
            return Ok(());
        }
        let unsent = self.unsent(py);
        if unsent < self.unsent_before.get() {
            return self.watch_shutdown(py);
        }
        let error = PyTimeoutError::new_err("SSL shutdown timed out");
        self.fatal(py, error, "SSL shutdown timed out")
    }
}
