//! The ends of pipes, and what can be read and written like them: terminals, other character
//! devices, and sockets.

mod read;
mod write;

pub use read::ReadPipeTransport;
pub use write::WritePipeTransport;

use super::endpoint::{Endpoint, Parts};
use crate::capi::intern;
use crate::capi::{Attribute, Instance, Obj};
use crate::errors::os_error;
use crate::event_loop::EventLoop;
use nalsil_driver::sys::pipe::{self, Kind};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::os::fd::RawFd;

/// The end of a pipe, as it was passed in.
struct Opened<'py> {
    fd: RawFd,
    kind: Kind,
    extra: Bound<'py, PyDict>,
}

/// Looks at a pipe and puts it into non-blocking mode. `refusal` is said of what is none.
fn open<'py>(
    event_loop: &Bound<'py, EventLoop>,
    pipe: &Bound<'py, PyAny>,
    extra: Option<&Bound<'py, PyDict>>,
    refusal: &'static str,
) -> PyResult<Opened<'py>> {
    let py = pipe.py();
    event_loop.get().check_open()?;
    let fd = pipe.call_method0(intern!(py, "fileno"))?.extract()?;
    let kind = pipe::kind(fd).map_err(|error| os_error(&error))?;
    if kind == Kind::Other {
        return Err(PyValueError::new_err(refusal));
    }
    pipe::set_nonblocking(fd).map_err(|error| os_error(&error))?;
    let extra = extra.map_or_else(|| Ok(PyDict::new(py)), |extra| extra.copy())?;
    extra.set_item("pipe", pipe)?;
    Ok(Opened { fd, kind, extra })
}

/// The attribute `_pipe`, which asyncio's transports have: the pipe, or None when it is closed. It
/// can be set to None, which leaves the pipe open and to whoever has it.
struct Pipe<B>(PhantomData<fn() -> B>);

impl<B: Endpoint> Attribute for Pipe<B> {
    type Of = B;
    const NAME: &'static CStr = c"_pipe";

    fn get(this: &B, py: Python<'_>) -> PyResult<Obj> {
        Ok(this.base().file(py).map_or_else(|| Obj::none(py), Obj::from))
    }

    fn set(this: &B, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if !value.is_none() {
            return Err(PyTypeError::new_err("_pipe can only be set to None"));
        }
        this.base().disown(value.py());
        Ok(())
    }
}

#[pymethods]
impl EventLoop {
    /// Make a transport of the reading end of a pipe. The transport owns it from now on.
    #[pyo3(signature = (pipe, protocol, waiter=None, extra=None))]
    fn _make_read_pipe_transport(
        slf: &Bound<'_, Self>,
        pipe: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
        waiter: Option<&Bound<'_, PyAny>>,
        extra: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let refusal = "Pipe transport is for pipes/sockets only.";
        let Opened { fd, extra, .. } = open(slf, pipe, extra, refusal)?;
        let parts = Parts { fd, file: pipe, shared: true, protocol, waiter, extra: &extra };
        let transport = Instance::create(slf, &parts, ReadPipeTransport::new)?;
        Ok(transport.bind(slf.py()).to_owned().unbind())
    }

    /// Make a transport of the writing end of a pipe. The transport owns it from now on.
    #[pyo3(signature = (pipe, protocol, waiter=None, extra=None))]
    fn _make_write_pipe_transport(
        slf: &Bound<'_, Self>,
        pipe: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
        waiter: Option<&Bound<'_, PyAny>>,
        extra: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let refusal = "Pipe transport is only for pipes, sockets and character devices";
        let Opened { fd, kind, extra } = open(slf, pipe, extra, refusal)?;
        let parts = Parts { fd, file: pipe, shared: true, protocol, waiter, extra: &extra };
        // A character device has no reader who could leave.
        let has_reader = kind != Kind::CharacterDevice;
        let make = |base| WritePipeTransport::new(base, has_reader);
        let transport = Instance::create(slf, &parts, make)?;
        Ok(transport.bind(slf.py()).to_owned().unbind())
    }
}
