//! A connected stream socket: TCP or Unix, client or server.

use super::address;
use super::write_queue::WriteQueue;
use crate::capi::{
    BytesWriter, Instance, Obj, ReadView, Slot, Visit, WriteView, as_bytes, call, copy_context,
    run_in,
};
use crate::errors::{self, os_error};
use crate::event_loop::{EventLoop, Ready, Source};
use crate::imports::imports;
use nalsil_driver::sys::net::{self, Address};
use nalsil_driver::{Interest, Token, Trigger};
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::RawFd;

/// asyncio's bound above which a protocol is asked to pause, in bytes.
pub const HIGH_WATER: usize = 64 * 1024;
/// How many writes to a lost connection pass in silence; asyncio's number.
const SILENT_WRITES: u32 = 5;
/// From this size of the last read on, the next goes straight into its bytes object: below it the
/// copy costs less than making a large object and shrinking it.
const DIRECT_FROM: usize = 64 * 1024;
/// The room of such a read: as much as malloc gives from its heap. From 128 KiB on, glibc maps each
/// block anew, and the faults of its pages cost more than a second read.
const DIRECT_SIZE: usize = 124 * 1024;

/// How far reading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The protocol does not know of the connection yet.
    NotStarted,
    /// It is told of what arrives.
    On,
    /// The end of the stream was seen, and the protocol keeps the other direction.
    Ended,
}

/// A connected stream socket.
pub struct StreamTransport {
    pub(super) event_loop: Slot,
    fd: Cell<RawFd>,
    token: Cell<Option<Token>>,
    registered: Cell<Interest>,
    /// The socket object, if there is one: the user's, or one made because somebody asked.
    socket: Slot,
    /// Whether others know the socket object, and may detach the descriptor from it.
    shared: bool,
    /// What `get_extra_info("socket")` gives.
    public_socket: Slot,
    pub(super) protocol: Slot,
    /// `data_received`, or for buffered protocols `buffer_updated`.
    deliver: Slot,
    /// `get_buffer` of a buffered protocol.
    get_buffer: Slot,
    context: Slot,
    server: Slot,
    /// The future of who waits for the start.
    waiter: Slot,
    pub(super) extra: Slot,
    reading: Cell<Reading>,
    pub(super) paused: Cell<bool>,
    pub(super) closing: Cell<bool>,
    /// Whether `write_eof` was called.
    pub(super) eof: Cell<bool>,
    /// Above zero once the end is decided: how many writes came too late, and one.
    lost_writes: Cell<u32>,
    lost_reason: Slot,
    protocol_paused: Cell<bool>,
    pub(super) queue: RefCell<WriteQueue>,
    pub(super) high: Cell<usize>,
    pub(super) low: Cell<usize>,
    last_read: Cell<usize>,
    local: RefCell<Option<Address>>,
    peer: RefCell<Option<Address>>,
}

/// What a new transport is made of.
pub struct Parts<'a, 'py> {
    /// The descriptor, which the transport owns from now on.
    pub fd: RawFd,
    /// The socket object that owns the descriptor, if there is one.
    pub socket: Option<&'a Bound<'py, PyAny>>,
    /// Whether others know the socket object.
    pub shared: bool,
    /// The user's protocol.
    pub protocol: &'a Bound<'py, PyAny>,
    /// The peer, if it is known already.
    pub peer: Option<Address>,
    /// The server that counts the connection.
    pub server: Option<&'a Bound<'py, PyAny>>,
    /// A future to complete when the protocol knows of the connection.
    pub waiter: Option<&'a Bound<'py, PyAny>>,
    /// More answers of `get_extra_info`.
    pub extra: Option<&'a Bound<'py, PyDict>>,
}

type This = Instance<StreamTransport>;

impl StreamTransport {
    /// A transport of `parts`, in a copy of the current context. It does nothing before
    /// [`Ready::Start`].
    ///
    /// # Errors
    ///
    /// What the protocol raises when its methods are looked up; the descriptor stays the caller's.
    pub fn create(event_loop: &Bound<'_, EventLoop>, parts: Parts<'_, '_>) -> PyResult<This> {
        let py = event_loop.py();
        let local = net::local_address(parts.fd).ok();
        if matches!(local, Some(Address::V4(..) | Address::V6(..))) {
            // Some stream sockets of these families are no TCP and refuse, which is no matter.
            let _: io::Result<()> = net::set_nodelay(parts.fd);
        }
        let peer = parts.peer.or_else(|| net::peer_address(parts.fd).ok());
        let optional = |object: Option<&Bound<'_, PyAny>>| {
            object.filter(|object| !object.is_none()).map_or_else(Slot::default, Slot::new)
        };
        let body = StreamTransport {
            event_loop: Slot::new(event_loop),
            fd: Cell::new(parts.fd),
            token: Cell::new(None),
            registered: Cell::new(Interest::NONE),
            socket: Slot::default(),
            shared: parts.shared,
            public_socket: Slot::default(),
            protocol: Slot::default(),
            deliver: Slot::default(),
            get_buffer: Slot::default(),
            context: Slot::new(copy_context(py)?),
            server: optional(parts.server),
            waiter: optional(parts.waiter),
            extra: parts.extra.map_or_else(Slot::default, Slot::new),
            reading: Cell::new(Reading::NotStarted),
            paused: Cell::new(false),
            closing: Cell::new(false),
            eof: Cell::new(false),
            lost_writes: Cell::new(0),
            lost_reason: Slot::default(),
            protocol_paused: Cell::new(false),
            queue: RefCell::default(),
            high: Cell::new(HIGH_WATER),
            low: Cell::new(HIGH_WATER / 4),
            last_read: Cell::new(0),
            local: RefCell::new(local),
            peer: RefCell::new(peer),
        };
        let unowned = Cell::new(body.fd.replace(-1));
        let this = Instance::new(py, body)?;
        // A protocol that cannot be told of its connection is met here, by who passed it.
        drop(parts.protocol.getattr(intern!(py, "connection_made"))?);
        this.set_protocol(parts.protocol)?;
        if let Some(socket) = parts.socket {
            hold_open(socket)?;
        }
        if let Some(server) = parts.server.filter(|server| !server.is_none()) {
            server.call_method1(intern!(py, "_attach"), (this.bind(py),))?;
        }
        if let Some(socket) = parts.socket {
            this.socket.set(socket);
        }
        this.fd.set(unowned.get());
        let stream = Source::Stream(this.clone_ref(py));
        let (token, replaced) =
            event_loop.get().state(py, |state| state.insert_source(this.fd.get(), stream));
        drop(replaced);
        this.token.set(Some(token));
        Ok(this)
    }

    /// Whether the transport owns descriptor `fd` and does not let go of it.
    pub fn owns(&self, fd: RawFd) -> bool {
        self.fd.get() == fd && !self.closing.get()
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd.get()
    }

    /// The descriptor for a system call: none, if the user has detached it from a socket object
    /// that was passed in. The number may be somebody else's connection by now.
    #[inline]
    fn usable_fd(&self, py: Python<'_>) -> RawFd {
        if self.shared { self.fd_of_shared(py) } else { self.fd.get() }
    }

    fn fd_of_shared(&self, py: Python<'_>) -> RawFd {
        let fd = self.fd.get();
        let known = self.socket.get(py).and_then(|socket| {
            socket.call_method0(intern!(py, "fileno")).ok()?.extract::<RawFd>().ok()
        });
        if known == Some(fd) { fd } else { -1 }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost_writes.get() > 0
    }

    fn event_loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, EventLoop>> {
        let event_loop = self.event_loop.get(py);
        let event_loop =
            event_loop.ok_or_else(|| PyRuntimeError::new_err("transport is closed"))?;
        Ok(event_loop.cast_into::<EventLoop>()?)
    }

    /// Takes `protocol` on, and looks its methods up once.
    pub(super) fn set_protocol(&self, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = protocol.py();
        let buffered = protocol.is_instance(&imports(py)?.buffered_protocol.bind(py))?;
        if buffered {
            self.get_buffer.set(protocol.getattr(intern!(py, "get_buffer"))?);
            self.deliver.set(protocol.getattr(intern!(py, "buffer_updated"))?);
        } else {
            // A protocol without the method is told when something arrives, as asyncio does.
            let deliver = protocol.getattr_opt(intern!(py, "data_received"))?;
            drop(self.deliver.replace(deliver.map(Obj::from)));
            drop(self.get_buffer.take());
        }
        self.protocol.set(protocol);
        Ok(())
    }

    /// Runs `body` in the transport's context.
    fn in_context<R>(&self, py: Python<'_>, body: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
        match self.context.get(py) {
            Some(context) => run_in(py, &context, body),
            None => body(),
        }
    }

    fn report(&self, this: &This, py: Python<'_>, message: &str, error: PyErr) -> PyResult<()> {
        if errors::ends_the_run(py, &error) {
            return Err(error);
        }
        let event_loop = self.event_loop.get_or_none(py);
        let more =
            [("transport", this.bind(py).to_owned()), ("protocol", self.protocol.get_or_none(py))];
        errors::report(&event_loop, message, error, &more)
    }

    fn wants_to_read(&self) -> bool {
        self.reading.get() == Reading::On && !self.paused.get() && !self.closing.get()
    }

    /// Registers what the transport waits for now.
    pub(super) fn update_interest(&self, event_loop: &EventLoop) -> PyResult<()> {
        let mut wanted = Interest::NONE;
        if self.wants_to_read() {
            wanted = wanted | Interest::READABLE;
        }
        if !self.queue.borrow().is_empty() {
            wanted = wanted | Interest::WRITABLE;
        }
        let registered = self.registered.replace(wanted);
        let (Some(token), fd) = (self.token.get(), self.fd.get()) else { return Ok(()) };
        if wanted == registered || fd < 0 {
            return Ok(());
        }
        if wanted.is_none() {
            event_loop.selector().deregister(fd);
            return Ok(());
        }
        let known = !registered.is_none();
        let outcome = event_loop.selector().register(fd, token, wanted, Trigger::Level, known);
        outcome.map_err(|error| os_error(&error))
    }
}

/// Keeps the descriptor open while the transport uses its number, even if the user closes the
/// socket object: the number could otherwise become somebody else's connection.
fn hold_open(socket: &Bound<'_, PyAny>) -> PyResult<()> {
    let name = intern!(socket.py(), "_io_refs");
    if let Some(count) = socket.getattr_opt(name)?.and_then(|count| count.extract::<i64>().ok()) {
        socket.setattr(name, count + 1)?;
    }
    Ok(())
}

fn let_go(socket: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = socket.py();
    if let Some(release) = socket.getattr_opt(intern!(py, "_decref_socketios"))? {
        release.call0()?;
    }
    socket.call_method0(intern!(py, "close")).map(drop)
}

/// What the loop asks of a transport. These are functions of the instance, because they give
/// references to it away.
impl Instance<StreamTransport> {
    /// Tells the protocol of the connection, begins to read, and completes the waiter.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn start(&self, py: Python<'_>) -> PyResult<()> {
        let protocol = self.protocol.get_or_none(py);
        let made = self.in_context(py, || {
            protocol.call_method1(intern!(py, "connection_made"), (self.bind(py),))
        });
        if let Err(error) = made {
            self.report(self, py, "Exception in callback protocol.connection_made()", error)?;
        }
        if self.reading.get() == Reading::NotStarted && self.fd.get() >= 0 {
            self.reading.set(Reading::On);
            self.watch(&self.event_loop(py)?)?;
        }
        if let Some(waiter) = self.waiter.take() {
            let waiter = waiter.bind(py);
            if !waiter.call_method0(intern!(py, "done"))?.is_truthy()? {
                waiter.call_method1(intern!(py, "set_result"), (py.None(),))?;
            }
        }
        Ok(())
    }

    /// The descriptor is ready.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    #[inline]
    pub fn ready(&self, event_loop: &Bound<'_, EventLoop>, ready: Interest) -> PyResult<()> {
        if ready.is_readable() {
            if self.wants_to_read() {
                self.read(event_loop)?;
            } else {
                // Pausing left the registration as it was; now it would be reported for ever.
                self.watch(event_loop)?;
            }
        }
        if ready.is_writable() && self.fd.get() >= 0 {
            if self.queue.borrow().is_empty() {
                self.watch(event_loop)?;
            } else {
                self.write_queued(event_loop)?;
            }
        }
        Ok(())
    }

    /// Registers what the transport waits for; a refusal is the end of this connection only.
    fn watch(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        self.update_interest(event_loop.get()).or_else(|error| {
            let message = "Fatal error: the connection cannot be watched.";
            self.fatal(event_loop.py(), error, message)
        })
    }

    fn read(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        let py = event_loop.py();
        if self.is_lost() {
            return Ok(());
        }
        if self.get_buffer.is_set() {
            return self.read_buffered(py);
        }
        match self.receive(event_loop) {
            Ok(Some((0, _))) => self.read_end(py),
            Ok(Some((_, data))) => {
                let delivered = match self.deliver.get(py) {
                    Some(deliver) => self.in_context(py, || call(&deliver, [&data]).map(drop)),
                    None => self.protocol.get_or_none(py).getattr("data_received").map(drop),
                };
                match delivered {
                    Ok(()) => Ok(()),
                    Err(error) => {
                        let message = "Fatal error: protocol.data_received() call failed.";
                        self.fatal(py, error, message)
                    }
                }
            }
            Ok(None) => Ok(()),
            Err(error) => self.fatal(py, error, "Fatal read error on socket transport"),
        }
    }

    /// Receives once. Nothing, if nothing has arrived.
    #[inline]
    fn receive<'py>(
        &self,
        event_loop: &Bound<'py, EventLoop>,
    ) -> PyResult<Option<(usize, Bound<'py, PyAny>)>> {
        let (py, fd) = (event_loop.py(), self.usable_fd(event_loop.py()));
        let outcome = if self.last_read.get() >= DIRECT_FROM {
            let mut bytes = BytesWriter::with_room(py, DIRECT_SIZE)?;
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
                Ok(Some((count, bytes?)))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(os_error(&error)),
        }
    }

    fn read_buffered(&self, py: Python<'_>) -> PyResult<()> {
        let Some(get_buffer) = self.get_buffer.get(py) else { return Ok(()) };
        let buffer = self.in_context(py, || {
            let buffer = call(&get_buffer, [&(-1i32).into_pyobject(py)?.into_any()])?;
            if buffer.len()? == 0 {
                return Err(PyRuntimeError::new_err("get_buffer() returned an empty buffer"));
            }
            WriteView::new(&buffer)
        });
        let mut buffer = match buffer {
            Ok(buffer) => buffer,
            Err(error) => {
                let message = "Fatal error: protocol.get_buffer() call failed.";
                return self.fatal(py, error, message);
            }
        };
        // The protocol's `get_buffer` may have closed the transport.
        if self.is_lost() || self.fd.get() < 0 {
            return Ok(());
        }
        let received = net::recv(self.usable_fd(py), buffer.as_mut_slice());
        drop(buffer);
        match received {
            Ok(0) => self.read_end(py),
            Ok(count) => {
                let count = count.into_pyobject(py)?.into_any();
                let told = match self.deliver.get(py) {
                    Some(deliver) => self.in_context(py, || call(&deliver, [&count]).map(drop)),
                    None => Ok(()),
                };
                told.or_else(|error| {
                    let message = "Fatal error: protocol.buffer_updated() call failed.";
                    self.fatal(py, error, message)
                })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => self.fatal(py, os_error(&error), "Fatal read error on socket transport"),
        }
    }

    fn read_end(&self, py: Python<'_>) -> PyResult<()> {
        let protocol = self.protocol.get_or_none(py);
        let keep_open =
            self.in_context(py, || protocol.call_method0(intern!(py, "eof_received"))?.is_truthy());
        match keep_open {
            Ok(true) => {
                self.reading.set(Reading::Ended);
                self.watch(&self.event_loop(py)?)
            }
            Ok(false) => self.close(py),
            Err(error) => {
                self.fatal(py, error, "Fatal error: protocol.eof_received() call failed.")
            }
        }
    }

    /// # Errors
    ///
    /// `RuntimeError` if the sending side is closed or busy with a file.
    fn check_may_write(&self) -> PyResult<()> {
        if self.eof.get() {
            return Err(PyRuntimeError::new_err("Cannot call write() after write_eof()"));
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
                view = Self::view(data)?;
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

    fn view(data: &Bound<'_, PyAny>) -> PyResult<ReadView> {
        if data.is_instance_of::<pyo3::types::PyByteArray>()
            || data.is_instance_of::<pyo3::types::PyMemoryView>()
        {
            return ReadView::new(data);
        }
        Err(pyo3::exceptions::PyTypeError::new_err(format!(
            "data argument must be a bytes-like object, not {}",
            data.get_type().name()?.repr()?
        )))
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
                    if as_bytes(piece).is_some() { Ok(None) } else { Self::view(piece).map(Some) }
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

    /// Sends from the queue; an error is fatal for the transport.
    fn send_queued(&self, py: Python<'_>) -> PyResult<()> {
        let fd = self.usable_fd(py);
        let (done, outcome) = self.queue.borrow_mut().send(py, fd);
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

    fn write_queued(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
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
        if self.is_lost() {
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
        let protocol = self.protocol.get_or_none(py);
        match protocol.call_method0(intern!(py, "pause_writing")) {
            Ok(_) => Ok(()),
            Err(error) => self.report(self, py, "protocol.pause_writing() failed", error),
        }
    }

    fn maybe_resume_protocol(&self, py: Python<'_>) -> PyResult<()> {
        let size = self.queue.borrow().size();
        if size > self.low.get() || !self.protocol_paused.replace(false) {
            return Ok(());
        }
        let protocol = self.protocol.get_or_none(py);
        let resumed = self.in_context(py, || protocol.call_method0(intern!(py, "resume_writing")));
        match resumed {
            Ok(_) => Ok(()),
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
        if self.queue.borrow().is_empty() { self.shutdown(py) } else { Ok(()) }
    }

    fn shutdown(&self, py: Python<'_>) -> PyResult<()> {
        net::shutdown_write(self.usable_fd(py)).map_err(|error| os_error(&error))
    }

    /// Stops reading, sends what is queued, then tells the protocol.
    ///
    /// # Errors
    ///
    /// `RuntimeError` if the loop is closed.
    pub fn close(&self, py: Python<'_>) -> PyResult<()> {
        if self.closing.replace(true) {
            return Ok(());
        }
        let event_loop = self.event_loop(py)?;
        if self.queue.borrow().is_empty() {
            self.update_interest(event_loop.get())?;
            self.schedule_lost(&event_loop)?;
        } else {
            self.update_interest(event_loop.get())?;
        }
        Ok(())
    }

    fn schedule_lost(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        event_loop.get().check_open()?;
        self.lost_writes.set(self.lost_writes.get() + 1);
        event_loop.get().push(event_loop.py(), Ready::Lost(self.clone_ref(event_loop.py())));
        Ok(())
    }

    /// Ends the connection now, with `reason`; what is queued is lost.
    ///
    /// # Errors
    ///
    /// `RuntimeError` if the loop is closed.
    pub fn force_close(&self, py: Python<'_>, reason: Option<Obj>) -> PyResult<()> {
        if self.is_lost() || !self.event_loop.is_set() {
            return Ok(());
        }
        let event_loop = self.event_loop(py)?;
        let gone = self.queue.borrow_mut().take();
        self.closing.set(true);
        self.update_interest(event_loop.get())?;
        drop(self.lost_reason.replace(reason));
        drop(gone);
        self.schedule_lost(&event_loop)
    }

    /// Reports `error`, unless it is one that connections have, and ends the connection.
    ///
    /// # Errors
    ///
    /// `error` itself, if it ends the run.
    pub fn fatal(&self, py: Python<'_>, error: PyErr, message: &str) -> PyResult<()> {
        let reason = Obj::from(error.value(py));
        if error.is_instance_of::<PyOSError>(py) {
            let event_loop = self.event_loop(py)?;
            if event_loop.get().is_debug() {
                let keywords = PyDict::new(py);
                keywords.set_item("exc_info", true)?;
                let logged = ("%r: %s: %r", self.bind(py), message, error.value(py));
                let logger = imports(py)?.logger.bind(py);
                logger.call_method(intern!(py, "debug"), logged, Some(&keywords))?;
            }
        } else if errors::ends_the_run(py, &error) {
            // The connection is of no use to anybody; the run ends all the same.
            self.force_close(py, Some(reason))?;
            return Err(error);
        } else {
            self.report(self, py, message, error)?;
        }
        self.force_close(py, Some(reason))
    }

    /// Tells the protocol that the connection is over, and closes the descriptor.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn lost(&self, py: Python<'_>) -> PyResult<()> {
        if self.fd.get() < 0 {
            return Ok(());
        }
        let reason = self.lost_reason.take().unwrap_or_else(|| Obj::none(py));
        let protocol = self.protocol.get_or_none(py);
        let told = self.in_context(py, || {
            protocol.call_method1(intern!(py, "connection_lost"), (reason.bind(py),))
        });
        let reported = match told {
            Ok(_) => Ok(()),
            Err(error) => {
                self.report(self, py, "Exception in callback protocol.connection_lost()", error)
            }
        };
        let closed = self.close_descriptor(py).or_else(|error| {
            self.report(self, py, "Exception while a transport closes its socket", error)
        });
        drop(self.protocol.take());
        drop(self.deliver.take());
        drop(self.get_buffer.take());
        let detached = match self.server.take() {
            Some(server) => {
                server.bind(py).call_method1(intern!(py, "_detach"), (self.bind(py),)).map(drop)
            }
            None => Ok(()),
        };
        reported.and(closed).and(detached)
    }

    /// Closes the descriptor, once. Nothing of the loop knows it afterwards.
    pub(super) fn close_descriptor(&self, py: Python<'_>) -> PyResult<()> {
        let usable = self.usable_fd(py) >= 0;
        let fd = self.fd.replace(-1);
        if fd < 0 {
            return Ok(());
        }
        if let (Some(token), Ok(event_loop)) = (self.token.take(), self.event_loop(py)) {
            // A duplicate of the descriptor in another process would keep the registration alive.
            if !self.registered.replace(Interest::NONE).is_none() && usable {
                event_loop.get().selector().deregister(fd);
            }
            let source = event_loop.get().state(py, |state| state.sources.remove(token));
            drop(source);
        }
        match self.socket.take() {
            Some(socket) => let_go(&socket.bind(py)),
            None => {
                net::close(fd);
                Ok(())
            }
        }
    }

    /// The socket object, made if there is none yet; nothing once the descriptor is closed.
    ///
    /// # Errors
    ///
    /// `OSError` if Python cannot make one.
    pub fn socket_object<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let fd = self.fd.get();
        if self.socket.is_set() || fd < 0 {
            return Ok(self.socket.get(py));
        }
        let keywords = PyDict::new(py);
        keywords.set_item("fileno", fd)?;
        let socket = imports(py)?.socket.bind(py).call((), Some(&keywords))?;
        let prepared = socket
            .call_method1(intern!(py, "setblocking"), (false,))
            .and_then(|_| hold_open(&socket));
        // Python ran: somebody else may have made one, or closed the transport.
        if prepared.is_err() || self.socket.is_set() || self.fd.get() != fd {
            socket.call_method0(intern!(py, "detach"))?;
            return prepared.map(|()| self.socket.get(py));
        }
        self.socket.set(&socket);
        Ok(Some(socket))
    }

    /// A socket object whose descriptor is closed, of the family that the transport's had.
    fn closed_socket<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let family = match &*self.local.borrow() {
            Some(Address::Unix(_)) => "AF_UNIX",
            Some(Address::V6(..)) => "AF_INET6",
            _ => "AF_INET",
        };
        let family = py.import(intern!(py, "socket"))?.getattr(family)?;
        let socket = imports(py)?.socket.bind(py).call1((family,))?;
        socket.call_method0(intern!(py, "close"))?;
        Ok(socket)
    }

    /// What `get_extra_info("socket")` gives.
    ///
    /// # Errors
    ///
    /// Those of [`Self::socket_object`].
    pub fn public_socket<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(socket) = self.public_socket.get(py) {
            return Ok(socket);
        }
        let socket = match self.socket_object(py)? {
            Some(socket) => socket,
            None => self.closed_socket(py)?,
        };
        let public = imports(py)?.transport_socket.bind(py).call1((socket,))?;
        self.public_socket.set(&public);
        Ok(public)
    }

    /// One of the two addresses.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn address<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let known = if name == "peername" { &self.peer } else { &self.local };
        let known = known.borrow().clone();
        let Some(known) = known else { return Ok(None) };
        if let Some(address) = address::to_python(py, &known)? {
            return Ok(Some(address));
        }
        let method = if name == "peername" { "getpeername" } else { "getsockname" };
        match self.socket_object(py)? {
            Some(socket) => Ok(socket.call_method0(method).ok()),
            None => Ok(None),
        }
    }
}

impl StreamTransport {
    pub(super) fn visit(&self, visit: &mut Visit<'_>) {
        for slot in self.slots() {
            visit.slot(slot);
        }
        self.queue.borrow().traverse(visit);
    }

    pub(super) fn slots(&self) -> [&Slot; 11] {
        [
            &self.event_loop,
            &self.socket,
            &self.public_socket,
            &self.protocol,
            &self.deliver,
            &self.get_buffer,
            &self.context,
            &self.server,
            &self.waiter,
            &self.extra,
            &self.lost_reason,
        ]
    }
}
