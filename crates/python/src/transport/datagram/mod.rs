//! A datagram socket: UDP, Unix, or of another family that Python's sockets know.

mod methods;
mod peers;
mod queue;
mod read;
mod write;

use super::Transport;
use super::endpoint::{self, Base, Endpoint};
use super::stream;
use crate::capi::{Instance, Obj, Slot, Visit};
use crate::event_loop::EventLoop;
use nalsil_driver::sys::net::{self, Address};
use nalsil_driver::{Event, Interest};
use peers::Peers;
use pyo3::prelude::*;
use queue::DatagramQueue;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// What the loop knows of a socket's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
    Unix,
    /// Another one: the socket object receives and sends.
    Other,
}

/// A datagram that came while the protocol did not want any.
pub struct Held {
    data: Obj,
    sender: Obj,
}

/// A datagram socket.
pub struct DatagramTransport {
    base: Base,
    family: Family,
    /// Where everything goes, if the user has said so when the transport was made.
    address: Slot,
    /// Whether the socket is connected.
    connected: bool,
    paused: Cell<bool>,
    /// What was received together with the datagram that made the protocol pause.
    held: RefCell<VecDeque<Held>>,
    queue: RefCell<DatagramQueue>,
    peers: Peers,
    /// How many times one datagram is received before several are tried for again.
    singles: Cell<u8>,
}

type This = Instance<DatagramTransport>;

impl DatagramTransport {
    fn create(
        event_loop: &Bound<'_, EventLoop>,
        parts: &endpoint::Parts<'_, '_>,
        address: Option<&Bound<'_, PyAny>>,
        connected: bool,
    ) -> PyResult<This> {
        let family = match net::local_address(parts.fd) {
            Ok(Address::V4(..)) => Family::V4,
            Ok(Address::V6(..)) => Family::V6,
            Ok(Address::Unix(_)) => Family::Unix,
            _ => Family::Other,
        };
        let address = address.filter(|address| !address.is_none());
        stream::hold_open(parts.file)?;
        let made = Instance::create(event_loop, parts, |base| DatagramTransport {
            base,
            family,
            address: address.map_or_else(Slot::default, Slot::new),
            connected,
            paused: Cell::new(false),
            held: RefCell::default(),
            queue: RefCell::default(),
            peers: Peers::default(),
            singles: Cell::new(0),
        });
        if made.is_err() {
            stream::end_hold(parts.file)?;
        }
        made
    }

    fn wants_to_read(&self) -> bool {
        self.base.is_started() && !self.paused.get() && !self.base.is_closing()
    }
}

impl Endpoint for DatagramTransport {
    type Queue = (DatagramQueue, VecDeque<Held>);

    fn base(&self) -> &Base {
        &self.base
    }

    fn transport(this: This) -> Transport {
        Transport::Datagram(this)
    }

    fn wanted(&self) -> Interest {
        let mut wanted = Interest::NONE;
        if self.wants_to_read() {
            wanted = wanted | Interest::READABLE;
        }
        if !self.queue.borrow().is_empty() {
            wanted = wanted | Interest::WRITABLE;
        }
        wanted
    }

    fn queued(&self) -> usize {
        self.queue.borrow().size()
    }

    fn take_queue(&self) -> Self::Queue {
        (self.queue.take(), self.held.take())
    }

    #[inline]
    fn ready(this: &This, event_loop: &Bound<'_, EventLoop>, event: Event) -> PyResult<()> {
        if event.ready.is_readable() {
            if this.wants_to_read() {
                this.read(event_loop)?;
            } else {
                // Pausing left the registration as it was; now it would be reported for ever.
                this.watch(event_loop)?;
            }
        }
        if event.ready.is_writable() && !this.base.is_closed() {
            this.write_queued(event_loop)?;
        }
        Ok(())
    }

    fn close(this: &This, py: Python<'_>) -> PyResult<()> {
        if this.base.set_closing() {
            return Ok(());
        }
        let event_loop = this.base.event_loop(py)?;
        if this.queue.borrow().is_empty() {
            return this.schedule_lost(&event_loop);
        }
        this.update_interest(&event_loop)
    }

    fn release(file: &Bound<'_, PyAny>) -> PyResult<()> {
        stream::let_go(file)
    }
}

impl DatagramTransport {
    fn visit(&self, visit: &mut Visit<'_>) {
        self.base.traverse(visit);
        visit.slot(&self.address);
        self.queue.borrow().traverse(visit);
        self.peers.traverse(visit);
        for held in self.held.borrow().iter() {
            visit.object(&held.data);
            visit.object(&held.sender);
        }
    }
}
