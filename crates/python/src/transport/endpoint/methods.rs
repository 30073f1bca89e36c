//! The methods that all these transports have.

use super::super::declare::{boolean, none};
use super::super::flow_control::set_limits;
use super::super::stream::HIGH_WATER;
use super::Endpoint;
use crate::capi::{BodyOf, Call, Getter, Instance, Method, MethodDef, Obj, getter, method};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use std::ffi::CStr;
use std::marker::PhantomData;

fn this<B: Endpoint>(call: &Call<'_, '_>) -> Instance<B> {
    call.instance()
}

macro_rules! endpoint_methods {
    ($(#[doc = $about:literal])+ $list:ident; $($(#[doc = $doc:literal])+ fn $kind:ident = $name:literal ($body:ident, $call:ident $(, $arg:ident)*) $run:block)+) => {
        $(
            struct $kind<B>(PhantomData<fn() -> B>);

            impl<B: Endpoint> Method for $kind<B> {
                type This = BodyOf<B>;
                const NAME: &'static CStr = c_text!($name);
                const DOC: &'static CStr = c_text!($($doc, "\n"),+);

                fn call($body: &BodyOf<B>, $call: &Call<'_, '_>) -> PyResult<Obj> {
                    let [$($arg),*] = $call.exactly($name)?;
                    $run
                }
            }
        )+

        $(#[doc = $about])+
        pub fn $list<B: Endpoint>() -> Vec<MethodDef> {
            vec![$(method::<$kind<B>>()),+]
        }
    };
}

endpoint_methods! {
    /// What every transport can be told and asked, for the class of `B`.
    plain_methods;

    /// Stop reading, send what is queued, then close.
    fn Close = "close" (_body, call) {
        B::close(&this::<B>(call), call.py())?;
        none(call)
    }

    /// Return True if the transport is closed or closing.
    fn IsClosing = "is_closing" (body, call) {
        boolean(call.py(), body.base().is_closing())
    }

    /// Return the protocol.
    fn GetProtocol = "get_protocol" (body, call) {
        Ok(body.base().protocol(call.py()).into())
    }

    /// Give the transport to another protocol.
    fn SetProtocol = "set_protocol" (body, call, protocol) {
        body.base().protocol.set(protocol);
        none(call)
    }
}

endpoint_methods! {
    /// What a transport that is written to can be told and asked besides, but for its limits.
    plain_writing_methods;

    /// Close now; what is queued is lost.
    fn Abort = "abort" (_body, call) {
        this::<B>(call).force_close(call.py(), None)?;
        none(call)
    }

    /// Return how many bytes are queued, as flow control counts them.
    fn GetWriteBufferSize = "get_write_buffer_size" (body, call) {
        Ok(Obj::from(body.queued().into_pyobject(call.py())?))
    }

    /// Return the limits (low, high) of flow control, in bytes.
    fn GetWriteBufferLimits = "get_write_buffer_limits" (body, call) {
        let flow = &body.base().flow;
        Ok(Obj::from((flow.low.get(), flow.high.get()).into_pyobject(call.py())?))
    }
}

struct SetWriteBufferLimits<B>(PhantomData<fn() -> B>);

impl<B: Endpoint> Method for SetWriteBufferLimits<B> {
    type This = BodyOf<B>;
    const NAME: &'static CStr = c"set_write_buffer_limits";
    const DOC: &'static CStr = c"set_write_buffer_limits($self, high=None, low=None)\n--\n\n\
        Set the sizes, in bytes, above which the protocol is paused and at which it goes on.";

    fn call(body: &BodyOf<B>, call: &Call<'_, '_>) -> PyResult<Obj> {
        let flow = &body.base().flow;
        set_limits(call, "set_write_buffer_limits", HIGH_WATER, (&flow.high, &flow.low))?;
        this::<B>(call).maybe_pause_protocol(call.py())?;
        none(call)
    }
}

struct GetExtraInfo<B>(PhantomData<fn() -> B>);

impl<B: Endpoint> Method for GetExtraInfo<B> {
    type This = BodyOf<B>;
    const NAME: &'static CStr = c"get_extra_info";
    const DOC: &'static CStr = c"get_extra_info($self, name, default=None)\n--\n\n\
        Return what is known of the transport: 'pipe', or 'socket', 'sockname' and 'peername'.";

    fn call(body: &BodyOf<B>, call: &Call<'_, '_>) -> PyResult<Obj> {
        let py = call.py();
        let [name, default] = call.optional("get_extra_info", ["name", "default"])?;
        let Some(name) = name else {
            return Err(PyTypeError::new_err("get_extra_info() missing required argument: 'name'"));
        };
        let default = default.map_or_else(|| Obj::none(py), Obj::from);
        let Some(extra) = body.base().extra.get(py) else { return Ok(default) };
        Ok(extra.get_item(name).map_or(default, Obj::from))
    }
}

/// The methods that all these transports have, for the class of `B`.
pub fn methods<B: Endpoint>() -> Vec<MethodDef> {
    let mut methods = plain_methods::<B>();
    methods.push(method::<GetExtraInfo<B>>());
    methods
}

/// The methods of those that are written to, for the class of `B`.
pub fn writing_methods<B: Endpoint>() -> Vec<MethodDef> {
    let mut methods = methods::<B>();
    methods.extend(plain_writing_methods::<B>());
    methods.push(method::<SetWriteBufferLimits<B>>());
    methods
}

/// The attributes, for the class of `B`.
pub fn getters<B: Endpoint>() -> Vec<Getter> {
    vec![
        getter::<B>(c"_loop", |b, py| Ok(b.base().event_loop.get_or_none(py).into())),
        getter::<B>(c"_protocol", |b, py| Ok(b.base().protocol(py).into())),
        // Programs store things there.
        getter::<B>(c"_extra", |b, py| Ok(b.base().extra.get_or_none(py).into())),
    ]
}
