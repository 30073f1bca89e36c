//! The addresses of those a socket talks with, as objects of Python.
//!
//! Most sockets talk with few peers at a time. An object that was made for a peer is given again,
//! and an address that is that object needs not be read.

use super::super::address;
use crate::capi::{Obj, Visit};
use nalsil_driver::sys::net::Address;
use pyo3::prelude::*;
use std::cell::{Cell, RefCell};

/// How many peers are remembered; a power of two.
const PLACES: usize = 16;

/// An address, and the object that was made of it.
type Peer = (Address, Obj);

/// The peers that were met last, each in the place that its address decides.
#[derive(Default)]
pub struct Peers {
    places: RefCell<[Option<Peer>; PLACES]>,
    last: Cell<usize>,
}

fn place_of(address: &Address) -> usize {
    let mixed = match address {
        Address::V4(host, port) => u32::from(*host) ^ u32::from(*port),
        Address::V6(host, port, ..) => {
            let [.., a, b, c, d] = host.octets();
            u32::from_be_bytes([a, b, c, d]) ^ u32::from(*port)
        }
        Address::Unix(name) => {
            name.iter().fold(0, |mixed: u32, byte| mixed.rotate_left(5) ^ u32::from(*byte))
        }
        Address::Other(_) => 0,
    };
    // Fibonacci hashing: the high bits of the product depend on all bits.
    let hashed = mixed.wrapping_mul(0x9E37_79B1);
    (hashed >> (32 - PLACES.trailing_zeros())) as usize
}

impl Peers {
    /// The object for `sender`, as Python's own sockets would give it.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    #[inline]
    pub fn object<'py>(&self, py: Python<'py>, sender: Address) -> PyResult<Bound<'py, PyAny>> {
        let place = place_of(&sender);
        if let Some((known, object)) = &self.places.borrow()[place]
            && *known == sender
        {
            self.last.set(place);
            return Ok(object.bind(py).to_owned());
        }
        let object = address::to_python(py, &sender)?;
        let Some(object) = object else { return Ok(py.None().into_bound(py)) };
        let old = self.places.borrow_mut()[place].replace((sender, Obj::from(&object)));
        drop(old);
        self.last.set(place);
        Ok(object)
    }

    /// The address that `object` was made of, if that is remembered.
    #[inline]
    pub fn address(&self, object: &Bound<'_, PyAny>) -> Option<Address> {
        let places = self.places.borrow();
        let of = |place: &Option<Peer>| match place {
            Some((address, known)) if known.is(object) => Some(address.clone()),
            _ => None,
        };
        of(&places[self.last.get()]).or_else(|| places.iter().find_map(of))
    }

    /// For the garbage collector.
    pub fn traverse(&self, visit: &mut Visit<'_>) {
        for (_, object) in self.places.borrow().iter().flatten() {
            visit.object(object);
        }
    }
}
