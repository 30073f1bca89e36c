//! The writing end of a pipe.

use super::super::Transport;
use super::super::declare::{boolean, none};
use super::super::endpoint::{self, Base, Endpoint};
use super::super::write_queue::{TO_PIPE, WriteQueue, bytes_like};
use super::Pipe;
use crate::capi::{
    BodyOf, Call, ClassCell, Getter, Instance, Method, MethodDef, Native, Obj, Visit, as_bytes,
    attribute, method,
};
use crate::errors::os_error;
use crate::event_loop::EventLoop;
use nalsil_driver::sys::pipe;
use nalsil_driver::{Event, Interest};
use pyo3::Borrowed;
use pyo3::exceptions::PyBrokenPipeError;
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::cell::RefCell;
use std::ffi::CStr;
use std::io;

const FATAL_WRITE: &str = "Fatal write error on pipe transport";

/// The writing end of a pipe.
pub struct WritePipeTransport {
    base: Base,
    queue: RefCell<WriteQueue>,
    /// Whether there is a reader, who may leave: the system tells it as readability.
    has_reader: bool,
}

type Body = BodyOf<WritePipeTransport>;
type This = Instance<WritePipeTransport>;

impl WritePipeTransport {
    /// A transport that has written nothing yet.
    pub fn new(base: Base, has_reader: bool) -> Self {
        WritePipeTransport { base, queue: RefCell::default(), has_reader }
    }

    fn watches_reader(&self) -> bool {
        self.has_reader && self.base.is_started() && !self.base.is_lost()
    }
}

impl Endpoint for WritePipeTransport {
    type Queue = WriteQueue;

    fn base(&self) -> &Base {
        &self.base
    }

    fn transport(this: This) -> Transport {
        Transport::WritePipe(this)
    }

    fn wanted(&self) -> Interest {
        let mut wanted = Interest::NONE;
        if self.watches_reader() {
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

    fn take_queue(&self) -> WriteQueue {
        self.queue.take()
    }

    #[inline]
    fn ready(this: &This, event_loop: &Bound<'_, EventLoop>, event: Event) -> PyResult<()> {
        let py = event_loop.py();
        if event.ready.is_readable() && this.watches_reader() {
            // The reader has left.
            let unsent = !this.queue.borrow().is_empty();
            let reason = unsent
                .then(|| Obj::from(PyBrokenPipeError::new_err(()).into_value(py).into_bound(py)));
            return this.force_close(py, reason);
        }
        if this.queue.borrow().is_empty() {
            return this.watch(event_loop);
        }
        this.write_queued(event_loop)
    }

    fn close(this: &This, py: Python<'_>) -> PyResult<()> {
        if this.base.set_closing() || !this.queue.borrow().is_empty() {
            return Ok(());
        }
        this.schedule_lost(&this.base.event_loop(py)?)
    }
}

impl Instance<WritePipeTransport> {
    /// Writes `data`, or as much as goes, and queues the rest.
    ///
    /// # Errors
    ///
    /// `TypeError` for what is not bytes-like.
    fn write(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = data.py();
        let view;
        let (content, is_bytes) = match as_bytes(data) {
            Some(content) => (content, true),
            None => {
                view = bytes_like(data)?;
                (view.as_slice(), false)
            }
        };
        if content.is_empty() {
            return Ok(());
        }
        if self.base.is_lost() || self.base.is_closing() {
            let text = "pipe closed by peer or os.write(pipe, data) raised exception.";
            return self.base.warn_of_late_write(py, text);
        }
        let idle = self.queue.borrow().is_empty();
        let mut sent = 0;
        if idle {
            match pipe::write(self.base.usable_fd(py), content) {
                Ok(count) if count == content.len() => return Ok(()),
                Ok(count) => sent = count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return self.fatal(py, os_error(&error), FATAL_WRITE),
            }
        }
        if is_bytes {
            self.queue.borrow_mut().push_bytes(Obj::from(data), content.len(), sent);
        } else {
            self.queue.borrow_mut().push_copy(&content[sent..]);
        }
        if idle {
            self.watch(&self.base.event_loop(py)?)?;
        }
        self.maybe_pause_protocol(py)
    }

    /// There is room again: writes from the queue.
    fn write_queued(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        let py = event_loop.py();
        let fd = self.base.usable_fd(py);
        let (done, outcome) = self.queue.borrow_mut().send(py, fd, &TO_PIPE);
        drop(done);
        if let Err(error) = outcome {
            return self.fatal(py, os_error(&error), FATAL_WRITE);
        }
        // What the protocol raises must not leave the transport waiting for room that it has.
        let resumed = self.maybe_resume_protocol(py);
        resumed.and(self.finish_writing(event_loop))
    }

    /// The queue may be empty: stops waiting for room, and does what waited for the last byte.
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

methods! {
    /// Write data, or as much as goes, and queue the rest. Never blocks.
    fn Write = "write" (_body, call, data) {
        let this: This = call.instance();
        this.write(&data)?;
        none(call)
    }

    /// Close the pipe when everything is written.
    fn WriteEof = "write_eof" (_body, call) {
        WritePipeTransport::close(&call.instance(), call.py())?;
        none(call)
    }

    /// Return True: closing a pipe is how its end is written.
    fn CanWriteEof = "can_write_eof" (_body, call) {
        boolean(call.py(), true)
    }
}

static WRITE_PIPE_TRANSPORT: ClassCell = ClassCell::new();

impl Native for WritePipeTransport {
    const NAME: &'static CStr = c"nalsil._nalsil.WritePipeTransport";
    const DOC: &'static CStr = c"The writing end of a pipe; an asyncio.WriteTransport.";
    const HAS_REPR: bool = true;
    const HAS_FINALIZER: bool = true;
    const DICTIONARY: Option<usize> =
        Some(std::mem::offset_of!(WritePipeTransport, base) + Base::DICTIONARY);

    fn cell() -> &'static ClassCell {
        &WRITE_PIPE_TRANSPORT
    }

    fn base(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
        Ok(py.import("nalsil._imports")?.getattr("TransportBase")?.cast_into()?)
    }

    fn methods() -> Vec<MethodDef> {
        let mut methods = endpoint::writing_methods::<Self>();
        methods.extend(plain_methods());
        methods
    }

    fn getters() -> Vec<Getter> {
        let mut getters = endpoint::getters::<Self>();
        getters.push(attribute::<Pipe<Self>>());
        getters
    }

    fn traverse(&self, visit: &mut Visit<'_>) {
        self.base.traverse(visit);
        self.queue.borrow().traverse(visit);
    }

    fn clear(&self) {
        self.base.clear();
        drop(self.queue.take());
    }

    fn finalize(&self, this: Borrowed<'_, '_, PyAny>) -> PyResult<()> {
        Instance::<Self>::warn_of_unclosed(this)
    }

    fn repr(&self, _this: Borrowed<'_, '_, PyAny>) -> PyResult<String> {
        let mut parts = self.base.describe("WritePipeTransport");
        if !self.base.is_closed() {
            parts.push(self.base.state_of(Interest::is_writable).to_owned());
            parts.push(format!("bufsize={}", self.queue.borrow().size()));
        }
        Ok(format!("<{}>", parts.join(" ")))
    }
}
