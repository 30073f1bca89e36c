//! A connected stream socket: TCP or Unix, client or server.

mod info;
mod methods;
mod read;
mod sendfile;
mod write;

pub(super) use read::{DIRECT_FROM, DIRECT_SIZE};

use super::Transport;
use super::log_in_debug;
use super::protocol::{Delivery, Protocol};
use super::write_queue::WriteQueue;
use crate::capi::intern;
use crate::capi::{Instance, Obj, Slot, Visit, copy_context, run_in};
use crate::errors::{self, os_error};
use crate::event_loop::{EventLoop, Ready, Source};
use nalsil_driver::sys::net::{self, Address};
use nalsil_driver::{Event, Interest, Token, Trigger};
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::cell::{Cell, RefCell};
use std::os::fd::RawFd;

/// asyncio's bound above which a protocol is asked to pause, in bytes.
pub const HIGH_WATER: usize = 64 * 1024;

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
    event_loop: Slot,
    fd: Cell<RawFd>,
    token: Cell<Option<Token>>,
    registered: Cell<Interest>,
    /// Whether the socket is TCP: only there does a read that does not fill its room leave nothing
    /// behind but what [`Interest::EXCEPTIONAL`] tells of.
    tcp: bool,
    /// The socket object, if there is one: the user's, or one made because somebody asked.
    socket: Slot,
    /// Whether others know the socket object, and may detach the descriptor from it.
    shared: bool,
    /// What `get_extra_info("socket")` gives.
    public_socket: Slot,
    protocol: Protocol,
    context: Slot,
    server: Slot,
    /// The future of who waits for the start.
    waiter: Slot,
    extra: Slot,
    reading: Cell<Reading>,
    paused: Cell<bool>,
    closing: Cell<bool>,
    /// Whether `write_eof` was called.
    eof: Cell<bool>,
    /// Above zero once the end is decided: how many writes came too late, and one.
    lost_writes: Cell<u32>,
    lost_reason: Slot,
    protocol_paused: Cell<bool>,
    queue: RefCell<WriteQueue>,
    /// The file that is being sent, behind the queue.
    sending: RefCell<Option<sendfile::Sending>>,
    high: Cell<usize>,
    low: Cell<usize>,
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
        // Some stream sockets of these families are no TCP and refuse, which is no matter.
        let tcp = matches!(local, Some(Address::V4(..) | Address::V6(..)))
            && net::set_nodelay(parts.fd).is_ok();
        let peer = parts.peer.or_else(|| net::peer_address(parts.fd).ok());
        let optional = |object: Option<&Bound<'_, PyAny>>| {
            object.filter(|object| !object.is_none()).map_or_else(Slot::default, Slot::new)
        };
        let body = StreamTransport {
            event_loop: Slot::new(event_loop),
            fd: Cell::new(parts.fd),
            token: Cell::new(None),
            registered: Cell::new(Interest::NONE),
            tcp,
            socket: Slot::default(),
            shared: parts.shared,
            public_socket: Slot::default(),
            protocol: Protocol::default(),
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
            sending: RefCell::default(),
            high: Cell::new(HIGH_WATER),
            low: Cell::new(HIGH_WATER / 4),
            last_read: Cell::new(0),
            local: RefCell::new(local),
            peer: RefCell::new(peer),
        };
        let unowned = Cell::new(body.fd.replace(-1));
        let this = Instance::new(py, body)?;
        this.protocol.set(parts.protocol)?;
        if this.protocol.delivery() != Delivery::Tls {
            // A protocol that cannot be told of its connection is met here, by who passed it.
            drop(parts.protocol.getattr(intern!(py, "connection_made"))?);
        }
        if let Some(socket) = parts.socket {
            hold_open(socket)?;
        }
        if let Some(server) = parts.server.filter(|server| !server.is_none()) {
            server.call_method1(intern!(py, "_attach"), (this.face(py),))?;
        }
        if let Some(socket) = parts.socket {
            this.socket.set(socket);
        }
        this.fd.set(unowned.get());
        let stream = Source::Transport(Transport::Stream(this.clone_ref(py)));
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

    fn fd(&self) -> RawFd {
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

    fn is_lost(&self) -> bool {
        self.lost_writes.get() > 0
    }

    fn event_loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, EventLoop>> {
        let event_loop = self.event_loop.get(py);
        let event_loop =
            event_loop.ok_or_else(|| PyRuntimeError::new_err("transport is closed"))?;
        Ok(event_loop.cast_into::<EventLoop>()?)
    }

    /// Runs `body` in the transport's context.
    pub fn in_context<R>(&self, py: Python<'_>, body: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
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
            [("transport", this.bind(py).to_owned()), ("protocol", self.protocol.object(py))];
        errors::report(&event_loop, message, error, &more)
    }

    fn wants_to_read(&self) -> bool {
        self.reading.get() == Reading::On && !self.paused.get() && !self.closing.get()
    }

    /// How the present registration reports. A lasting one is looked at again at each wait that
    /// follows a report, which costs about as much as the report.
    fn trigger(&self) -> Trigger {
        if self.tcp && self.registered.get() == Interest::READABLE {
            Trigger::Edge
        } else {
            Trigger::Level
        }
    }

    /// Registers what the transport waits for now.
    fn update_interest(&self, event_loop: &EventLoop) -> PyResult<()> {
        let mut wanted = Interest::NONE;
        if self.wants_to_read() {
            wanted = wanted | Interest::READABLE;
        }
        if !self.queue.borrow().is_empty() || self.wants_to_send_file() {
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
        let outcome = event_loop.selector().register(fd, token, wanted, self.trigger(), known);
        outcome.map_err(|error| os_error(&error))
    }
}

/// Keeps the descriptor open while the transport uses its number, even if the user closes the
/// socket object: the number could otherwise become somebody else's connection.
pub(super) fn hold_open(socket: &Bound<'_, PyAny>) -> PyResult<()> {
    let name = intern!(socket.py(), "_io_refs");
    if let Some(count) = socket.getattr_opt(name)?.and_then(|count| count.extract::<i64>().ok()) {
        socket.setattr(name, count + 1)?;
    }
    Ok(())
}

/// Ends what [`hold_open`] began.
pub(super) fn end_hold(socket: &Bound<'_, PyAny>) -> PyResult<()> {
    match socket.getattr_opt(intern!(socket.py(), "_decref_socketios"))? {
        Some(release) => release.call0().map(drop),
        None => Ok(()),
    }
}

/// Ends what [`hold_open`] began, and closes the socket object.
pub(super) fn let_go(socket: &Bound<'_, PyAny>) -> PyResult<()> {
    end_hold(socket)?;
    socket.call_method0(intern!(socket.py(), "close")).map(drop)
}

/// What a TLS transport asks of the connection below it, beside what users do.
impl StreamTransport {
    /// Reads no more for now. The registration stays: most pauses end before anything arrives.
    pub fn pause_reading(&self) {
        if !self.closing.get() {
            self.paused.set(true);
        }
    }

    /// Reads again.
    ///
    /// # Errors
    ///
    /// `OSError` if the descriptor cannot be watched.
    pub fn resume_reading(&self, py: Python<'_>) -> PyResult<()> {
        if !self.closing.get() && self.paused.replace(false) {
            self.update_interest(self.event_loop(py)?.get())?;
        }
        Ok(())
    }

    /// Whether the protocol is given what arrives.
    pub fn is_reading(&self) -> bool {
        !self.closing.get() && !self.paused.get()
    }

    /// Whether the transport is closed or closing.
    pub fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// How many bytes are queued.
    pub fn unsent(&self) -> usize {
        self.queue.borrow().size()
    }
}

/// What the loop asks of a transport. These are functions of the instance, because they give
/// references to it away.
impl Instance<StreamTransport> {
    /// The transport that the user knows: that of TLS, if there is one above this.
    fn face<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match self.protocol.tls(py) {
            Some(tls) => tls.bind(py).to_owned(),
            None => self.bind(py).to_owned(),
        }
    }

    /// Tells the protocol of the connection, begins to read, and completes the waiter.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn start(&self, py: Python<'_>) -> PyResult<()> {
        let made = self.in_context(py, || self.protocol.connection_made(&self.bind(py)));
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
    pub fn ready(&self, event_loop: &Bound<'_, EventLoop>, event: Event) -> PyResult<()> {
        let ready = event.ready;
        if ready.is_readable() {
            if self.wants_to_read() {
                self.read(event_loop, event)?;
            } else {
                // Pausing left the registration as it was; now it would be reported for ever.
                self.watch(event_loop)?;
            }
        }
        if ready.is_writable() && self.fd.get() >= 0 {
            if !self.queue.borrow().is_empty() {
                self.write_queued(event_loop)?;
            } else if self.wants_to_send_file() {
                self.send_file(event_loop.py())?;
            } else {
                self.watch(event_loop)?;
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
        self.update_interest(event_loop.get())?;
        if self.queue.borrow().is_empty() && !self.has_file() {
            self.schedule_lost(&event_loop)?;
        }
        Ok(())
    }

    fn schedule_lost(&self, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        event_loop.get().check_open()?;
        self.lost_writes.set(self.lost_writes.get() + 1);
        let lost = Transport::Stream(self.clone_ref(event_loop.py()));
        event_loop.get().push(event_loop.py(), Ready::Lost(Box::new(lost)));
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
        let told = if error.is_instance_of::<PyOSError>(py) {
            let line = ("%r: %s: %r", self.bind(py), message, error.value(py));
            log_in_debug(&self.event_loop(py)?, line, Some(&error))
        } else {
            self.report(self, py, message, error)
        };
        // The connection is of no use to anybody, even if the run ends.
        let closed = self.force_close(py, Some(reason));
        told.and(closed)
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
        let face = Obj::from(self.face(py));
        let told = self.in_context(py, || self.protocol.connection_lost(&reason.bind(py)));
        let reported = match told {
            Ok(()) => Ok(()),
            Err(error) => {
                self.report(self, py, "Exception in callback protocol.connection_lost()", error)
            }
        };
        let closed = self.close_descriptor(py).or_else(|error| {
            self.report(self, py, "Exception while a transport closes its socket", error)
        });
        let file = self.lose_file(py);
        self.protocol.forget();
        let detached = match self.server.take() {
            Some(server) => {
                server.bind(py).call_method1(intern!(py, "_detach"), (face.bind(py),)).map(drop)
            }
            None => Ok(()),
        };
        reported.and(closed).and(file).and(detached)
    }

    /// Closes the descriptor, once. Nothing of the loop knows it afterwards.
    fn close_descriptor(&self, py: Python<'_>) -> PyResult<()> {
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
}

impl StreamTransport {
    fn visit(&self, visit: &mut Visit<'_>) {
        for slot in self.slots() {
            visit.slot(slot);
        }
        self.protocol.traverse(visit);
        self.queue.borrow().traverse(visit);
        self.sending.borrow().iter().for_each(|sending| sending.traverse(visit));
    }

    fn slots(&self) -> [&Slot; 8] {
        [
            &self.event_loop,
            &self.socket,
            &self.public_socket,
            &self.context,
            &self.server,
            &self.waiter,
            &self.extra,
            &self.lost_reason,
        ]
    }
}
