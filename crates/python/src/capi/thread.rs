//! Which thread this is.

use pyo3::ffi;

/// The number of the running thread, as `threading.get_ident()` gives it. Never zero.
#[inline]
pub fn thread_ident() -> u64 {
    // SAFETY: reads the number of the running thread; needs no interpreter.
    #[expect(clippy::useless_conversion, reason = "the type differs between systems")]
    u64::from(unsafe { ffi::PyThread_get_thread_ident() })
}
