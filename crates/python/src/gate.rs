//! The only place where a thread lets go of the interpreter and takes hold of it again.

use pyo3::marker::Ungil;
use pyo3::prelude::*;

/// Runs `body` without the interpreter, so that other Python threads run meanwhile.
#[expect(clippy::disallowed_methods, reason = "this is the gate")]
pub fn detached<R: Ungil>(py: Python<'_>, body: impl FnOnce() -> R + Ungil) -> R {
    py.detach(body)
}

/// Runs `body` with the interpreter, on a thread that was not made by Python.
#[expect(clippy::disallowed_methods, reason = "this is the gate")]
pub fn attached<R>(body: impl FnOnce(Python<'_>) -> R) -> R {
    Python::attach(body)
}
