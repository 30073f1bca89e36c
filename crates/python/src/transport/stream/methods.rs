//! The methods of a stream transport in Python: `asyncio.Transport`'s, and what asyncio's own
//! protocols ask of theirs.

use super::super::Transport;
use super::super::declare::{boolean, none};
use super::super::flow_control::set_limits;
use super::super::log_in_debug;
use super::super::protocol::Delivery;
use super::sendfile::{EndSendFile, SendFile};
use super::{HIGH_WATER, Parts, StreamTransport};
use crate::capi::intern;
use crate::capi::{
    BodyOf, Call, ClassCell, Getter, Instance, Method, MethodDef, Native, Obj, Visit, getter,
    method,
};
use crate::event_loop::{EventLoop, Ready};
use crate::imports::imports;
use pyo3::Borrowed;
use pyo3::exceptions::{PyResourceWarning, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};
use std::ffi::CStr;

type Body = BodyOf<StreamTransport>;

fn this(call: &Call<'_, '_>) -> Instance<StreamTransport> {
    call.instance()
}

methods! {
    /// Send data, or as much as goes, and queue the rest. Never blocks.
    fn Write = "write" (_body, call, data) {
        this(call).write(&data)?;
        none(call)
    }

    /// Send several pieces of data, with one system call if they go at once.
    fn WriteLines = "writelines" (_body, call, list_of_data) {
        this(call).write_lines(&list_of_data)?;
        none(call)
    }

    /// Close the sending side when everything is sent.
    fn WriteEof = "write_eof" (_body, call) {
        this(call).write_eof(call.py())?;
        none(call)
    }

    /// Return True: the sending side can be closed alone.
    fn CanWriteEof = "can_write_eof" (_body, call) {
        boolean(call.py(), true)
    }

    /// Stop reading, send what is queued, then close.
    fn Close = "close" (_body, call) {
        this(call).close(call.py())?;
        none(call)
    }

    /// Close now; what is queued is lost.
    fn Abort = "abort" (_body, call) {
        this(call).force_close(call.py(), None)?;
        none(call)
    }

    /// Close now, and give the exception to connection_lost(). For protocols that wrap others.
    fn ForceClose = "_force_close" (_body, call, exc) {
        let reason = (!exc.is_none()).then(|| Obj::from(exc));
        this(call).force_close(call.py(), reason)?;
        none(call)
    }

    /// Return True if the transport is closed or closing.
    fn IsClosing = "is_closing" (body, call) {
        boolean(call.py(), body.closing.get())
    }

    /// Stop calling data_received() until resume_reading().
    fn PauseReading = "pause_reading" (body, call) {
        if body.is_reading() {
            body.pause_reading();
            let line = ("%r pauses reading", call.this());
            log_in_debug(&body.event_loop(call.py())?, line, None)?;
        }
        none(call)
    }

    /// Call data_received() again.
    fn ResumeReading = "resume_reading" (body, call) {
        if !body.is_reading() && !body.is_closing() {
            body.resume_reading(call.py())?;
            let line = ("%r resumes reading", call.this());
            log_in_debug(&body.event_loop(call.py())?, line, None)?;
        }
        none(call)
    }

    /// Return True if data_received() may be called.
    fn IsReading = "is_reading" (body, call) {
        boolean(call.py(), body.is_reading())
    }

    /// Return the protocol.
    fn GetProtocol = "get_protocol" (body, call) {
        Ok(body.protocol.object(call.py()).into())
    }

    /// Give the connection to another protocol.
    fn SetProtocol = "set_protocol" (body, call, protocol) {
        body.protocol.set(&protocol)?;
        none(call)
    }

    /// Return the number of bytes that are queued.
    fn GetWriteBufferSize = "get_write_buffer_size" (body, call) {
        Ok(Obj::from(body.queue.borrow().size().into_pyobject(call.py())?))
    }

    /// Return the limits (low, high) of flow control, in bytes.
    fn GetWriteBufferLimits = "get_write_buffer_limits" (body, call) {
        Ok(Obj::from((body.low.get(), body.high.get()).into_pyobject(call.py())?))
    }
}

struct SetWriteBufferLimits;

impl Method for SetWriteBufferLimits {
    type This = Body;
    const NAME: &'static CStr = c"set_write_buffer_limits";
    const DOC: &'static CStr = c"set_write_buffer_limits($self, high=None, low=None)\n--\n\n\
        Set the sizes, in bytes, above which the protocol is paused and at which it goes on.";

    fn call(body: &Body, call: &Call<'_, '_>) -> PyResult<Obj> {
        set_limits(call, "set_write_buffer_limits", HIGH_WATER, (&body.high, &body.low))?;
        this(call).maybe_pause_protocol(call.py())?;
        none(call)
    }
}

struct GetExtraInfo;

impl Method for GetExtraInfo {
    type This = Body;
    const NAME: &'static CStr = c"get_extra_info";
    const DOC: &'static CStr = c"get_extra_info($self, name, default=None)\n--\n\n\
        Return what is known of the connection: 'socket', 'sockname', 'peername'.";

    fn call(body: &Body, call: &Call<'_, '_>) -> PyResult<Obj> {
        let py = call.py();
        let [name, default] = call.optional("get_extra_info", ["name", "default"])?;
        let Some(name) = name else {
            return Err(PyTypeError::new_err("get_extra_info() missing required argument: 'name'"));
        };
        let default = default.map_or_else(|| Obj::none(py), Obj::from);
        if let Some(extra) = body.extra.get(py)
            && let Ok(value) = extra.get_item(name)
        {
            return Ok(Obj::from(value));
        }
        let Ok(text) = name.cast::<PyString>() else { return Ok(default) };
        let found = match text.to_str()? {
            "socket" => Some(Some(this(call).public_socket(py)?)),
            name @ ("peername" | "sockname") => Some(this(call).address(py, name)?),
            _ => None,
        };
        Ok(match found {
            // A key that is known but has no value is None, whatever the default.
            Some(value) => value.map_or_else(|| Obj::none(py), Obj::from),
            None => default,
        })
    }
}

static STREAM_TRANSPORT: ClassCell = ClassCell::new();

impl Native for StreamTransport {
    const NAME: &'static CStr = c"nalsil._nalsil.StreamTransport";
    const DOC: &'static CStr = c"A connected TCP or Unix stream; an asyncio.Transport.";
    const HAS_REPR: bool = true;
    const HAS_FINALIZER: bool = true;

    fn cell() -> &'static ClassCell {
        &STREAM_TRANSPORT
    }

    fn base(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
        Ok(py.import("nalsil._imports")?.getattr("TransportBase")?.cast_into()?)
    }

    fn methods() -> Vec<MethodDef> {
        let mut methods = plain_methods();
        methods.push(method::<SetWriteBufferLimits>());
        methods.push(method::<GetExtraInfo>());
        methods.push(method::<SendFile>());
        methods.push(method::<EndSendFile>());
        methods
    }

    fn getters() -> Vec<Getter> {
        vec![
            getter::<Self>(c"_loop", |b, py| Ok(b.event_loop.get_or_none(py).into())),
            getter::<Self>(c"_protocol", |b, py| Ok(b.protocol.object(py).into())),
            getter::<Self>(c"_extra", |b, py| {
                // Made when it is asked for, and kept: programs store things there.
                if !b.extra.is_set() {
                    b.extra.set(PyDict::new(py));
                }
                Ok(b.extra.get_or_none(py).into())
            }),
            // asyncio's start_tls() and sendfile() look for these.
            getter::<Self>(c"_start_tls_compatible", |_, py| boolean(py, true)),
            getter::<Self>(c"_sendfile_compatible", |_, py| {
                Ok(imports(py)?.sendfile_native.clone_ref(py))
            }),
        ]
    }

    fn traverse(&self, visit: &mut Visit<'_>) {
        self.visit(visit);
    }

    fn clear(&self) {
        self.protocol.forget();
        for slot in self.slots() {
            drop(slot.take());
        }
        drop(self.sending.take());
    }

    fn finalize(&self, this: Borrowed<'_, '_, PyAny>) -> PyResult<()> {
        if self.fd() < 0 {
            return Ok(());
        }
        let py = this.py();
        if self.protocol.delivery() == Delivery::Tls {
            // The TLS transport above, which is what the user knows, says it.
            let this = Instance::<StreamTransport>::cast(&this);
            return this.map_or(Ok(()), |this| this.close_descriptor(py));
        }
        let keywords = PyDict::new(py);
        keywords.set_item("source", this)?;
        let text = format!("unclosed transport {}", self.repr(this)?);
        let arguments = (text, py.get_type::<PyResourceWarning>());
        let warned = imports(py)?.warn.bind(py).call(arguments, Some(&keywords));
        let closed = match Instance::<StreamTransport>::cast(&this) {
            Some(this) => this.close_descriptor(py),
            None => Ok(()),
        };
        warned.and(closed)
    }

    fn repr(&self, _this: Borrowed<'_, '_, PyAny>) -> PyResult<String> {
        let mut parts = vec!["StreamTransport".to_owned()];
        if self.fd() < 0 {
            parts.push("closed".to_owned());
        } else {
            if self.closing.get() {
                parts.push("closing".to_owned());
            }
            parts.push(format!("fd={}", self.fd()));
            let reading = !self.closing.get() && !self.paused.get();
            parts.push(format!("read={}", if reading { "polling" } else { "idle" }));
            let queue = self.queue.borrow();
            let state = if queue.is_empty() { "idle" } else { "polling" };
            parts.push(format!("write=<{state}, bufsize={}>", queue.size()));
        }
        Ok(format!("<{}>", parts.join(" ")))
    }
}

#[pymethods]
impl EventLoop {
    /// Make a transport of a connected, non-blocking socket. The transport owns it from now on;
    /// `shared` says whether anybody else has the socket object.
    #[pyo3(signature = (sock, protocol, waiter=None, *, extra=None, server=None, shared=true))]
    fn _make_socket_transport(
        slf: &Bound<'_, Self>,
        sock: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
        waiter: Option<&Bound<'_, PyAny>>,
        extra: Option<&Bound<'_, PyDict>>,
        server: Option<&Bound<'_, PyAny>>,
        shared: bool,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        slf.get().check_open()?;
        let fd = sock.call_method0(intern!(py, "fileno"))?.extract()?;
        slf.get().check_no_transport(py, fd)?;
        let socket = Some(sock);
        let parts = Parts { fd, socket, shared, protocol, peer: None, server, waiter, extra };
        let transport = StreamTransport::create(slf, parts)?;
        slf.get().push(py, Ready::Start(Box::new(Transport::Stream(transport.clone_ref(py)))));
        Ok(transport.bind(py).to_owned().unbind())
    }
}
