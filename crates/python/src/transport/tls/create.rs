//! The making of a TLS transport.

use super::backlog::Backlog;
use super::engine::Engine;
use super::{HIGH_READ, HIGH_WRITE, State, TlsTransport, Told};
use crate::capi::intern;
use crate::capi::{Instance, Slot};
use crate::event_loop::EventLoop;
use crate::transport::protocol::Protocol;
use pyo3::prelude::*;
use std::cell::{Cell, RefCell};

#[pymethods]
impl EventLoop {
    /// Make a TLS transport for a protocol. It does nothing before it is the protocol of the
    /// transport below, or given that transport by `_begin`. `made` says that the protocol knows
    /// of its connection already.
    #[pyo3(signature = (
        protocol,
        context,
        waiter=None,
        *,
        handshake_timeout,
        shutdown_timeout,
        server_side=false,
        server_hostname=None,
        made=false,
    ))]
    #[expect(clippy::too_many_arguments, reason = "each is one of asyncio's")]
    fn _make_tls_transport(
        slf: &Bound<'_, Self>,
        protocol: &Bound<'_, PyAny>,
        context: &Bound<'_, PyAny>,
        waiter: Option<&Bound<'_, PyAny>>,
        handshake_timeout: &Bound<'_, PyAny>,
        shutdown_timeout: &Bound<'_, PyAny>,
        server_side: bool,
        server_hostname: Option<&Bound<'_, PyAny>>,
        made: bool,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        slf.get().check_open()?;
        let none = py.None().into_bound(py);
        let engine = Engine::new(context, server_side, server_hostname.unwrap_or(&none))?;
        let body = TlsTransport {
            event_loop: Slot::new(slf),
            lower: Slot::default(),
            protocol: Protocol::default(),
            engine,
            context: Slot::new(context),
            waiter: waiter.map_or_else(Slot::default, Slot::new),
            timer: Slot::default(),
            extra: Slot::default(),
            handshake_timeout: Slot::new(handshake_timeout),
            shutdown_timeout: Slot::new(shutdown_timeout),
            server_side,
            state: Cell::new(State::New),
            told: Cell::new(if made { Told::Made } else { Told::Nothing }),
            established: Cell::new(false),
            begun: Cell::new(0.0),
            closed_by_user: Cell::new(false),
            lower_ended: Cell::new(false),
            held_open: Cell::new(false),
            paused: Cell::new(false),
            protocol_paused: Cell::new(false),
            lower_paused: Cell::new(false),
            backlog: RefCell::new(Backlog::default()),
            unsent_before: Cell::new(0),
            lost_writes: Cell::new(0),
            high_write: Cell::new(HIGH_WRITE),
            low_write: Cell::new(HIGH_WRITE / 4),
            high_read: Cell::new(HIGH_READ),
            low_read: Cell::new(HIGH_READ / 4),
        };
        let this = Instance::new(py, body)?;
        this.protocol.set(protocol)?;
        if !made {
            // A protocol that cannot be told of its connection is met here, by who passed it.
            drop(protocol.getattr(intern!(py, "connection_made"))?);
        }
        Ok(this.bind(py).to_owned().unbind())
    }
}
