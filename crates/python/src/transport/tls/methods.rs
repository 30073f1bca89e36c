//! The methods of a TLS transport in Python: `asyncio.Transport`'s, and what asyncio's own TLS
//! transport and its protocol have beside them.

use super::info::GetExtraInfo;
use super::{HIGH_READ, HIGH_WRITE, State, TlsTransport};
use crate::capi::{
    BodyOf, Call, ClassCell, Getter, Instance, Method, MethodDef, Native, Obj, Visit, getter,
    instance_getter, method,
};
use crate::imports::imports;
use crate::transport::declare::{boolean, none};
use crate::transport::flow_control::set_limits;
use pyo3::Borrowed;
use pyo3::exceptions::{PyNotImplementedError, PyResourceWarning};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use std::ffi::CStr;

type Body = BodyOf<TlsTransport>;

fn this(call: &Call<'_, '_>) -> Instance<TlsTransport> {
    call.instance()
}

methods! {
    /// Encrypt and send data, or as much as goes, and queue the rest. Never blocks.
    fn Write = "write" (_body, call, data) {
        this(call).write(&data)?;
        none(call)
    }

    /// Encrypt and send several pieces of data; small ones share a record.
    fn WriteLines = "writelines" (_body, call, list_of_data) {
        this(call).write_lines(&list_of_data)?;
        none(call)
    }

    /// Raise NotImplementedError: TLS has no end of one direction alone.
    fn WriteEof = "write_eof" (_body, _call) {
        Err(PyNotImplementedError::new_err("TLS cannot end one direction alone"))
    }

    /// Return False: the sending side cannot be closed alone.
    fn CanWriteEof = "can_write_eof" (_body, call) {
        boolean(call.py(), false)
    }

    /// Send what is queued, end TLS with the peer, then close.
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
        boolean(call.py(), body.is_closing(call.py()))
    }

    /// Stop calling data_received() until resume_reading(), and reading from the peer.
    fn PauseReading = "pause_reading" (_body, call) {
        this(call).pause_reading(call.py());
        none(call)
    }

    /// Call data_received() again.
    fn ResumeReading = "resume_reading" (_body, call) {
        this(call).resume_reading(call.py())?;
        none(call)
    }

    /// Return True if data_received() may be called.
    fn IsReading = "is_reading" (body, call) {
        boolean(call.py(), !body.paused.get())
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

    /// Return the number of bytes that wait to be encrypted.
    fn GetWriteBufferSize = "get_write_buffer_size" (body, call) {
        Ok(Obj::from(body.backlog.borrow().size().into_pyobject(call.py())?))
    }

    /// Return the limits (low, high) of flow control of writing, in bytes.
    fn GetWriteBufferLimits = "get_write_buffer_limits" (body, call) {
        Ok(Obj::from((body.low_write.get(), body.high_write.get()).into_pyobject(call.py())?))
    }

    /// Return the number of bytes that have arrived and wait to be decrypted.
    fn GetReadBufferSize = "get_read_buffer_size" (body, call) {
        Ok(Obj::from(body.engine.incoming_size(call.py())?.into_pyobject(call.py())?))
    }

    /// Return the limits (low, high) of flow control of reading, in bytes.
    fn GetReadBufferLimits = "get_read_buffer_limits" (body, call) {
        Ok(Obj::from((body.low_read.get(), body.high_read.get()).into_pyobject(call.py())?))
    }

    /// Begin the handshake over a transport, whose protocol this transport is.
    fn Begin = "_begin" (_body, call, transport) {
        this(call).begin(&transport)?;
        none(call)
    }

    /// Decrypt bytes that arrived before the transport was there.
    fn Feed = "_feed" (_body, call, data) {
        let py = call.py();
        let data = Obj::from(data);
        this(call).feed(py, data.as_bytes(py).unwrap_or_default())?;
        none(call)
    }

    /// Send nothing for now. The transport below calls this of its protocol.
    fn PauseWriting = "pause_writing" (body, call) {
        body.pause_lower_writing();
        none(call)
    }

    /// Send again. The transport below calls this of its protocol.
    fn ResumeWriting = "resume_writing" (_body, call) {
        this(call).resume_lower_writing(call.py())?;
        none(call)
    }

    /// Queue bytes without sending any yet. For asyncio's own tests.
    fn AppendBacklog = "_test__append_write_backlog" (_body, call, data) {
        this(call).queue(call.py(), Obj::from(data));
        none(call)
    }

    /// The time for the handshake is over.
    fn CheckHandshake = "_check_handshake_timeout" (_body, call) {
        this(call).check_handshake_timeout(call.py())?;
        none(call)
    }

    /// The time for the shutdown is over.
    fn CheckShutdown = "_check_shutdown_timeout" (_body, call) {
        this(call).check_shutdown_timeout(call.py())?;
        none(call)
    }
}

struct SetWriteBufferLimits;

impl Method for SetWriteBufferLimits {
    type This = Body;
    const NAME: &'static CStr = c"set_write_buffer_limits";
    const DOC: &'static CStr = c"set_write_buffer_limits($self, high=None, low=None)\n--\n\n\
        Set the sizes, in bytes, above which the protocol is paused and at which it goes on.";

    fn call(body: &Body, call: &Call<'_, '_>) -> PyResult<Obj> {
        let limits = (&body.high_write, &body.low_write);
        set_limits(call, "set_write_buffer_limits", HIGH_WRITE, limits)?;
        this(call).control_protocol(call.py())?;
        none(call)
    }
}

struct SetReadBufferLimits;

impl Method for SetReadBufferLimits {
    type This = Body;
    const NAME: &'static CStr = c"set_read_buffer_limits";
    const DOC: &'static CStr = c"set_read_buffer_limits($self, high=None, low=None)\n--\n\n\
        Set the limits that get_read_buffer_limits() returns. A paused transport reads nothing, so \
        what waits never grows beyond what one read gives.";

    fn call(body: &Body, call: &Call<'_, '_>) -> PyResult<Obj> {
        let limits = (&body.high_read, &body.low_read);
        set_limits(call, "set_read_buffer_limits", HIGH_READ, limits)?;
        none(call)
    }
}

static TLS_TRANSPORT: ClassCell = ClassCell::new();

impl Native for TlsTransport {
    const NAME: &'static CStr = c"nalsil._nalsil.SSLTransport";
    const DOC: &'static CStr = c"TLS over a connection; an asyncio.Transport.";
    const HAS_REPR: bool = true;
    const HAS_FINALIZER: bool = true;

    fn cell() -> &'static ClassCell {
        &TLS_TRANSPORT
    }

    fn base(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
        Ok(py.import("nalsil._imports")?.getattr("TransportBase")?.cast_into()?)
    }

    fn methods() -> Vec<MethodDef> {
        let mut methods = plain_methods();
        methods.push(method::<SetWriteBufferLimits>());
        methods.push(method::<SetReadBufferLimits>());
        methods.push(method::<GetExtraInfo>());
        methods
    }

    fn getters() -> Vec<Getter> {
        vec![
            getter::<Self>(c"_loop", |b, py| Ok(b.event_loop.get_or_none(py).into())),
            getter::<Self>(c"_extra", |b, py| {
                // Made when it is asked for, and kept: programs store things there.
                if !b.extra.is_set() {
                    b.extra.set(PyDict::new(py));
                }
                Ok(b.extra.get_or_none(py).into())
            }),
            // asyncio's start_tls() and other packages look for these. Transport and protocol of
            // TLS are one object here.
            getter::<Self>(c"_start_tls_compatible", |_, py| boolean(py, true)),
            getter::<Self>(c"_sendfile_compatible", |_, py| {
                Ok(imports(py)?.sendfile_fallback.clone_ref(py))
            }),
            instance_getter::<Self>(c"_ssl_protocol", |t, py| Ok(Obj::from(t.bind(py)))),
            instance_getter::<Self>(c"_app_transport", |t, py| Ok(Obj::from(t.bind(py)))),
            getter::<Self>(c"_app_protocol", |b, py| Ok(b.protocol.object(py).into())),
            getter::<Self>(c"_transport", |b, py| Ok(b.lower.get_or_none(py).into())),
            getter::<Self>(c"_sslobj", |b, py| Ok(b.engine.object(py).into())),
            getter::<Self>(c"_sslcontext", |b, py| Ok(b.context.get_or_none(py).into())),
        ]
    }

    fn traverse(&self, visit: &mut Visit<'_>) {
        self.visit(visit);
    }

    fn clear(&self) {
        self.forget();
    }

    fn finalize(&self, this: Borrowed<'_, '_, PyAny>) -> PyResult<()> {
        if !matches!(self.state.get(), State::Handshake | State::Open) {
            return Ok(());
        }
        let py = this.py();
        let keywords = PyDict::new(py);
        keywords.set_item("source", this)?;
        let text = format!("unclosed transport {}", self.repr(this)?);
        let arguments = (text, py.get_type::<PyResourceWarning>());
        imports(py)?.warn.bind(py).call(arguments, Some(&keywords)).map(drop)
    }

    fn repr(&self, this: Borrowed<'_, '_, PyAny>) -> PyResult<String> {
        let lower = self.lower.get_or_none(this.py());
        Ok(format!("<SSLTransport {} over {}>", self.state_name(), lower.repr()?))
    }
}
