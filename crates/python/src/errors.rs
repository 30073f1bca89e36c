//! Exceptions: which end the run, and how the others reach the loop's handler.

use crate::capi::Obj;
use crate::imports::{Imports, imports};
use nalsil_driver::sys::pipe::END_OF_TERMINAL;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::io;

/// Whether `error` ends the run of a loop instead of reaching its exception handler.
pub fn ends_the_run(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py)
}

/// The exception of an imported class with `text`.
pub fn of_class(py: Python<'_>, class: impl Fn(&Imports) -> &Obj, text: String) -> PyErr {
    let made = imports(py).and_then(|imports| class(imports).bind(py).call1((text,)));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// The `OSError` of a failed system call: the subclass that belongs to its number, as Python
/// itself would raise.
pub fn os_error(error: &io::Error) -> PyErr {
    match error.raw_os_error() {
        Some(number) => {
            // The text of the system, without the number that Rust appends.
            let text = error.to_string();
            let text = text.rsplit_once(" (os error").map_or(text.as_str(), |(text, _)| text);
            PyOSError::new_err((number, text.to_owned()))
        }
        None => PyOSError::new_err(error.to_string()),
    }
}

/// Whether `error` is what reading a terminal raises once the other side is closed.
pub fn is_end_of_terminal(error: &Bound<'_, PyAny>) -> bool {
    let number = error.getattr(crate::capi::intern!(error.py(), "errno"));
    error.is_instance_of::<PyOSError>()
        && number.and_then(|number| number.extract()).is_ok_and(|n: i32| n == END_OF_TERMINAL)
}

/// Gives `error` to the exception handler of `event_loop`, unless it ends the run.
///
/// # Errors
///
/// The error itself if it ends the run, or what the handler lets through.
pub fn report(
    event_loop: &Bound<'_, PyAny>,
    message: &str,
    error: PyErr,
    more: &[(&str, Bound<'_, PyAny>)],
) -> PyResult<()> {
    let py = event_loop.py();
    if ends_the_run(py, &error) {
        return Err(error);
    }
    let context = PyDict::new(py);
    context.set_item("message", message)?;
    context.set_item("exception", error.into_value(py))?;
    for (name, value) in more {
        context.set_item(name, value)?;
    }
    event_loop.call_method1(crate::capi::intern!(py, "call_exception_handler"), (context,))?;
    Ok(())
}
