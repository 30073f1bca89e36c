//! A file that is sent: by the system itself, behind what was written before.

use super::StreamTransport;
use crate::capi::intern;
use crate::capi::{BodyOf, Call, Instance, Method, Obj, Visit};
use crate::errors::os_error;
use nalsil_driver::sys::file;
use pyo3::exceptions::{PyConnectionError, PyRuntimeError};
use pyo3::prelude::*;
use std::ffi::CStr;
use std::io;
use std::os::fd::RawFd;

/// A file on its way.
pub(super) struct Sending {
    source: RawFd,
    offset: u64,
    left: u64,
    sent: u64,
    /// Whether nothing more is to be sent: what was asked for is, or the file or the connection has
    /// ended.
    over: bool,
    /// The future of who waits for the end.
    future: Obj,
}

impl Sending {
    /// For the garbage collector.
    pub(super) fn traverse(&self, visit: &mut Visit<'_>) {
        visit.object(&self.future);
    }
}

impl StreamTransport {
    /// Whether a file is being sent, or was and its sender has not gone on yet.
    pub(super) fn has_file(&self) -> bool {
        self.sending.borrow().is_some()
    }

    /// Whether a part of a file is still to be sent.
    pub(super) fn wants_to_send_file(&self) -> bool {
        !self.is_lost() && self.sending.borrow().as_ref().is_some_and(|sending| !sending.over)
    }

    fn end_of_file(&self, py: Python<'_>) -> Option<Obj> {
        let mut sending = self.sending.borrow_mut();
        let sending = sending.as_mut()?;
        (!std::mem::replace(&mut sending.over, true)).then(|| sending.future.clone_ref(py))
    }
}

/// Completes a future, unless somebody has cancelled it.
fn complete(py: Python<'_>, future: Option<Obj>, error: Option<PyErr>) -> PyResult<()> {
    let Some(future) = future else { return Ok(()) };
    let future = future.bind(py);
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    match error {
        Some(error) => future.call_method1(intern!(py, "set_exception"), (error,)).map(drop),
        None => future.call_method1(intern!(py, "set_result"), (py.None(),)).map(drop),
    }
}

impl Instance<StreamTransport> {
    /// Begins to send `left` bytes of a file at most, when everything written before is sent.
    /// Returns the future of the end.
    fn begin_file(&self, py: Python<'_>, source: RawFd, offset: u64, left: u64) -> PyResult<Obj> {
        self.check_may_write()?;
        if self.closing.get() {
            return Err(PyRuntimeError::new_err("Transport is closing"));
        }
        let event_loop = self.event_loop(py)?;
        let future = Obj::from(event_loop.get().new_future(&event_loop)?);
        let waits = future.clone_ref(py);
        let sending = Sending { source, offset, left, sent: 0, over: false, future: waits };
        self.sending.replace(Some(sending));
        if let Err(error) = self.update_interest(event_loop.get()) {
            drop(self.sending.take());
            return Err(error);
        }
        Ok(future)
    }

    /// Ends what [`Self::begin_file`] began, whether all is sent or not, and returns how many bytes
    /// are.
    fn end_file(&self, py: Python<'_>) -> PyResult<u64> {
        let Some(Sending { sent, future, .. }) = self.sending.take() else { return Ok(0) };
        drop(future);
        if !self.is_lost() && self.fd.get() >= 0 {
            self.go_on_after_file(py)?;
        }
        Ok(sent)
    }

    /// Does what has waited for the file, unless it waits for older data now.
    fn go_on_after_file(&self, py: Python<'_>) -> PyResult<()> {
        let event_loop = self.event_loop(py)?;
        self.update_interest(event_loop.get())?;
        if !self.queue.borrow().is_empty() {
            return Ok(());
        }
        if self.closing.get() {
            return self.schedule_lost(&event_loop);
        }
        if self.eof.get() { self.shutdown(py) } else { Ok(()) }
    }

    /// There is room: sends the next part of the file.
    pub(super) fn send_file(&self, py: Python<'_>) -> PyResult<()> {
        let fd = self.usable_fd(py);
        match self.send_part(fd) {
            Ok(false) => Ok(()),
            Ok(true) => {
                let done = complete(py, self.end_of_file(py), None);
                // There is nothing to wait for until somebody writes.
                done.and(self.watch(&self.event_loop(py)?))
            }
            Err(error) => self.file_failed(py, os_error(&error)),
        }
    }

    /// Sends a part, and returns whether it was the last.
    fn send_part(&self, fd: RawFd) -> io::Result<bool> {
        let mut sending = self.sending.borrow_mut();
        let Some(sending) = sending.as_mut() else { return Ok(true) };
        match file::send_file(fd, sending.source, sending.offset, sending.left) {
            Ok(count) => {
                let count = count as u64;
                sending.offset += count;
                sending.sent += count;
                sending.left -= count;
                Ok(count == 0 || sending.left == 0)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tells the sender of the file. If it is the connection that has failed, it is over as well.
    fn file_failed(&self, py: Python<'_>, error: PyErr) -> PyResult<()> {
        let fatal = error.is_instance_of::<PyConnectionError>(py).then(|| error.clone_ref(py));
        let told = complete(py, self.end_of_file(py), Some(error));
        let ended = match fatal {
            Some(error) => self.fatal(py, error, "Fatal write error on socket transport"),
            None => self.watch(&self.event_loop(py)?),
        };
        told.and(ended)
    }

    /// The connection is over: tells the sender of the file.
    pub(super) fn lose_file(&self, py: Python<'_>) -> PyResult<()> {
        let Some(future) = self.end_of_file(py) else { return Ok(()) };
        let error = PyConnectionError::new_err("Connection is closed by peer");
        complete(py, Some(future), Some(error))
    }
}

/// `_send_file(source, offset, count)`.
pub(super) struct SendFile;

impl Method for SendFile {
    type This = BodyOf<StreamTransport>;
    const NAME: &'static CStr = c"_send_file";
    const DOC: &'static CStr = c"_send_file($self, source, offset, count, /)\n--\n\n\
        Send count bytes of a file behind what is queued. Return the future of the end. Until \
        _end_send_file() nothing else can be written.";

    fn call(_body: &Self::This, call: &Call<'_, '_>) -> PyResult<Obj> {
        let [source, offset, count] = call.exactly("_send_file")?;
        let this: Instance<StreamTransport> = call.instance();
        this.begin_file(call.py(), source.extract()?, offset.extract()?, count.extract()?)
    }
}

/// `_end_send_file()`.
pub(super) struct EndSendFile;

impl Method for EndSendFile {
    type This = BodyOf<StreamTransport>;
    const NAME: &'static CStr = c"_end_send_file";
    const DOC: &'static CStr = c"_end_send_file($self, /)\n--\n\n\
        End what _send_file() began, finished or not, and return the number of bytes sent.";

    fn call(_body: &Self::This, call: &Call<'_, '_>) -> PyResult<Obj> {
        call.exactly::<0>("_end_send_file")?;
        let this: Instance<StreamTransport> = call.instance();
        let sent = this.end_file(call.py())?;
        Ok(Obj::from(sent.into_pyobject(call.py())?))
    }
}
