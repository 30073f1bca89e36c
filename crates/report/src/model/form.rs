//! One row: a form of the work at one concurrency.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Count;

/// A form of the work at one concurrency, and what was measured of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Form {
    /// `plain`, `coroutines`, `threads`, `processes`, `interpreters`, `asyncio`, `stock threads`,
    /// or the name that the user gave to an executor.
    pub form: String,
    /// The function that ran.
    pub function: Option<String>,
    /// Units of work in flight at a time.
    pub concurrency: Count,
    /// Whether the numbers were measured; otherwise they are predicted or missing.
    pub measured: bool,
    /// Rounds that were measured.
    pub rounds: Count,
    /// Seconds for all items, over the rounds.
    pub elapsed_s: Option<Interval>,
    /// Items per second, the median of the rounds.
    pub throughput_per_s: Option<f64>,
    /// Seconds that one item took.
    pub latency_s: Option<Latency>,
    /// Processor seconds of the whole process tree, for all items.
    pub cpu_s: Option<f64>,
    /// Where the time went.
    pub shares: Option<Shares>,
    /// Share of the time in which somebody held the GIL.
    pub gil_share: Option<f64>,
    /// Context switches per item.
    pub switches_per_unit: Option<Switches>,
    /// Threads, at the peak.
    pub threads: Count,
    /// Memory of the process tree at the peak, in bytes.
    pub peak_rss_bytes: Count,
    /// Memory that each unit in flight added, in bytes.
    pub bytes_per_unit: Option<f64>,
    /// What the work raised.
    pub errors: Vec<Fault>,
    /// What became of the row.
    pub status: Option<Status>,
    /// One line about the row.
    pub note: Option<String>,
    /// Units that one round ran.
    pub units_per_round: Count,
    /// Seconds to start the pool or the workers; not part of `elapsed_s`.
    pub start_s: Option<f64>,
    /// Share of a unit's time off the processor with the GIL held.
    pub held_waiting: Option<f64>,
    /// Share of a loop's time in which its thread waited anywhere but in the loop.
    pub blocking: Option<f64>,
    /// Between which times the truth of a predicted row is expected.
    pub band: Option<Band>,
    /// Whether this is the concurrency that speaks for its form.
    pub best: Option<bool>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Form {
    /// What became of the row; if it does not say, what its numbers and errors tell.
    pub fn state(&self) -> Status {
        match &self.status {
            Some(status) => status.clone(),
            None if self.band.is_some() => Status::Predicted,
            None if !self.errors.is_empty() => Status::Failed,
            None if self.measured => Status::Ok,
            None => Status::Skipped,
        }
    }

    /// Seconds for all items, if all three numbers are there and make sense: finite, not
    /// negative, in order.
    pub fn elapsed(&self) -> Option<(f64, f64, f64)> {
        let elapsed = self.elapsed_s.as_ref()?;
        let (low, median, high) = (elapsed.low?, elapsed.median?, elapsed.high?);
        let ordered = 0.0 <= low && low <= median && median <= high && high.is_finite();
        (ordered && median > 0.0).then_some((low, median, high))
    }
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Measured, without an error and with the results of the other forms.
    Ok,
    /// The work raised, or the form could not run it.
    Failed,
    /// The results are not those of the other forms.
    Differs,
    /// It took longer than the user's limit.
    #[serde(rename = "timed out")]
    TimedOut,
    /// It was not tried.
    Skipped,
    /// Not measured: derived from other rows.
    Predicted,
    /// A word that this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl Status {
    /// The word in the JSON.
    pub fn as_str(&self) -> &str {
        match self {
            Status::Ok => "ok",
            Status::Failed => "failed",
            Status::Differs => "differs",
            Status::TimedOut => "timed out",
            Status::Skipped => "skipped",
            Status::Predicted => "predicted",
            Status::Other(word) => word,
        }
    }
}

/// Seconds: a median and the interval around it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interval {
    /// The median.
    pub median: Option<f64>,
    /// The lower end of the median's interval.
    pub low: Option<f64>,
    /// The upper end of the median's interval.
    pub high: Option<f64>,
}

/// Seconds that one item took: the middle one, and the one that 99 of 100 stay under.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// The median.
    pub p50: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
}

/// Seconds between which a prediction expects the truth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Band {
    /// The lower end.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

/// Where the time of a unit went; in rows of coroutines, the time of the loop's thread. Each is a
/// share of 1, `None` where the kernel or the interpreter does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shares {
    /// On a processor, with the GIL.
    pub cpu_python: Option<f64>,
    /// On a processor, without the GIL.
    pub cpu_native: Option<f64>,
    /// Waiting for a socket or a pipe; for a loop also: nothing to do.
    pub wait_network: Option<f64>,
    /// Waiting for a disk.
    pub wait_disk: Option<f64>,
    /// Asleep for a time.
    pub wait_sleep: Option<f64>,
    /// Waiting for another process.
    pub wait_child: Option<f64>,
    /// Waiting for a lock.
    pub wait_lock: Option<f64>,
    /// Waiting for the GIL.
    pub wait_gil: Option<f64>,
    /// Ready to run, without a processor.
    pub run_queue: Option<f64>,
}

/// Context switches per item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Switches {
    /// The thread had to wait.
    pub voluntary: Option<f64>,
    /// The thread was put aside.
    pub involuntary: Option<f64>,
}

/// An error that the work raised, and how often.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fault {
    /// The type of the exception.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its text.
    pub message: Option<String>,
    /// The line: `work.py:12`.
    #[serde(rename = "where")]
    pub place: Option<String>,
    /// How often.
    pub count: Count,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}
