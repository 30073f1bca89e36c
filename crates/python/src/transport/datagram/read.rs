//! What arrives: received, several datagrams at a time, and given to the protocol one by one.

use super::{DatagramTransport, Family, Held};
use crate::capi::intern;
use crate::capi::{BytesWriter, Instance, Obj};
use crate::errors::os_error;
use crate::event_loop::{EventLoop, SCRATCH_SIZE};
use nalsil_driver::sys::datagram::{self, Datagram, MAX_DATAGRAMS};
use pyo3::exceptions::{PyBlockingIOError, PyInterruptedError, PyOSError};
use pyo3::prelude::*;
use std::io;

/// The room of each when several are received at once: more than the network's datagrams can have.
const ROOM: usize = SCRATCH_SIZE / MAX_DATAGRAMS;

/// How many times several are received at most before others have their turn: a flood of datagrams
/// must not stop the loop.
const ROUNDS: usize = 8;

/// After so many that came alone, several are tried for again, which costs a little more where
/// there are none.
const ALONE: u8 = 15;

const FATAL_READ: &str = "Fatal read error on datagram transport";

/// Datagrams as objects of Python.
type Batch<'py> = [Option<(PyResult<Bound<'py, PyAny>>, Datagram)>; MAX_DATAGRAMS];

impl Instance<DatagramTransport> {
    /// Receives what has arrived, within bounds, and gives it to the protocol.
    #[inline]
    pub(super) fn read(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        let py = event_loop.py();
        self.deliver_held(py)?;
        if self.family == Family::Other {
            return self.read_by_python(py);
        }
        let several = self.family != Family::Unix && self.singles.get() == 0;
        for _ in 0..if several { ROUNDS } else { 1 } {
            if !self.wants_to_read() || self.base.is_lost() {
                return Ok(());
            }
            let asked = if several { MAX_DATAGRAMS } else { 1 };
            let (batch, count) = match self.receive(event_loop, asked) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    let error = os_error(&error).into_value(py).into_bound(py);
                    return self.tell(py, intern!(py, "error_received"), [error.as_any()]);
                }
            };
            self.note(several, count);
            for (data, datagram) in batch.into_iter().flatten() {
                self.deliver(py, data, datagram)?;
            }
            if count < asked {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Decides how the next datagrams are received.
    #[inline]
    fn note(&self, several: bool, count: usize) {
        if !several {
            self.singles.set(self.singles.get().saturating_sub(1));
        } else if count == 1 {
            self.singles.set(ALONE);
        }
    }

    /// Receives up to `asked` datagrams.
    #[inline]
    fn receive<'py>(
        &self,
        event_loop: &Bound<'py, EventLoop>,
        asked: usize,
    ) -> io::Result<(Batch<'py>, usize)> {
        let py = event_loop.py();
        let fd = self.base.usable_fd(py);
        event_loop.get().with_scratch(py, |scratch| {
            let mut batch: Batch<'py> = [const { None }; MAX_DATAGRAMS];
            if asked == 1 {
                let one = datagram::recv_from(fd, scratch)?;
                let data = BytesWriter::copy(py, &scratch[..one.length]);
                batch[0] = Some((data, one));
                return Ok((batch, 1));
            }
            let mut found: [Datagram; MAX_DATAGRAMS] = Default::default();
            let count = datagram::recv_many(fd, scratch, ROOM, &mut found[..asked])?;
            let pieces = found.into_iter().zip(scratch.chunks(ROOM)).take(count);
            for (place, (datagram, piece)) in batch.iter_mut().zip(pieces) {
                let data = BytesWriter::copy(py, &piece[..datagram.length]);
                *place = Some((data, datagram));
            }
            Ok((batch, count))
        })
    }

    /// Gives one datagram to the protocol.
    #[inline]
    fn deliver(
        &self,
        py: Python<'_>,
        data: PyResult<Bound<'_, PyAny>>,
        datagram: Datagram,
    ) -> PyResult<()> {
        let sender = match datagram.from {
            Some(sender) => self.peers.object(py, sender),
            None => Ok(py.None().into_bound(py)),
        };
        match data.and_then(|data| Ok((data, sender?))) {
            Ok((data, sender)) => self.give(py, data, sender),
            Err(error) => self.fatal(py, error, FATAL_READ),
        }
    }

    /// Gives one datagram to the protocol, or keeps it if that has paused meanwhile. After the end
    /// nothing is given any more.
    #[inline]
    fn give(
        &self,
        py: Python<'_>,
        data: Bound<'_, PyAny>,
        sender: Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if self.base.is_closing() {
            return Ok(());
        }
        if self.paused.get() {
            let held = Held { data: Obj::from(data), sender: Obj::from(sender) };
            self.held.borrow_mut().push_back(held);
            return Ok(());
        }
        self.tell(py, intern!(py, "datagram_received"), [&data, &sender])
    }

    /// Gives the protocol what came while it had paused.
    fn deliver_held(&self, py: Python<'_>) -> PyResult<()> {
        while self.wants_to_read() {
            let next = self.held.borrow_mut().pop_front();
            let Some(Held { data, sender }) = next else { break };
            self.give(py, data.into_bound(py), sender.into_bound(py))?;
        }
        Ok(())
    }

    /// Receives one datagram through the socket object, for families that the loop does not read.
    fn read_by_python(&self, py: Python<'_>) -> PyResult<()> {
        let Some(socket) = self.base.file(py) else { return Ok(()) };
        match socket.call_method1(intern!(py, "recvfrom"), (SCRATCH_SIZE,)) {
            Ok(received) => self.give(py, received.get_item(0)?, received.get_item(1)?),
            Err(error)
                if error.is_instance_of::<PyBlockingIOError>(py)
                    || error.is_instance_of::<PyInterruptedError>(py) =>
            {
                Ok(())
            }
            Err(error) if error.is_instance_of::<PyOSError>(py) => {
                let error = error.into_value(py).into_bound(py);
                self.tell(py, intern!(py, "error_received"), [error.as_any()])
            }
            Err(error) => self.fatal(py, error, FATAL_READ),
        }
    }
}
