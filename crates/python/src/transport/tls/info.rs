//! What is known of a TLS connection.

use super::{State, TlsTransport};
use crate::capi::intern;
use crate::capi::{BodyOf, Call, Method, Obj};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::ffi::CStr;

pub struct GetExtraInfo;

impl Method for GetExtraInfo {
    type This = BodyOf<TlsTransport>;
    const NAME: &'static CStr = c"get_extra_info";
    const DOC: &'static CStr = c"get_extra_info($self, name, default=None)\n--\n\n\
        Return what is known of the connection: 'sslcontext'; after the handshake 'ssl_object', \
        'peercert', 'cipher' and 'compression'; and what the transport below knows.";

    fn call(body: &BodyOf<TlsTransport>, call: &Call<'_, '_>) -> PyResult<Obj> {
        let py = call.py();
        let [name, default] = call.optional("get_extra_info", ["name", "default"])?;
        let Some(name) = name else {
            return Err(PyTypeError::new_err("get_extra_info() missing required argument: 'name'"));
        };
        if let Some(extra) = body.extra.get(py)
            && let Ok(value) = extra.get_item(name)
        {
            return Ok(Obj::from(value));
        }
        if let Ok(text) = name.cast::<PyString>()
            && let Some(value) = body.known(py, text.to_str()?)?
        {
            return Ok(value);
        }
        let default = default.map_or_else(|| py.None().into_bound(py), |given| given.to_owned());
        match body.lower.get(py) {
            Some(lower) => {
                let get = intern!(py, "get_extra_info");
                Ok(Obj::from(lower.call_method1(get, (name, default))?))
            }
            None => Ok(Obj::from(default)),
        }
    }
}

impl TlsTransport {
    /// What TLS itself knows under `name`.
    fn known(&self, py: Python<'_>, name: &str) -> PyResult<Option<Obj>> {
        if name == "sslcontext" {
            return Ok(Some(self.context.get_or_none(py).into()));
        }
        if !self.established.get() {
            return Ok(None);
        }
        let object = self.engine.object(py);
        // Asked for when somebody wants it: a certificate takes long to decode.
        let value = match name {
            "ssl_object" => object,
            "peercert" => object.call_method0(intern!(py, "getpeercert"))?,
            "cipher" => object.call_method0(intern!(py, "cipher"))?,
            "compression" => object.call_method0(intern!(py, "compression"))?,
            _ => return Ok(None),
        };
        Ok(Some(value.into()))
    }

    /// The state in a word, for `repr`.
    pub(super) fn state_name(&self) -> &'static str {
        match self.state.get() {
            State::New | State::Handshake => "connecting",
            State::Open => "open",
            State::Flushing | State::Shutdown => "closing",
            State::Closed => "closed",
        }
    }
}
