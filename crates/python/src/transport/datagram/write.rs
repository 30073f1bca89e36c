//! What is sent: at once if it goes, queued if it does not.

use super::super::write_queue::bytes_like;
use super::queue::{Outgoing, Target};
use super::{DatagramTransport, Family};
use crate::capi::intern;
use crate::capi::{Instance, Obj, as_bytes, call_method};
use crate::errors::os_error;
use crate::event_loop::EventLoop;
use nalsil_driver::sys::datagram;
use nalsil_driver::sys::net::Address;
use pyo3::exceptions::{PyBlockingIOError, PyInterruptedError, PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString, PyTuple};
use std::io;

const FATAL_WRITE: &str = "Fatal write error on datagram transport";

/// Whether a datagram was sent; if not, there was no room.
type Sent = PyResult<bool>;

impl Instance<DatagramTransport> {
    /// Sends `data` to `address`, or queues it.
    ///
    /// # Errors
    ///
    /// `TypeError` for what is not bytes-like, `ValueError` for another address than the one that
    /// the transport was made for, and what the protocol's `error_received` raises.
    #[inline]
    pub fn send_to(
        &self,
        data: &Bound<'_, PyAny>,
        address: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = data.py();
        let viewed;
        let content = match as_bytes(data) {
            Some(content) => content,
            None => {
                viewed = bytes_like(data)?;
                viewed.as_slice()
            }
        };
        let address = self.checked_address(py, address)?;
        if self.base.is_closed() || self.base.is_lost() && self.address.is_set() {
            return self.base.warn_of_late_write(py, "socket.send() raised exception.");
        }
        let target = self.target(address);
        let idle = self.queue.borrow().is_empty();
        if idle {
            match self.send_now(data, content, &target) {
                Ok(true) => return Ok(()),
                Ok(false) if self.base.is_lost() => return Ok(()),
                Ok(false) => {}
                Err(error) if error.is_instance_of::<PyOSError>(py) => {
                    let protocol = self.base.protocol(py);
                    let error = error.into_value(py).into_bound(py);
                    let told =
                        call_method(&protocol, intern!(py, "error_received"), [error.as_any()]);
                    return told.map(drop);
                }
                Err(error) => return self.fatal(py, error, FATAL_WRITE),
            }
        }
        let kept = if data.is_exact_instance_of::<PyBytes>() {
            Obj::from(data)
        } else {
            Obj::from(PyBytes::new(py, content))
        };
        let length = content.len();
        self.queue.borrow_mut().push(Outgoing { data: kept, length, target });
        if idle {
            self.watch(&self.base.event_loop(py)?)?;
        }
        self.maybe_pause_protocol(py)
    }

    /// The address to send to: the given one, unless the transport was made for another.
    #[inline]
    fn checked_address<'py>(
        &self,
        py: Python<'py>,
        given: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let given = given.filter(|given| !given.is_none());
        let Some(own) = self.address.get(py) else { return Ok(given.cloned()) };
        match given {
            Some(given) if !given.eq(&own)? => Err(PyValueError::new_err(format!(
                "Invalid address: must be None or {}",
                own.str()?
            ))),
            _ => Ok(Some(own)),
        }
    }

    #[inline]
    fn target(&self, address: Option<Bound<'_, PyAny>>) -> Target {
        if self.connected && self.family != Family::Other {
            return Target::Connected;
        }
        let Some(address) = address else { return Target::Connected };
        match self.peers.address(&address).or_else(|| numeric(self.family, &address)) {
            Some(known) => Target::Known(known),
            None => Target::Other(Obj::from(address)),
        }
    }

    /// Tries to send one datagram. `content` is what is in `data`.
    #[inline]
    fn send_now(&self, data: &Bound<'_, PyAny>, content: &[u8], target: &Target) -> Sent {
        let py = data.py();
        let to = match target {
            Target::Connected if self.connected && self.family != Family::Other => None,
            Target::Known(address) => Some(address),
            Target::Connected => return self.send_by_python(data, None),
            Target::Other(address) => return self.send_by_python(data, Some(&address.bind(py))),
        };
        match datagram::send_to(self.base.usable_fd(py), content, to) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(os_error(&error)),
        }
    }

    /// Sends through the socket object, which resolves names, and says what is wrong with addresses.
    fn send_by_python(&self, data: &Bound<'_, PyAny>, to: Option<&Bound<'_, PyAny>>) -> Sent {
        let py = data.py();
        let Some(socket) = self.base.file(py) else { return Ok(true) };
        let sent = if self.connected {
            socket.call_method1(intern!(py, "send"), (data,))
        } else {
            socket.call_method1(intern!(py, "sendto"), (data, to))
        };
        match sent {
            Ok(_) => Ok(true),
            Err(error)
                if error.is_instance_of::<PyBlockingIOError>(py)
                    || error.is_instance_of::<PyInterruptedError>(py) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// There is room again: sends from the queue.
    pub(super) fn write_queued(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        let py = event_loop.py();
        // What is queued meanwhile, by a protocol that is told of an error, waits for the next turn.
        let count = self.queue.borrow().len();
        for _ in 0..count {
            let next = self.queue.borrow_mut().pop();
            let Some(next) = next else { break };
            let data = next.data.bind(py);
            match self.send_now(&data, as_bytes(&data).unwrap_or_default(), &next.target) {
                Ok(true) => {}
                Ok(false) => {
                    self.queue.borrow_mut().put_back(next);
                    break;
                }
                Err(error) if error.is_instance_of::<PyOSError>(py) => {
                    let error = error.into_value(py).into_bound(py);
                    self.tell(py, intern!(py, "error_received"), [error.as_any()])?;
                }
                Err(error) => return self.fatal(py, error, FATAL_WRITE),
            }
            if self.base.is_lost() {
                return Ok(());
            }
        }
        // What the protocol raises must not leave the transport waiting for room that it has.
        let resumed = self.maybe_resume_protocol(py);
        resumed.and(self.finish_writing(event_loop))
    }

    /// The queue may be empty: stops waiting for room, and does what waited for the last datagram.
    fn finish_writing(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        if !self.queue.borrow().is_empty() || self.base.is_closed() || self.base.is_lost() {
            return Ok(());
        }
        self.watch(event_loop)?;
        if self.base.is_closing() && !self.base.is_lost() {
            self.base.decide_end();
            return self.lost(event_loop.py());
        }
        Ok(())
    }
}

/// The address that a tuple with a numeric host stands for, if it is one of that family. What is
/// unusual is left to Python's sockets.
fn numeric(family: Family, address: &Bound<'_, PyAny>) -> Option<Address> {
    let parts = address.cast_exact::<PyTuple>().ok()?;
    let host = parts.get_borrowed_item(0).ok()?;
    let host = host.cast_exact::<PyString>().ok()?;
    let host = host.to_str().ok()?;
    let number = |index: usize| {
        let part = parts.get_borrowed_item(index).ok()?;
        part.cast_exact::<PyInt>().ok()?.extract::<u32>().ok()
    };
    let port = u16::try_from(number(1)?).ok()?;
    match (family, parts.len()) {
        (Family::V4, 2) => Some(Address::V4(host.parse().ok()?, port)),
        (Family::V6, 2) => Some(Address::V6(host.parse().ok()?, port, 0, 0)),
        (Family::V6, 4) => {
            let flow = number(2).filter(|flow| *flow <= 0x000f_ffff)?;
            Some(Address::V6(host.parse().ok()?, port, flow, number(3)?))
        }
        _ => None,
    }
}
