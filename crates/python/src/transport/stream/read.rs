//! What arrives: received, and given to the protocol.

use super::super::log_in_debug;
use super::super::protocol::Delivery;
use super::{Reading, StreamTransport};
use crate::capi::{BytesWriter, Instance};
use crate::errors::os_error;
use crate::event_loop::{EventLoop, Ready, SCRATCH_SIZE};
use nalsil_driver::sys::net;
use nalsil_driver::{Event, Trigger};
use pyo3::prelude::*;
use std::io;

/// From this size of the last read on, the next goes straight into its bytes object, which has room
/// for four times as much: below it the copy costs less than making a larger object and shrinking
/// it.
pub(in crate::transport) const DIRECT_FROM: usize = 4 * 1024;
/// The most room of such a read: as much as malloc gives from its heap. From 128 KiB on, glibc maps
/// each block anew, and the faults of its pages cost more than a second read.
pub(in crate::transport) const DIRECT_SIZE: usize = 124 * 1024;

const FATAL_READ: &str = "Fatal read error on socket transport";

impl Instance<StreamTransport> {
    /// Receives once, and gives what came to the protocol.
    pub(super) fn read(&self, event_loop: &Bound<'_, EventLoop>, event: Event) -> PyResult<()> {
        let py = event_loop.py();
        if self.is_lost() {
            return Ok(());
        }
        match self.protocol.delivery() {
            Delivery::Data => {}
            Delivery::Buffered => return self.read_buffered(event_loop, event),
            Delivery::Tls => return self.read_for_tls(event_loop, event),
        }
        match self.receive(event_loop, event) {
            Ok(Some((0, _))) => self.read_end(py),
            Ok(Some((_, data))) => {
                self.in_context(py, || self.protocol.data_received(&data)).or_else(|error| {
                    let message = "Fatal error: protocol.data_received() call failed.";
                    self.fatal(py, error, message)
                })
            }
            Ok(None) => Ok(()),
            Err(error) => self.fatal(py, error, FATAL_READ),
        }
    }

    /// Receives once. Nothing, if nothing has arrived.
    #[inline]
    fn receive<'py>(
        &self,
        event_loop: &Bound<'py, EventLoop>,
        event: Event,
    ) -> PyResult<Option<(usize, Bound<'py, PyAny>)>> {
        let (py, fd) = (event_loop.py(), self.usable_fd(event_loop.py()));
        let mut room = SCRATCH_SIZE;
        let outcome = if self.last_read.get() >= DIRECT_FROM {
            room = DIRECT_SIZE.min(self.last_read.get() * 4);
            let mut bytes = BytesWriter::with_room(py, room)?;
            net::recv(fd, bytes.room()).map(|count| (count, bytes.finish(count)))
        } else {
            event_loop.get().with_scratch(py, |scratch| {
                let count = net::recv(fd, scratch)?;
                Ok((count, BytesWriter::copy(py, &scratch[..count])))
            })
        };
        match outcome {
            Ok((count, bytes)) => {
                self.last_read.set(count);
                self.read_again(event_loop, event, count, room);
                Ok(Some((count, bytes?)))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(os_error(&error)),
        }
    }

    /// Sees to it that what may be left after a read of `count` bytes into `room` is read in the
    /// next turn. The system does not report an edge twice.
    #[inline]
    fn read_again(
        &self,
        event_loop: &Bound<'_, EventLoop>,
        event: Event,
        count: usize,
        room: usize,
    ) {
        let left = count == room || event.ready.is_exceptional();
        if left && count > 0 && self.trigger() == Trigger::Edge {
            event_loop.get().push(event_loop.py(), Ready::Io(event));
        }
    }

    fn read_buffered(&self, event_loop: &Bound<'_, EventLoop>, event: Event) -> PyResult<()> {
        let py = event_loop.py();
        // One entry of the context for both calls of the protocol.
        match self.in_context(py, || Ok(self.receive_buffered(event_loop, event))) {
            Ok(Ok(Some(0))) => self.read_end(py),
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, message))) => self.fatal(py, error, message),
            Err(error) => self.fatal(py, error, "Fatal error: the context cannot be entered."),
        }
    }

    /// Receives once into the protocol's buffer, and tells it. Returns how much came, if anything
    /// has arrived, or the error with the text to report it with.
    fn receive_buffered(
        &self,
        event_loop: &Bound<'_, EventLoop>,
        event: Event,
    ) -> Result<Option<usize>, (PyErr, &'static str)> {
        let py = event_loop.py();
        let failed = |error| (error, "Fatal error: protocol.get_buffer() call failed.");
        let Some(mut buffer) = self.protocol.buffer(py, -1).map_err(failed)? else {
            return Ok(None);
        };
        // The protocol's `get_buffer` may have closed the transport.
        if self.is_lost() || self.fd.get() < 0 {
            return Ok(None);
        }
        let room = buffer.as_mut_slice().len();
        let received = net::recv(self.usable_fd(py), buffer.as_mut_slice());
        drop(buffer);
        let count = match received {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err((os_error(&error), FATAL_READ)),
        };
        self.read_again(event_loop, event, count, room);
        if count > 0 {
            self.protocol
                .buffer_updated(py, count)
                .map_err(|error| (error, "Fatal error: protocol.buffer_updated() call failed."))?;
        }
        Ok(Some(count))
    }

    /// Receives once, and gives what came to the TLS transport above.
    fn read_for_tls(&self, event_loop: &Bound<'_, EventLoop>, event: Event) -> PyResult<()> {
        let py = event_loop.py();
        let Some(tls) = self.protocol.tls(py) else { return Ok(()) };
        let fd = self.usable_fd(py);
        // The scratch memory is ours until the end: nobody else reads before that.
        let outcome = event_loop.get().with_scratch(py, |scratch| {
            match net::recv_into(fd, &mut scratch[..DIRECT_SIZE]) {
                Ok([]) => Ok(true),
                Ok(received) => {
                    self.read_again(event_loop, event, received.len(), DIRECT_SIZE);
                    self.in_context(py, || tls.feed(py, received)).map(|()| false)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
                Err(error) => self.fatal(py, os_error(&error), FATAL_READ).map(|()| false),
            }
        });
        match outcome {
            Ok(true) => self.read_end(py),
            Ok(false) => Ok(()),
            // What is left are those errors that end the run.
            Err(error) => self.fatal(py, error, FATAL_READ),
        }
    }

    fn read_end(&self, py: Python<'_>) -> PyResult<()> {
        let line = ("%r received EOF", self.bind(py));
        let logged = log_in_debug(&self.event_loop(py)?, line, None);
        let told = match self.in_context(py, || self.protocol.eof_received(py)) {
            Ok(true) => {
                self.reading.set(Reading::Ended);
                self.watch(&self.event_loop(py)?)
            }
            Ok(false) => self.close(py),
            Err(error) => {
                self.fatal(py, error, "Fatal error: protocol.eof_received() call failed.")
            }
        };
        told.and(logged)
    }
}
