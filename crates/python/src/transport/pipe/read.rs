//! The reading end of a pipe.

use super::super::Transport;
use super::super::declare::{boolean, none};
use super::super::endpoint::{self, Base, Endpoint};
use super::super::stream::{DIRECT_FROM, DIRECT_SIZE};
use super::Pipe;
use crate::capi::intern;
use crate::capi::{
    BodyOf, BytesWriter, Call, ClassCell, Getter, Instance, Method, MethodDef, Native, Obj, Visit,
    attribute, method,
};
use crate::errors::{is_end_of_terminal, os_error};
use crate::event_loop::EventLoop;
use nalsil_driver::sys::pipe;
use nalsil_driver::{Event, Interest};
use pyo3::Borrowed;
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::cell::Cell;
use std::ffi::CStr;
use std::io;

/// The reading end of a pipe.
pub struct ReadPipeTransport {
    base: Base,
    paused: Cell<bool>,
    /// Whether the end of the pipe was met.
    ended: Cell<bool>,
    last_read: Cell<usize>,
}

type Body = BodyOf<ReadPipeTransport>;
type This = Instance<ReadPipeTransport>;

impl ReadPipeTransport {
    /// A transport that has read nothing yet.
    pub fn new(base: Base) -> Self {
        ReadPipeTransport {
            base,
            paused: Cell::new(false),
            ended: Cell::new(false),
            last_read: Cell::new(0),
        }
    }

    fn wants_to_read(&self) -> bool {
        self.base.is_started() && !self.paused.get() && !self.base.is_closing()
    }
}

impl Endpoint for ReadPipeTransport {
    type Queue = ();

    fn base(&self) -> &Base {
        &self.base
    }

    fn transport(this: This) -> Transport {
        Transport::ReadPipe(this)
    }

    fn wanted(&self) -> Interest {
        if self.wants_to_read() { Interest::READABLE } else { Interest::NONE }
    }

    fn queued(&self) -> usize {
        0
    }

    fn take_queue(&self) {}

    #[inline]
    fn ready(this: &This, event_loop: &Bound<'_, EventLoop>, _event: Event) -> PyResult<()> {
        if this.wants_to_read() {
            this.read(event_loop)
        } else {
            // Pausing left the registration as it was; now it would be reported for ever.
            this.watch(event_loop)
        }
    }

    fn close(this: &This, py: Python<'_>) -> PyResult<()> {
        if this.base.is_closing() { Ok(()) } else { this.force_close(py, None) }
    }

    fn is_ordinary(error: &Bound<'_, PyAny>) -> bool {
        is_end_of_terminal(error)
    }

    fn before_lost(this: &This, py: Python<'_>) -> PyResult<()> {
        if this.ended.get() { this.tell(py, intern!(py, "eof_received"), []) } else { Ok(()) }
    }
}

impl Instance<ReadPipeTransport> {
    /// Reads once, and gives what came to the protocol.
    fn read(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        let py = event_loop.py();
        match self.receive(event_loop) {
            Ok(Some((0, _))) => {
                self.ended.set(true);
                self.force_close(py, None)
            }
            Ok(Some((_, data))) => self.tell(py, intern!(py, "data_received"), [&data]),
            Ok(None) => Ok(()),
            Err(error) => self.fatal(py, error, "Fatal read error on pipe transport"),
        }
    }

    /// Reads once. Nothing, if nothing has come.
    fn receive<'py>(
        &self,
        event_loop: &Bound<'py, EventLoop>,
    ) -> PyResult<Option<(usize, Bound<'py, PyAny>)>> {
        let py = event_loop.py();
        let fd = self.base.usable_fd(py);
        let outcome = if self.last_read.get() >= DIRECT_FROM {
            let room = DIRECT_SIZE.min(self.last_read.get() * 4);
            let mut bytes = BytesWriter::with_room(py, room)?;
            pipe::read(fd, bytes.room()).map(|count| (count, bytes.finish(count)))
        } else {
            event_loop.get().with_scratch(py, |scratch| {
                let count = pipe::read(fd, scratch)?;
                Ok((count, BytesWriter::copy(py, &scratch[..count])))
            })
        };
        match outcome {
            Ok((count, bytes)) => {
                self.last_read.set(count);
                Ok(Some((count, bytes?)))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(os_error(&error)),
        }
    }
}

methods! {
    /// Stop calling data_received() until resume_reading().
    fn PauseReading = "pause_reading" (body, call) {
        // The registration stays: most pauses end before anything arrives.
        if !body.base.is_closing() {
            body.paused.set(true);
        }
        none(call)
    }

    /// Call data_received() again.
    fn ResumeReading = "resume_reading" (body, call) {
        if !body.base.is_closing() && body.paused.replace(false) {
            let this: This = call.instance();
            this.update_interest(&body.base.event_loop(call.py())?)?;
        }
        none(call)
    }

    /// Return True if data_received() may be called.
    fn IsReading = "is_reading" (body, call) {
        boolean(call.py(), !body.base.is_closing() && !body.paused.get())
    }
}

static READ_PIPE_TRANSPORT: ClassCell = ClassCell::new();

impl Native for ReadPipeTransport {
    const NAME: &'static CStr = c"nalsil._nalsil.ReadPipeTransport";
    const DOC: &'static CStr = c"The reading end of a pipe; an asyncio.ReadTransport.";
    const HAS_REPR: bool = true;
    const HAS_FINALIZER: bool = true;
    const DICTIONARY: Option<usize> =
        Some(std::mem::offset_of!(ReadPipeTransport, base) + Base::DICTIONARY);

    fn cell() -> &'static ClassCell {
        &READ_PIPE_TRANSPORT
    }

    fn base(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
        Ok(py.import("nalsil._imports")?.getattr("ReadPipeTransportBase")?.cast_into()?)
    }

    fn methods() -> Vec<MethodDef> {
        let mut methods = endpoint::methods::<Self>();
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
    }

    fn clear(&self) {
        self.base.clear();
    }

    fn finalize(&self, this: Borrowed<'_, '_, PyAny>) -> PyResult<()> {
        Instance::<Self>::warn_of_unclosed(this)
    }

    fn repr(&self, _this: Borrowed<'_, '_, PyAny>) -> PyResult<String> {
        let mut parts = self.base.describe("ReadPipeTransport");
        if !self.base.is_closed() {
            parts.push(self.base.state_of(Interest::is_readable).to_owned());
        }
        Ok(format!("<{}>", parts.join(" ")))
    }
}
