//! What is sent: at once if it goes, queued if it does not.

use super::super::write_queue::{TO_SOCKET, bytes_like};
use super::StreamTransport;
use crate::capi::intern;
use crate::capi::{Instance, Obj, ReadView, as_bytes};
use crate::errors::os_error;
use crate::event_loop::EventLoop;
use crate::imports::imports;
use nalsil_driver::sys::net;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::io;

/// How many writes to a lost connection pass in silence; asyncio's number.
const SILENT_WRITES: u32 = 5;

impl Instance<StreamTransport> {
    /// # Errors
    ///
    /// `RuntimeError` if the sending side is closed or busy with a file.
    pub(super) fn check_may_write(&self) -> PyResult<()> {
        if self.eof.get() {
            return Err(PyRuntimeError::new_err("Cannot call write() after write_eof()"));
        }
        if self.has_file() {
            return Err(PyRuntimeError::new_err("unable to write; sendfile is in progress"));
        }
        Ok(())
    }

    fn warn_of_lost_write(&self, py: Python<'_>) -> PyResult<()> {
        if self.lost_writes.get() >= SILENT_WRITES {
            let text = "socket.send() raised exception.";
            imports(py)?.logger.bind(py).call_method1(intern!(py, "warning"), (text,))?;
        }
        self.lost_writes.set(self.lost_writes.get().saturating_add(1));
        Ok(())
    }

    /// Sends `data`, or as much as goes, and queues the rest.
    ///
    /// # Errors
    ///
    /// `TypeError` for what is not bytes-like; see [`Self::check_may_write`].
    pub fn write(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = data.py();
        let view;
        let (content, is_bytes) = match as_bytes(data) {
            Some(content) => (content, true),
            None => {
                view = bytes_like(data)?;
                (view.as_slice(), false)
            }
        };
        self.check_may_write()?;
        if content.is_empty() {
            return Ok(());
        }
        if self.is_lost() {
            return self.warn_of_lost_write(py);
        }
        let idle = self.queue.borrow().is_empty();
        let mut sent = 0;
        if idle {
            match net::send(self.usable_fd(py), content) {
                Ok(count) if count == content.len() => return Ok(()),
                Ok(count) => sent = count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    let message = "Fatal write error on socket transport";
                    return self.fatal(py, os_error(&error), message);
                }
            }
        }
        if is_bytes {
            self.queue.borrow_mut().push_bytes(Obj::from(data), content.len(), sent);
        } else {
            self.queue.borrow_mut().push_copy(&content[sent..]);
        }
        self.queue_grew(py, idle)
    }

    /// Sends a list of pieces with one system call, or as few as it takes.
    ///
    /// # Errors
    ///
    /// Those of [`Self::write`].
    pub fn write_lines(&self, pieces: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = pieces.py();
        self.check_may_write()?;
        let pieces: Vec<Bound<'_, PyAny>> = pieces.try_iter()?.collect::<PyResult<_>>()?;
        let views: Vec<Option<ReadView>> = pieces
            .iter()
            .map(
                |piece| {
                    if as_bytes(piece).is_some() { Ok(None) } else { bytes_like(piece).map(Some) }
                },
            )
            .collect::<PyResult<_>>()?;
        if pieces.is_empty() {
            return Ok(());
        }
        if self.is_lost() {
            return self.warn_of_lost_write(py);
        }
        let idle = self.queue.borrow().is_empty();
        {
            let mut queue = self.queue.borrow_mut();
            for (piece, view) in pieces.iter().zip(&views) {
                match (view, as_bytes(piece)) {
                    (Some(view), _) if !view.as_slice().is_empty() => {
                        queue.push_copy(view.as_slice());
                    }
                    (None, Some(bytes)) if !bytes.is_empty() => {
                        queue.push_bytes(Obj::from(piece), bytes.len(), 0);
                    }
                    _ => {}
                }
            }
        }
        if idle {
            self.send_queued(py)?;
            if self.is_lost() {
                return Ok(());
            }
        }
        self.queue_grew(py, idle)
    }

    /// Sends what TLS has made of the user's data: bytes objects, with one system call or as few
    /// as it takes.
    ///
    /// # Errors
    ///
    /// Those of [`Self::write`].
    pub fn write_records(&self, py: Python<'_>, records: Vec<Obj>) -> PyResult<()> {
        if let [only] = &records[..] {
            return self.write(&only.bind(py));
        }
        self.check_may_write()?;
        if self.is_lost() {
            return self.warn_of_lost_write(py);
        }
        let idle = self.queue.borrow().is_empty();
        for record in records {
            let length = record.as_bytes(py).map_or(0, <[u8]>::len);
            self.queue.borrow_mut().push_bytes(record, length, 0);
        }
        if idle {
            self.send_queued(py)?;
            if self.is_lost() {
                return Ok(());
            }
        }
        self.queue_grew(py, idle)
    }

    /// Sends from the queue; an error is fatal for the transport.
    fn send_queued(&self, py: Python<'_>) -> PyResult<()> {
        let fd = self.usable_fd(py);
        let (done, outcome) = self.queue.borrow_mut().send(py, fd, &TO_SOCKET);
        drop(done);
        match outcome {
            Ok(()) => Ok(()),
            Err(error) => {
                let gone = self.queue.borrow_mut().take();
                drop(gone);
                self.fatal(py, os_error(&error), "Fatal write error on socket transport")
            }
        }
    }

    /// Something was queued: waits for room if nothing did before, and tells the protocol.
    fn queue_grew(&self, py: Python<'_>, idle: bool) -> PyResult<()> {
        if idle && !self.queue.borrow().is_empty() {
            let event_loop = self.event_loop(py)?;
            self.update_interest(event_loop.get())?;
        }
        self.maybe_pause_protocol(py)
    }

    /// There is room again: sends from the queue.
    pub(super) fn write_queued(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        let py = event_loop.py();
        if self.is_lost() && self.fd.get() < 0 {
            return Ok(());
        }
        self.send_queued(py)?;
        if self.is_lost() {
            return Ok(());
        }
        // What the protocol raises must not leave the transport waiting for room that it has.
        let resumed = self.maybe_resume_protocol(py);
        resumed.and(self.finish_writing(event_loop))
    }

    /// The queue may be empty: stops waiting for room, and does what waited for the last byte.
    fn finish_writing(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        let py = event_loop.py();
        if !self.queue.borrow().is_empty() || self.fd.get() < 0 {
            return Ok(());
        }
        self.watch(event_loop)?;
        // What waits for the last byte waits for a file as well.
        if self.is_lost() || self.has_file() {
            return Ok(());
        }
        if self.closing.get() {
            self.lost_writes.set(1);
            return self.lost(py);
        }
        if self.eof.get() {
            return self.shutdown(py).or_else(|error| {
                self.fatal(py, error, "Fatal error: the sending side cannot be closed.")
            });
        }
        Ok(())
    }

    pub(super) fn maybe_pause_protocol(&self, py: Python<'_>) -> PyResult<()> {
        let size = self.queue.borrow().size();
        if size <= self.high.get() || self.protocol_paused.replace(true) {
            return Ok(());
        }
        match self.protocol.pause_writing(py) {
            Ok(()) => Ok(()),
            Err(error) => self.report(self, py, "protocol.pause_writing() failed", error),
        }
    }

    fn maybe_resume_protocol(&self, py: Python<'_>) -> PyResult<()> {
        let size = self.queue.borrow().size();
        if size > self.low.get() || !self.protocol_paused.replace(false) {
            return Ok(());
        }
        match self.in_context(py, || self.protocol.resume_writing(py)) {
            Ok(()) => Ok(()),
            Err(error) => self.report(self, py, "protocol.resume_writing() failed", error),
        }
    }

    /// Closes the sending side when everything is sent.
    ///
    /// # Errors
    ///
    /// `OSError` of the shutdown.
    pub fn write_eof(&self, py: Python<'_>) -> PyResult<()> {
        if self.closing.get() || self.eof.replace(true) {
            return Ok(());
        }
        if self.queue.borrow().is_empty() && !self.has_file() { self.shutdown(py) } else { Ok(()) }
    }

    pub(super) fn shutdown(&self, py: Python<'_>) -> PyResult<()> {
        net::shutdown_write(self.usable_fd(py)).map_err(|error| os_error(&error))
    }
}
