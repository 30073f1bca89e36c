//! The measuring of work in this process: units of it, and where their time goes.

mod gil;
mod meter;
mod unit;

pub use meter::Meter;
pub use unit::Unit;

use crate::gate;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::time::Duration;

/// effective_cores(seconds)
/// --
///
/// How many cores' worth of work this process gets if it asks for all that it may use, measured
/// for about `seconds`.
#[pyfunction]
pub fn effective_cores(py: Python<'_>, seconds: f64) -> PyResult<f64> {
    let budget = Duration::try_from_secs_f64(seconds)
        .map_err(|_| PyValueError::new_err("`seconds` must be a number from 0 on"))?;
    Ok(gate::detached(py, || nalsil_report::sampler::effective_cores(budget)))
}
