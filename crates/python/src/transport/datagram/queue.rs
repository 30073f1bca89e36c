//! The datagrams that a socket could not send yet.

use crate::capi::{Obj, Visit};
use nalsil_driver::sys::net::Address;
use std::collections::VecDeque;

/// What a datagram counts for besides its bytes, so that empty ones count as well: a UDP header.
const HEADER: usize = 8;

/// Where a datagram goes.
pub enum Target {
    /// To whom the socket is connected.
    Connected,
    /// To an address that the loop can write.
    Known(Address),
    /// To an address that Python's socket must make sense of.
    Other(Obj),
}

/// A datagram to be sent.
pub struct Outgoing {
    /// A bytes object.
    pub data: Obj,
    /// Its length.
    pub length: usize,
    /// Where it goes.
    pub target: Target,
}

/// Datagrams in the order in which they were sent.
#[derive(Default)]
pub struct DatagramQueue {
    datagrams: VecDeque<Outgoing>,
    size: usize,
}

impl DatagramQueue {
    /// What flow control counts: bytes, and a header for each datagram.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many datagrams wait.
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Queues a datagram behind all others.
    pub fn push(&mut self, datagram: Outgoing) {
        self.size += datagram.length + HEADER;
        self.datagrams.push_back(datagram);
    }

    /// Puts a datagram back that could not be sent after all.
    pub fn put_back(&mut self, datagram: Outgoing) {
        self.size += datagram.length + HEADER;
        self.datagrams.push_front(datagram);
    }

    /// Takes the first datagram out.
    pub fn pop(&mut self) -> Option<Outgoing> {
        let datagram = self.datagrams.pop_front()?;
        self.size -= datagram.length + HEADER;
        Some(datagram)
    }

    /// For the garbage collector.
    pub fn traverse(&self, visit: &mut Visit<'_>) {
        for datagram in &self.datagrams {
            visit.object(&datagram.data);
            if let Target::Other(address) = &datagram.target {
                visit.object(address);
            }
        }
    }
}
