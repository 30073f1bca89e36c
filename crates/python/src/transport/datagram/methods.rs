//! The methods of a datagram transport in Python: `asyncio.DatagramTransport`'s, and those that
//! asyncio's own has besides.

use super::super::declare::{boolean, none};
use super::super::endpoint::{self, Base, Parts};
use super::DatagramTransport;
use crate::capi::intern;
use crate::capi::{
    BodyOf, Call, ClassCell, Getter, Instance, Method, MethodDef, Native, Obj, Visit, method,
};
use crate::event_loop::{EventLoop, Ready};
use crate::imports::imports;
use nalsil_driver::Interest;
use pyo3::Borrowed;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use std::ffi::CStr;
use std::os::fd::RawFd;

type Body = BodyOf<DatagramTransport>;

fn this(call: &Call<'_, '_>) -> Instance<DatagramTransport> {
    call.instance()
}

methods! {
    /// Stop calling datagram_received() until resume_reading().
    fn PauseReading = "pause_reading" (body, call) {
        // The registration stays: most pauses end before anything arrives.
        if !body.base.is_closing() {
            body.paused.set(true);
        }
        none(call)
    }

    /// Call datagram_received() again.
    fn ResumeReading = "resume_reading" (body, call) {
        if !body.base.is_closing() && body.paused.replace(false) {
            let event_loop = body.base.event_loop(call.py())?;
            this(call).update_interest(&event_loop)?;
            this(call).schedule_held(&event_loop);
        }
        none(call)
    }

    /// Return True if datagram_received() may be called.
    fn IsReading = "is_reading" (body, call) {
        boolean(call.py(), !body.base.is_closing() && !body.paused.get())
    }
}

impl Instance<DatagramTransport> {
    /// Sees to it that the protocol gets what came while it had paused.
    fn schedule_held(&self, event_loop: &Bound<'_, EventLoop>) {
        if let (false, Some(token)) = (self.held.borrow().is_empty(), self.base.token()) {
            let event = nalsil_driver::Event { token, ready: Interest::READABLE };
            event_loop.get().push(event_loop.py(), Ready::Io(event));
        }
    }
}

struct SendTo;

impl Method for SendTo {
    type This = Body;
    const NAME: &'static CStr = c"sendto";
    const DOC: &'static CStr = c"sendto($self, data, addr=None)\n--\n\n\
        Send a datagram, or queue it. Never blocks, unless the address is a name.";

    #[inline]
    fn call(_body: &Body, call: &Call<'_, '_>) -> PyResult<Obj> {
        let [data, address] = if call.has_keywords() || call.len() > 2 {
            call.optional("sendto", ["data", "addr"])?
        } else {
            [call.get(0), call.get(1)]
        };
        let Some(data) = data else {
            return Err(PyTypeError::new_err("sendto() missing required argument: 'data'"));
        };
        this(call).send_to(&data, address.as_deref())?;
        none(call)
    }
}

static DATAGRAM_TRANSPORT: ClassCell = ClassCell::new();

impl Native for DatagramTransport {
    const NAME: &'static CStr = c"nalsil._nalsil.DatagramTransport";
    const DOC: &'static CStr = c"A datagram socket; an asyncio.DatagramTransport.";
    const HAS_REPR: bool = true;
    const HAS_FINALIZER: bool = true;
    const DICTIONARY: Option<usize> =
        Some(std::mem::offset_of!(DatagramTransport, base) + Base::DICTIONARY);

    fn cell() -> &'static ClassCell {
        &DATAGRAM_TRANSPORT
    }

    fn base(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
        Ok(py.import("nalsil._imports")?.getattr("DatagramTransportBase")?.cast_into()?)
    }

    fn methods() -> Vec<MethodDef> {
        let mut methods = endpoint::writing_methods::<Self>();
        methods.extend(plain_methods());
        methods.push(method::<SendTo>());
        methods
    }

    fn getters() -> Vec<Getter> {
        endpoint::getters::<Self>()
    }

    fn traverse(&self, visit: &mut Visit<'_>) {
        self.visit(visit);
    }

    fn clear(&self) {
        self.base.clear();
        drop(self.address.take());
        let (queue, held) = (self.queue.take(), self.held.take());
        drop((queue, held));
    }

    fn finalize(&self, this: Borrowed<'_, '_, PyAny>) -> PyResult<()> {
        Instance::<Self>::warn_of_unclosed(this)
    }

    fn repr(&self, _this: Borrowed<'_, '_, PyAny>) -> PyResult<String> {
        let mut parts = self.base.describe("DatagramTransport");
        if !self.base.is_closed() {
            let (reading, writing) = (
                self.base.state_of(Interest::is_readable),
                self.base.state_of(Interest::is_writable),
            );
            parts.push(format!("read={reading}"));
            parts.push(format!("write=<{writing}, bufsize={}>", self.queue.borrow().size()));
        }
        Ok(format!("<{}>", parts.join(" ")))
    }
}

#[pymethods]
impl EventLoop {
    /// Make a transport of a non-blocking datagram socket. The transport owns it from now on;
    /// `shared` says whether anybody else has the socket object.
    #[pyo3(signature = (sock, protocol, address=None, waiter=None, extra=None, *, shared=true))]
    fn _make_datagram_transport(
        slf: &Bound<'_, Self>,
        sock: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
        address: Option<&Bound<'_, PyAny>>,
        waiter: Option<&Bound<'_, PyAny>>,
        extra: Option<&Bound<'_, PyDict>>,
        shared: bool,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        slf.get().check_open()?;
        let fd: RawFd = sock.call_method0(intern!(py, "fileno"))?.extract()?;
        let known = extra.map_or_else(|| Ok(PyDict::new(py)), |extra| extra.copy())?;
        let public = imports(py)?.transport_socket.bind(py).call1((sock,))?;
        known.set_item("socket", public)?;
        known.set_item("sockname", sock.call_method0("getsockname").ok())?;
        if !known.contains("peername")? {
            known.set_item("peername", sock.call_method0("getpeername").ok())?;
        }
        let connected = known.get_item("peername")?.is_some_and(|peer| !peer.is_none());
        let parts = Parts { fd, file: sock, shared, protocol, waiter, extra: &known };
        let transport = DatagramTransport::create(slf, &parts, address, connected)?;
        Ok(transport.bind(py).to_owned().unbind())
    }
}
