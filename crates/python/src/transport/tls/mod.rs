//! TLS over a connection: OpenSSL by Python's `ssl`, and everything around it.
//!
//! What arrives goes from the transport below to `feed`, what the user writes from
//! `write.rs` to the transport below. The calls of `ssl` in between go to its C objects, so no
//! frame of Python runs for a record. Bytes wait in few places, all bounded: ciphertext in the two
//! buffers of [`Engine`], and data that cannot be encrypted yet in [`Backlog`].

mod backlog;
mod close;
mod create;
mod engine;
mod handshake;
mod info;
mod lower;
mod methods;
mod read;
mod records;
mod write;

use super::log_in_debug;
use super::protocol::Protocol;
use crate::capi::intern;
use crate::capi::{Instance, Obj, Slot, Visit};
use crate::errors;
use crate::event_loop::EventLoop;
use crate::imports::imports;
use backlog::Backlog;
use engine::Engine;
use lower::Lower;
use pyo3::call::PyCallArgs;
use pyo3::exceptions::{PyConnectionAbortedError, PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use std::cell::{Cell, RefCell};

/// asyncio's bound of data that waits to be encrypted, in bytes.
const HIGH_WRITE: usize = 512 * 1024;
/// asyncio's bound of ciphertext that waits to be decrypted, in bytes.
const HIGH_READ: usize = 256 * 1024;

const FATAL: &str = "Fatal error on SSL protocol";

/// How far the connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was sent yet.
    New,
    Handshake,
    Open,
    /// What is queued is sent; nothing more is taken.
    Flushing,
    /// Our direction has ended; the peer is to end its own.
    Shutdown,
    Closed,
}

/// What the user's protocol knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Made,
    Ended,
    Lost,
}

/// A TLS connection: a transport to the user's protocol, and a protocol to the transport below.
pub struct TlsTransport {
    event_loop: Slot,
    /// The transport below, once it is there.
    lower: Slot,
    protocol: Protocol,
    engine: Engine,
    context: Slot,
    /// The future of who waits for the handshake.
    waiter: Slot,
    /// What ends a handshake or a shutdown that takes too long.
    timer: Slot,
    extra: Slot,
    /// Seconds, as the user gave them.
    handshake_timeout: Slot,
    shutdown_timeout: Slot,
    server_side: bool,
    state: Cell<State>,
    told: Cell<Told>,
    /// Whether there was a handshake, so that something is known of the peer.
    established: Cell<bool>,
    /// Debug mode: the second of the loop's clock at which the handshake began.
    begun: Cell<f64>,
    /// Whether the user has asked for the end, so that what arrives is nobody's.
    closed_by_user: Cell<bool>,
    /// Whether the peer has ended the connection below.
    lower_ended: Cell<bool>,
    /// Whether there is TLS above, which is to close this connection.
    held_open: Cell<bool>,
    paused: Cell<bool>,
    protocol_paused: Cell<bool>,
    /// Whether the transport below has enough to send.
    lower_paused: Cell<bool>,
    backlog: RefCell<Backlog>,
    /// What was unsent when the timer of the shutdown was set.
    unsent_before: Cell<usize>,
    lost_writes: Cell<u32>,
    high_write: Cell<usize>,
    low_write: Cell<usize>,
    high_read: Cell<usize>,
    low_read: Cell<usize>,
}

impl TlsTransport {
    /// The transport below, if there is one yet.
    pub fn lower(&self, py: Python<'_>) -> Option<Lower> {
        Lower::of(&self.lower.get(py)?).ok()
    }

    fn event_loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, EventLoop>> {
        let event_loop = self.event_loop.get(py);
        let event_loop =
            event_loop.ok_or_else(|| PyRuntimeError::new_err("transport is closed"))?;
        Ok(event_loop.cast_into::<EventLoop>()?)
    }

    fn in_state(&self, state: State) -> bool {
        self.state.get() == state
    }

    /// Whether the transport is closed or closing.
    pub fn is_closing(&self, py: Python<'_>) -> bool {
        match self.state.get() {
            State::Shutdown | State::Closed => true,
            // Data of a peer that has gone may wait for a protocol that does not read.
            State::Flushing if !self.lower_ended.get() || self.closed_by_user.get() => true,
            _ => self.lower(py).is_some_and(|lower| lower.is_closing(py)),
        }
    }

    /// How many bytes of data or ciphertext are still to be sent.
    pub fn unsent(&self, py: Python<'_>) -> usize {
        let below = self.lower(py).map_or(0, |lower| lower.unsent(py));
        self.backlog.borrow().size() + below
    }

    /// The transport below is to be written to no more for now.
    pub fn pause_lower_writing(&self) {
        self.lower_paused.set(true);
    }

    fn cancel_timer(&self, py: Python<'_>) -> PyResult<()> {
        match self.timer.take() {
            Some(timer) => timer.bind(py).call_method0(intern!(py, "cancel")).map(drop),
            None => Ok(()),
        }
    }

    /// Completes the future of who waits for the handshake, if somebody still does.
    fn wake_waiter(&self, py: Python<'_>, error: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let Some(waiter) = self.waiter.take() else { return Ok(()) };
        let waiter = waiter.bind(py);
        if waiter.call_method0(intern!(py, "done"))?.is_truthy()? {
            return Ok(());
        }
        match error {
            Some(error) => waiter.call_method1(intern!(py, "set_exception"), (error,)),
            None => waiter.call_method1(intern!(py, "set_result"), (py.None(),)),
        }
        .map(drop)
    }

    fn visit(&self, visit: &mut Visit<'_>) {
        self.slots().into_iter().for_each(|slot| visit.slot(slot));
        self.protocol.traverse(visit);
        self.engine.traverse(visit);
        self.backlog.borrow().traverse(visit);
    }

    fn forget(&self) {
        self.protocol.forget();
        self.engine.clear();
        let gone = self.backlog.borrow_mut().take();
        drop(gone);
        self.slots().into_iter().for_each(|slot| drop(slot.take()));
    }

    fn slots(&self) -> [&Slot; 8] {
        [
            &self.event_loop,
            &self.lower,
            &self.context,
            &self.waiter,
            &self.timer,
            &self.extra,
            &self.handshake_timeout,
            &self.shutdown_timeout,
        ]
    }
}

/// What the transport below tells. An error that comes back from here ends the run.
impl Instance<TlsTransport> {
    /// Bytes have arrived.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn feed(&self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        let done = match self.state.get() {
            State::New | State::Closed => Ok(()),
            State::Handshake => {
                self.engine.give(py, data).and_then(|()| self.go_on_with_handshake(py))
            }
            State::Open => self.read(py, &mut read::Feed::new(data)),
            // Behind the peer's own end nothing counts.
            State::Flushing if !self.closed_by_user.get() => self.go_on_closing(py),
            State::Flushing | State::Shutdown => {
                self.engine.give(py, data).and_then(|()| self.go_on_closing(py))
            }
        };
        self.or_fatal(py, done, FATAL)
    }

    /// The connection is over, for `reason` or `None`.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn lower_lost(&self, reason: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = reason.py();
        let gone = self.backlog.borrow_mut().take();
        drop(gone);
        self.state.set(State::Closed);
        self.lost_writes.set(self.lost_writes.get().saturating_add(1));
        let cancelled = self.cancel_timer(py);
        let mut told = Ok(());
        if matches!(self.told.get(), Told::Made | Told::Ended) {
            self.told.set(Told::Lost);
            told = self.protocol.connection_lost(reason).or_else(|error| {
                self.report(py, "Exception in callback protocol.connection_lost()", error)
            });
        }
        let woken = if reason.is_none() && self.waiter.is_set() {
            let text = "the connection was closed during the SSL handshake";
            let error = PyConnectionAbortedError::new_err(text).into_value(py).into_bound(py);
            self.wake_waiter(py, Some(error.as_any()))
        } else {
            self.wake_waiter(py, Some(reason))
        };
        self.protocol.forget();
        told.and(cancelled).and(woken)
    }

    fn report(&self, py: Python<'_>, message: &str, error: PyErr) -> PyResult<()> {
        let event_loop = self.event_loop.get_or_none(py);
        let more =
            [("transport", self.bind(py).to_owned()), ("protocol", self.protocol.object(py))];
        errors::report(&event_loop, message, error, &more)
    }

    /// Ends the connection, if `done` is an error.
    fn or_fatal(&self, py: Python<'_>, done: PyResult<()>, message: &str) -> PyResult<()> {
        done.or_else(|error| self.fatal(py, error, message))
    }

    /// Tells the peer of `error` if OpenSSL has a word for it, ends the connection, and reports
    /// the error, unless it is one that connections have.
    fn fatal(&self, py: Python<'_>, error: PyErr, message: &str) -> PyResult<()> {
        let reason = Obj::from(error.value(py));
        let alerted = if self.in_state(State::Closed) { Ok(()) } else { self.flush(py) };
        let closed = self.force_close(py, Some(reason));
        if errors::ends_the_run(py, &error) {
            return Err(error);
        }
        if error.is_instance_of::<PyOSError>(py) {
            self.log(py, ("%r: %s", self.bind(py), message), Some(&error))?;
        } else if !error.is_instance(py, &imports(py)?.cancelled_error.bind(py)) {
            self.report(py, message, error)?;
        }
        alerted.and(closed)
    }

    /// See [`log_in_debug`].
    fn log<'py>(
        &self,
        py: Python<'py>,
        line: impl PyCallArgs<'py>,
        error: Option<&PyErr>,
    ) -> PyResult<()> {
        log_in_debug(&self.event_loop(py)?, line, error)
    }

    /// Has `method` called after `seconds`, which replaces what the timer was set to before.
    fn set_timer(&self, py: Python<'_>, seconds: &Slot, method: &str) -> PyResult<()> {
        self.cancel_timer(py)?;
        let method = self.bind(py).getattr(method)?;
        let arguments = (seconds.get_or_none(py), method);
        let timer = self.event_loop(py)?.call_method1(intern!(py, "call_later"), arguments)?;
        self.timer.set(timer);
        Ok(())
    }

    /// Ends the connection now, with `reason`; what is queued is lost.
    ///
    /// # Errors
    ///
    /// `RuntimeError` if the loop is closed.
    pub fn force_close(&self, py: Python<'_>, reason: Option<Obj>) -> PyResult<()> {
        self.state.set(State::Closed);
        match self.lower(py) {
            Some(lower) => lower.force_close(py, reason),
            None => Ok(()),
        }
    }
}
