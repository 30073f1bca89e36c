//! Verdicts, tables and pages, from the text of a report to text.

use nalsil_report::{Report, Text};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

fn parsed(report: &str) -> PyResult<Report> {
    nalsil_report::parse(report).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// judge(report)
/// --
///
/// The report, JSON of version 1, with its verdict. Raises ValueError if it is no such report.
#[pyfunction]
pub fn judge(py: Python<'_>, report: &str) -> PyResult<String> {
    let mut report = parsed(report)?;
    crate::gate::detached(py, || nalsil_report::judge(&mut report));
    Ok(nalsil_report::to_json(&report))
}

/// render(report, format, *, color=False, width=100)
/// --
///
/// The report as people read it: "text" of at most `width` columns, with the colours of a terminal
/// if `color` is true, "markdown", or "html". Raises ValueError if it is no report or no such
/// format.
#[pyfunction]
#[pyo3(signature = (report, format, *, color = false, width = 100))]
pub fn render(report: &str, format: &str, color: bool, width: usize) -> PyResult<String> {
    let report = parsed(report)?;
    match format {
        "text" => Ok(nalsil_report::text(&report, Text { color, width })),
        "markdown" => Ok(nalsil_report::markdown(&report)),
        "html" => Ok(nalsil_report::html(&report)),
        _ => Err(PyValueError::new_err(format!(
            "`format` must be \"text\", \"markdown\" or \"html\", not {format:?}"
        ))),
    }
}
