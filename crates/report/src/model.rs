//! The report of a comparison, version 1 of its JSON.
//!
//! Numbers that were not measured are `null`. Fields that this version does not know are kept and
//! written again (`more`), so that a newer writer and an older reader go together.

mod form;
mod number;
mod verdict;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use form::{Band, Fault, Form, Interval, Latency, Shares, Status, Switches};
pub use number::Count;
pub use verdict::{Confidence, Verdict};

use crate::Error;

/// The version of the JSON that is read and written.
pub(crate) const SCHEMA: u64 = 1;

/// A comparison: what ran where, what was measured, and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this format: 1.
    pub schema: u64,
    /// What was compared.
    #[serde(default)]
    pub work: Work,
    /// The machine it ran on.
    #[serde(default)]
    pub machine: Machine,
    /// The interpreter it ran in.
    #[serde(default)]
    pub python: Python,
    /// What the sampler of waits could see, and what it cost.
    #[serde(default)]
    pub sampler: Option<Sampler>,
    /// One row for each form at each concurrency, in the order of measuring.
    pub forms: Vec<Form>,
    /// What follows; `None` until the report is judged.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The work that was compared, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Work {
    /// What the user named: `work.py:fetch,afetch`.
    pub target: String,
    /// The functions of it.
    pub functions: Vec<Function>,
    /// How many units of work one measurement stands for.
    pub items: Count,
    /// Where the items came from: `range` or a name of the user's file.
    pub items_source: Option<String>,
    /// Whether the functions take an item.
    pub takes_item: Option<bool>,
    /// Rounds that were asked for.
    pub rounds: Count,
    /// Seconds that the whole comparison could take.
    pub budget_s: Option<f64>,
    /// Seconds that it took.
    pub took_s: Option<f64>,
    /// Whether the user stopped it early.
    pub interrupted: Option<bool>,
    /// What the user should know, a line each.
    pub warnings: Vec<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// One function that was compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Function {
    /// Its name in the user's file.
    pub name: String,
    /// Whether it is an `async def`.
    #[serde(rename = "async")]
    pub is_async: bool,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Processors that the process may use.
    pub cpus: Count,
    /// Processors' worth of time that could really be had, in the middle of several looks.
    pub effective_cores: Option<f64>,
    /// The least of these looks.
    pub effective_cores_low: Option<f64>,
    /// Bytes of memory.
    pub memory_bytes: Count,
    /// The system, its version and the architecture.
    pub system: Option<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The interpreter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Python {
    /// Its version: `3.13.0`.
    pub version: String,
    /// Its name: `CPython`.
    pub implementation: Option<String>,
    /// Whether it runs without the GIL.
    pub free_threaded: Option<bool>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The sampler that tells what threads wait for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampler {
    /// Looks per second.
    pub rate_hz: Option<f64>,
    /// Its own processor time, as a share of the time of the work.
    pub cost_share: Option<f64>,
    /// The shares that this kernel or interpreter does not tell.
    pub unknown: Vec<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Reads a report.
///
/// # Errors
///
/// [`Error::Malformed`] if the text is no report, [`Error::Schema`] if it is one of another
/// version.
pub fn parse(json: &str) -> Result<Report, Error> {
    let report: Report = serde_json::from_str(json)?;
    if report.schema == SCHEMA { Ok(report) } else { Err(Error::Schema(report.schema)) }
}

/// Writes a report: indented, the fields always in the same order. A number that JSON cannot hold
/// (an infinity) is written as `null`.
pub fn to_json(report: &Report) -> String {
    // Only a map whose keys are not strings could fail, and there is none.
    serde_json::to_string_pretty(report).unwrap_or_default()
}

#[cfg(test)]
mod tests;
