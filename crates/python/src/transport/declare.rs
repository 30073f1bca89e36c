//! The declaration of a class's methods, a line each.

use crate::capi::{Call, Obj};
use pyo3::prelude::*;
use pyo3::types::PyBool;

/// Declares methods that take exactly so many positional arguments.
macro_rules! methods {
    ($($(#[doc = $doc:literal])+ fn $kind:ident = $name:literal ($body:ident, $call:ident $(, $arg:ident)*) $run:block)+) => {
        $(
            struct $kind;

            impl Method for $kind {
                type This = Body;
                const NAME: &'static CStr = c_text!($name);
                const DOC: &'static CStr = c_text!($($doc, "\n"),+);

                #[inline]
                fn call($body: &Body, $call: &Call<'_, '_>) -> PyResult<Obj> {
                    let [$($arg),*] = $call.exactly($name)?;
                    $run
                }
            }
        )+

        fn plain_methods() -> Vec<MethodDef> {
            vec![$(method::<$kind>()),+]
        }
    };
}

macro_rules! c_text {
    ($($part:literal),+) => {
        match CStr::from_bytes_with_nul(concat!($($part,)+ "\0").as_bytes()) {
            Ok(text) => text,
            Err(_) => panic!("a name or docstring has no zero byte"),
        }
    };
}

/// A boolean of Python, as a method returns it.
///
/// # Errors
///
/// None.
pub fn boolean(py: Python<'_>, value: bool) -> PyResult<Obj> {
    Ok(Obj::from(PyBool::new(py, value).to_owned().into_any()))
}

/// `None`, as a method returns it.
///
/// # Errors
///
/// None.
pub fn none(call: &Call<'_, '_>) -> PyResult<Obj> {
    Ok(Obj::none(call.py()))
}
