//! Which thread this is.

use pyo3::ffi;
use pyo3::prelude::*;

/// The number of the running thread, as `threading.get_ident()` gives it. Never zero.
#[inline]
pub fn thread_ident() -> u64 {
    // SAFETY: reads the number of the running thread; needs no interpreter.
    #[expect(clippy::useless_conversion, reason = "the type differs between systems")]
    u64::from(unsafe { ffi::PyThread_get_thread_ident() })
}

/// Where the interpreter keeps the state of the running thread.
pub fn thread_state(_py: Python<'_>) -> u64 {
    // SAFETY: attached, so there is a state. It is only compared with, never followed.
    unsafe { ffi::PyThreadState_Get() as u64 }
}
