//! `sock_recv` and its kin: one awaitable object an operation.
//!
//! An operation tries at once when it is first driven. If the socket is not ready it waits for one
//! report of the selector, and the task that resumes it tries again: what has arrived is taken
//! only by a task that is there to have it, so a cancellation in between loses nothing.

use super::descriptors::{Direction, Waiter};
use super::{EventLoop, SCRATCH_SIZE};
use crate::capi::intern;
use crate::capi::{
    BodyOf, BytesWriter, Call, ClassCell, Getter, Instance, Method, MethodDef, Native, Obj,
    ReadView, Slot, Step, Visit, WriteView, as_bytes, call, getter, method, stop_iteration,
};
use crate::errors::os_error;
use crate::imports::imports;
use nalsil_driver::sys::{file, net};
use pyo3::exceptions::{
    PyBlockingIOError, PyInterruptedError, PyOSError, PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyType};
use std::cell::Cell;
use std::ffi::CStr;
use std::io;
use std::os::fd::RawFd;

/// What is done.
enum Kind {
    Recv(usize),
    RecvInto(Slot),
    RecvFrom(usize),
    RecvFromInto(Slot, usize),
    SendAll(Slot),
    SendTo(Slot, Slot),
    SendFile(FilePart),
    Connect(Slot),
    Accept,
}

/// A part of a file: descriptor, offset and length in bytes.
struct FilePart {
    source: RawFd,
    offset: u64,
    length: u64,
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Kind::Recv(_) => "sock_recv",
            Kind::RecvInto(_) => "sock_recv_into",
            Kind::RecvFrom(_) => "sock_recvfrom",
            Kind::RecvFromInto(..) => "sock_recvfrom_into",
            Kind::SendAll(_) => "sock_sendall",
            Kind::SendTo(..) => "sock_sendto",
            Kind::SendFile(_) => "sock_sendfile",
            Kind::Connect(_) => "sock_connect",
            Kind::Accept => "sock_accept",
        }
    }

    fn direction(&self) -> Direction {
        match self {
            Kind::SendAll(_) | Kind::SendTo(..) | Kind::SendFile(_) | Kind::Connect(_) => {
                Direction::Write
            }
            _ => Direction::Read,
        }
    }

    fn slots(&self) -> [Option<&Slot>; 2] {
        match self {
            Kind::RecvInto(a) | Kind::RecvFromInto(a, _) | Kind::SendAll(a) | Kind::Connect(a) => {
                [Some(a), None]
            }
            Kind::SendTo(a, b) => [Some(a), Some(b)],
            Kind::Recv(_) | Kind::RecvFrom(_) | Kind::SendFile(_) | Kind::Accept => [None, None],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Waiting,
    Done,
}

/// An operation on a socket; an awaitable coroutine to Python.
pub struct SocketOperation {
    event_loop: Slot,
    socket: Slot,
    kind: Kind,
    phase: Cell<Phase>,
    /// Where it was registered last.
    fd: Cell<RawFd>,
    /// What the task waits for.
    future: Slot,
    /// How much of the data is sent.
    sent: Cell<usize>,
}

/// What a try comes to: `None` if the socket is not ready.
type Tried = PyResult<Option<Obj>>;

/// Nothing yet, if the socket is not ready.
fn not_ready(py: Python<'_>, error: PyErr) -> Tried {
    if error.is_instance_of::<PyBlockingIOError>(py)
        || error.is_instance_of::<PyInterruptedError>(py)
    {
        return Ok(None);
    }
    Err(error)
}

fn not_ready_io(error: &io::Error) -> Tried {
    if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(os_error(error)) }
}

impl SocketOperation {
    fn event_loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, EventLoop>> {
        let event_loop = self.event_loop.get(py).ok_or_else(ended)?;
        Ok(event_loop.cast_into::<EventLoop>()?)
    }

    fn socket<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.socket.get(py).ok_or_else(ended)
    }

    fn fileno(socket: &Bound<'_, PyAny>) -> PyResult<RawFd> {
        socket.call_method0(intern!(socket.py(), "fileno"))?.extract()
    }

    fn check(&self, py: Python<'_>, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        let socket = self.socket(py)?;
        if socket.is_instance(&imports(py)?.ssl_socket.bind(py))? {
            return Err(PyTypeError::new_err("Socket cannot be of type SSLSocket"));
        }
        if event_loop.get().is_debug() {
            let timeout = socket.call_method0(intern!(py, "gettimeout"))?;
            if timeout.is_none() || !timeout.eq(0)? {
                return Err(PyValueError::new_err("the socket must be non-blocking"));
            }
        }
        Ok(())
    }

    fn attempt(&self, py: Python<'_>, event_loop: &Bound<'_, EventLoop>) -> Tried {
        let socket = self.socket(py)?;
        match &self.kind {
            Kind::Recv(size) => Self::recv(&socket, event_loop, *size),
            Kind::RecvInto(buffer) => {
                let fd = Self::fileno(&socket)?;
                let mut view = WriteView::new(&buffer.get_or_none(py))?;
                match net::recv(fd, view.as_mut_slice()) {
                    Ok(count) => Ok(Some(Obj::from(count.into_pyobject(py)?))),
                    Err(error) => not_ready_io(&error),
                }
            }
            Kind::SendAll(data) => self.send_all(&socket, &data.get_or_none(py)),
            Kind::RecvFrom(size) => {
                let received = socket.call_method1(intern!(py, "recvfrom"), (*size,));
                received.map(|r| Some(Obj::from(r))).or_else(|error| not_ready(py, error))
            }
            Kind::RecvFromInto(buffer, size) => {
                let arguments = (buffer.get_or_none(py), *size);
                let received = socket.call_method1(intern!(py, "recvfrom_into"), arguments);
                received.map(|r| Some(Obj::from(r))).or_else(|error| not_ready(py, error))
            }
            Kind::SendTo(data, address) => {
                let arguments = (data.get_or_none(py), address.get_or_none(py));
                let sent = socket.call_method1(intern!(py, "sendto"), arguments);
                sent.map(|n| Some(Obj::from(n))).or_else(|error| not_ready(py, error))
            }
            Kind::SendFile(part) => self.send_file(&socket, part),
            Kind::Connect(address) => self.connect(&socket, &address.get_or_none(py)),
            Kind::Accept => Self::accept(&socket),
        }
    }

    fn recv(socket: &Bound<'_, PyAny>, event_loop: &Bound<'_, EventLoop>, size: usize) -> Tried {
        let py = socket.py();
        let fd = Self::fileno(socket)?;
        if size > SCRATCH_SIZE {
            let mut bytes = BytesWriter::with_room(py, size)?;
            return match net::recv(fd, bytes.room()) {
                Ok(count) => bytes.finish(count).map(|bytes| Some(Obj::from(bytes))),
                Err(error) => not_ready_io(&error),
            };
        }
        let received = event_loop.get().with_scratch(py, |scratch| {
            let count = net::recv(fd, &mut scratch[..size])?;
            Ok((count, BytesWriter::copy(py, &scratch[..count])))
        });
        match received {
            Ok((_, bytes)) => Ok(Some(Obj::from(bytes?))),
            Err(error) => not_ready_io(&error),
        }
    }

    fn send_all(&self, socket: &Bound<'_, PyAny>, data: &Bound<'_, PyAny>) -> Tried {
        let fd = Self::fileno(socket)?;
        let view;
        let all = match as_bytes(data) {
            Some(all) => all,
            None => {
                view = ReadView::new(data)?;
                view.as_slice()
            }
        };
        loop {
            let rest = all.get(self.sent.get()..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(Some(Obj::none(socket.py())));
            }
            match net::send(fd, rest) {
                Ok(count) => self.sent.set(self.sent.get() + count),
                Err(error) => return not_ready_io(&error),
            }
        }
    }

    /// Sends one part at a time: others have their turn before the next.
    fn send_file(&self, socket: &Bound<'_, PyAny>, part: &FilePart) -> Tried {
        let (py, fd) = (socket.py(), Self::fileno(socket)?);
        let sent = self.sent.get() as u64;
        let left = part.length.saturating_sub(sent);
        let count = match file::send_file(fd, part.source, part.offset + sent, left) {
            Ok(count) => count,
            Err(error) => return not_ready_io(&error),
        };
        let total = self.sent.get() + count;
        self.sent.set(total);
        if count > 0 && (count as u64) < left {
            return Ok(None);
        }
        Ok(Some(Obj::from(total.into_pyobject(py)?)))
    }

    fn connect(&self, socket: &Bound<'_, PyAny>, address: &Bound<'_, PyAny>) -> Tried {
        let py = socket.py();
        if self.phase.get() == Phase::New {
            return match socket.call_method1(intern!(py, "connect"), (address,)) {
                Ok(_) => Ok(Some(Obj::none(py))),
                // A Unix socket whose server has no room says EAGAIN, and is not connecting.
                Err(error) if in_progress(py, &error)? => Ok(None),
                Err(error) => Err(error),
            };
        }
        let socket_module = py.import(intern!(py, "socket"))?;
        let option = (socket_module.getattr("SOL_SOCKET")?, socket_module.getattr("SO_ERROR")?);
        let error = socket.call_method1(intern!(py, "getsockopt"), option)?.extract::<i32>()?;
        if error != 0 {
            let text = format!("Connect call failed {}", address.repr()?);
            return Err(PyOSError::new_err((error, text)));
        }
        // No error and no peer: the report was about a socket that had the number before.
        let pending =
            net::peer_address(Self::fileno(socket)?).is_err_and(|e| net::is_unconnected(&e));
        Ok((!pending).then(|| Obj::none(py)))
    }

    fn accept(socket: &Bound<'_, PyAny>) -> Tried {
        let py = socket.py();
        let pair = match socket.call_method0(intern!(py, "accept")) {
            Ok(pair) => pair,
            Err(error) => return not_ready(py, error),
        };
        pair.get_item(0)?.call_method1(intern!(py, "setblocking"), (false,))?;
        Ok(Some(Obj::from(pair)))
    }

    fn wait(this: &Instance<Self>, event_loop: &Bound<'_, EventLoop>) -> PyResult<Obj> {
        let py = event_loop.py();
        let fd = Self::fileno(&this.socket(py)?)?;
        event_loop.get().check_no_transport(py, fd)?;
        let future = event_loop.get().new_future(event_loop)?;
        future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
        this.fd.set(fd);
        this.future.set(&future);
        this.phase.set(Phase::Waiting);
        let waiter = Waiter::Operation(this.clone_ref(py));
        event_loop.get().wait_for(py, fd, this.kind.direction(), waiter)?;
        Ok(Obj::from(future))
    }

    fn advance(this: &Instance<Self>, py: Python<'_>) -> PyResult<Step> {
        let event_loop = this.event_loop(py)?;
        match this.phase.get() {
            Phase::New => this.check(py, &event_loop)?,
            Phase::Waiting => {
                if let Some(future) = this.future.take() {
                    future.bind(py).call_method0(intern!(py, "result"))?;
                }
            }
            Phase::Done => return Err(ended()),
        }
        match this.attempt(py, &event_loop)? {
            Some(value) => {
                this.end();
                Ok(Step::Return(Some(value)))
            }
            None => Self::wait(this, &event_loop).map(Step::Yield),
        }
    }

    fn end(&self) {
        self.phase.set(Phase::Done);
        drop(self.future.take());
    }

    /// Stops waiting, if it does.
    fn give_up(this: &Instance<Self>, py: Python<'_>) {
        if this.phase.replace(Phase::Done) == Phase::Waiting
            && let Ok(event_loop) = this.event_loop(py)
        {
            event_loop.get().abandon(py, this.fd.get(), this);
        }
        drop(this.future.take());
    }

    /// The socket is ready: goes on with what is being sent, or wakes the task.
    pub fn ready(this: &Instance<Self>, event_loop: &Bound<'_, EventLoop>) -> PyResult<()> {
        let py = event_loop.py();
        let Some(future) = this.future.get(py) else { return Ok(()) };
        if future.call_method0(intern!(py, "done"))?.is_truthy()? {
            return Ok(());
        }
        let outcome = match &this.kind {
            Kind::SendAll(data) => this.send_all(&this.socket(py)?, &data.get_or_none(py)),
            Kind::SendFile(part) => this.send_file(&this.socket(py)?, part),
            _ => Ok(Some(Obj::none(py))),
        };
        match outcome {
            Ok(None) => {
                let waiter = Waiter::Operation(this.clone_ref(py));
                let armed = event_loop.get().wait_for(py, this.fd.get(), Direction::Write, waiter);
                if let Err(error) = armed {
                    future.call_method1(intern!(py, "set_exception"), (error,))?;
                }
            }
            Ok(Some(_)) => {
                call(&future.getattr(intern!(py, "set_result"))?, [&py.None().into_bound(py)])?;
            }
            Err(error) => {
                future.call_method1(intern!(py, "set_exception"), (error,))?;
            }
        }
        Ok(())
    }
}

fn ended() -> PyErr {
    PyRuntimeError::new_err("cannot reuse already awaited coroutine")
}

/// Whether a connect that did not succeed at once goes on by itself.
fn in_progress(py: Python<'_>, error: &PyErr) -> PyResult<bool> {
    if error.is_instance_of::<PyInterruptedError>(py) {
        return Ok(true);
    }
    if !error.is_instance_of::<PyBlockingIOError>(py) {
        return Ok(false);
    }
    let number = error.value(py).getattr(intern!(py, "errno"))?.extract::<i32>()?;
    Ok(number != net::WOULD_BLOCK)
}

struct Send;

impl Method for Send {
    type This = BodyOf<SocketOperation>;
    const NAME: &'static CStr = c"send";
    const DOC: &'static CStr = c"Go on; the value is not looked at.";

    fn call(_this: &Self::This, call: &Call<'_, '_>) -> PyResult<Obj> {
        call.exactly::<1>("send")?;
        match SocketOperation::next(&call.instance(), call.py())? {
            Step::Yield(object) => Ok(object),
            Step::Return(value) => Err(stop_iteration(call.py(), value)),
        }
    }
}

struct Throw;

impl Method for Throw {
    type This = BodyOf<SocketOperation>;
    const NAME: &'static CStr = c"throw";
    const DOC: &'static CStr = c"Stop waiting and raise the exception.";

    fn call(_this: &Self::This, call: &Call<'_, '_>) -> PyResult<Obj> {
        let py = call.py();
        SocketOperation::give_up(&call.instance(), py);
        let Some(raised) = call.get(0) else {
            return Err(PyTypeError::new_err("throw() missing required argument: 'type'"));
        };
        if raised.is_instance_of::<PyType>() {
            let value = match call.get(1).filter(|value| !value.is_none()) {
                Some(value) => raised.call1((value,))?,
                None => raised.call0()?,
            };
            return Err(PyErr::from_value(value));
        }
        Err(PyErr::from_value(raised.to_owned()))
    }
}

struct Close;

impl Method for Close {
    type This = BodyOf<SocketOperation>;
    const NAME: &'static CStr = c"close";
    const DOC: &'static CStr = c"Stop waiting.";

    fn call(_this: &Self::This, call: &Call<'_, '_>) -> PyResult<Obj> {
        call.exactly::<0>("close")?;
        SocketOperation::give_up(&call.instance(), call.py());
        Ok(Obj::none(call.py()))
    }
}

static SOCKET_OPERATION: ClassCell = ClassCell::new();

impl Native for SocketOperation {
    const NAME: &'static CStr = c"nalsil._nalsil.SocketOperation";
    const DOC: &'static CStr = c"An operation on a socket, to be awaited.";
    const AWAITABLE: bool = true;

    fn cell() -> &'static ClassCell {
        &SOCKET_OPERATION
    }

    fn base(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
        Ok(py.import("builtins")?.getattr("object")?.cast_into()?)
    }

    fn methods() -> Vec<MethodDef> {
        vec![method::<Send>(), method::<Throw>(), method::<Close>()]
    }

    fn getters() -> Vec<Getter> {
        vec![
            getter::<Self>(c"__name__", |b, py| Ok(Obj::from(PyString::new(py, b.kind.name())))),
            getter::<Self>(c"__qualname__", |b, py| {
                Ok(Obj::from(PyString::new(py, &format!("EventLoop.{}", b.kind.name()))))
            }),
            getter::<Self>(c"sent", |b, py| Ok(Obj::from(b.sent.get().into_pyobject(py)?))),
            getter::<Self>(c"cr_await", |b, py| Ok(b.future.get_or_none(py).into())),
        ]
    }

    fn traverse(&self, visit: &mut Visit<'_>) {
        for slot in [&self.event_loop, &self.socket, &self.future] {
            visit.slot(slot);
        }
        self.kind.slots().into_iter().flatten().for_each(|slot| visit.slot(slot));
    }

    fn clear(&self) {
        self.phase.set(Phase::Done);
        for slot in [&self.event_loop, &self.socket, &self.future] {
            drop(slot.take());
        }
        self.kind.slots().into_iter().flatten().for_each(|slot| drop(slot.take()));
    }

    fn next(this: &Instance<Self>, py: Python<'_>) -> PyResult<Step> {
        let step = Self::advance(this, py);
        if step.is_err() {
            Self::give_up(this, py);
        }
        step
    }
}

impl EventLoop {
    fn operation(
        slf: &Bound<'_, Self>,
        socket: &Bound<'_, PyAny>,
        kind: Kind,
    ) -> PyResult<Py<PyAny>> {
        let operation = SocketOperation {
            event_loop: Slot::new(slf),
            socket: Slot::new(socket),
            kind,
            phase: Cell::new(Phase::New),
            fd: Cell::new(-1),
            future: Slot::default(),
            sent: Cell::new(0),
        };
        let operation = Instance::new(slf.py(), operation)?;
        Ok(operation.bind(slf.py()).to_owned().unbind())
    }
}

fn size(count: isize) -> PyResult<usize> {
    usize::try_from(count).map_err(|_| PyValueError::new_err("negative buffersize in recv"))
}

#[pymethods]
impl EventLoop {
    /// Receive up to n bytes. Await the result for a bytes object; empty at the end of the stream.
    fn sock_recv(slf: &Bound<'_, Self>, sock: &Bound<'_, PyAny>, n: isize) -> PyResult<Py<PyAny>> {
        Self::operation(slf, sock, Kind::Recv(size(n)?))
    }

    /// Receive into a writable buffer. Await the result for the number of bytes.
    fn sock_recv_into(
        slf: &Bound<'_, Self>,
        sock: &Bound<'_, PyAny>,
        buf: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyAny>> {
        Self::operation(slf, sock, Kind::RecvInto(Slot::new(buf)))
    }

    /// Receive a datagram of up to bufsize bytes. Await the result for (data, address).
    fn sock_recvfrom(
        slf: &Bound<'_, Self>,
        sock: &Bound<'_, PyAny>,
        bufsize: isize,
    ) -> PyResult<Py<PyAny>> {
        Self::operation(slf, sock, Kind::RecvFrom(size(bufsize)?))
    }

    /// Receive a datagram into a buffer. Await the result for (number of bytes, address).
    #[pyo3(signature = (sock, buf, nbytes=0))]
    fn sock_recvfrom_into(
        slf: &Bound<'_, Self>,
        sock: &Bound<'_, PyAny>,
        buf: &Bound<'_, PyAny>,
        nbytes: isize,
    ) -> PyResult<Py<PyAny>> {
        let nbytes = if nbytes == 0 { buf.len()? } else { size(nbytes)? };
        Self::operation(slf, sock, Kind::RecvFromInto(Slot::new(buf), nbytes))
    }

    /// Send all of a bytes-like object. Await the result.
    fn sock_sendall(
        slf: &Bound<'_, Self>,
        sock: &Bound<'_, PyAny>,
        data: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyAny>> {
        // The data is fixed here, where a wrong type can be told from the caller's line.
        let data = if data.is_exact_instance_of::<PyBytes>() {
            data.clone()
        } else {
            drop(ReadView::new(data)?);
            data.py().import("builtins")?.getattr("memoryview")?.call1((data,))?
        };
        Self::operation(slf, sock, Kind::SendAll(Slot::new(data)))
    }

    /// Send a datagram to an address. Await the result for the number of bytes.
    fn sock_sendto(
        slf: &Bound<'_, Self>,
        sock: &Bound<'_, PyAny>,
        data: &Bound<'_, PyAny>,
        address: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyAny>> {
        Self::operation(slf, sock, Kind::SendTo(Slot::new(data), Slot::new(address)))
    }

    /// Send length bytes of a file at most. Await the result for the number of bytes, which `sent`
    /// tells at any time.
    fn _sock_sendfile(
        slf: &Bound<'_, Self>,
        sock: &Bound<'_, PyAny>,
        source: RawFd,
        offset: u64,
        length: u64,
    ) -> PyResult<Py<PyAny>> {
        Self::operation(slf, sock, Kind::SendFile(FilePart { source, offset, length }))
    }

    /// Connect to an address that needs no resolving. Await the result.
    fn _sock_connect(
        slf: &Bound<'_, Self>,
        sock: &Bound<'_, PyAny>,
        address: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyAny>> {
        Self::operation(slf, sock, Kind::Connect(Slot::new(address)))
    }

    /// Accept a connection. Await the result for (socket, address).
    fn sock_accept(slf: &Bound<'_, Self>, sock: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Self::operation(slf, sock, Kind::Accept)
    }
}
