//! A function whose calls are measured.

use crate::capi;
use nalsil_driver::sys::time::nanoseconds;
use nalsil_report::sampler::{Slot, Watch};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::cell::RefCell;
use std::sync::Arc;

/// The slot of a thread, with the watch that it belongs to.
struct Place(Arc<Watch>, Arc<Slot>);

impl Drop for Place {
    fn drop(&mut self) {
        self.1.end();
    }
}

thread_local! {
    /// Of the watch that measured last.
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// The slot of this thread with `watch`.
pub fn slot(watch: &Arc<Watch>) -> Arc<Slot> {
    PLACE.with_borrow_mut(|place| match place {
        Some(Place(of, slot)) if Arc::ptr_eq(of, watch) => Arc::clone(slot),
        _ => {
            let slot = watch.register();
            *place = Some(Place(Arc::clone(watch), Arc::clone(&slot)));
            slot
        }
    })
}

/// Nanoseconds of the monotonic clock, which begins with the machine.
pub fn now() -> u64 {
    u64::try_from(nanoseconds()).unwrap_or(0)
}

/// Nanoseconds since the moment `began` of that clock.
pub fn since(began: u64) -> u64 {
    now().saturating_sub(began)
}

/// What `Meter.wrap()` returns: each call is one unit.
#[pyclass(frozen, module = "nalsil._nalsil")]
pub struct Unit {
    function: Py<PyAny>,
    watch: Arc<Watch>,
}

impl Unit {
    pub(super) fn new(function: Py<PyAny>, watch: Arc<Watch>) -> Self {
        Unit { function, watch }
    }
}

#[pymethods]
impl Unit {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let slot = slot(&self.watch);
        slot.enter();
        let began = now();
        let result = capi::call_with(
            self.function.bind(args.py()),
            args,
            kwargs.map(|kwargs| kwargs.as_any()),
        );
        slot.leave(since(began));
        result
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<unit of {}>", self.function.bind(py).repr()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)
    }
}
