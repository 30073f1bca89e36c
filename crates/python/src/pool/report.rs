//! What a pool tells of itself.

use super::worker::Running;
use super::{Shared, ThreadPool, Work, now};
use crate::capi::function_name;
use nalsil_observe::{FunctionBatch, Histogram};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Waker;

fn histogram<'py>(py: Python<'py>, histogram: &Histogram) -> PyResult<Bound<'py, PyDict>> {
    let told = PyDict::new(py);
    told.set_item("count", histogram.count())?;
    told.set_item("mean", histogram.mean())?;
    told.set_item("p50", histogram.quantile(0.5))?;
    told.set_item("p99", histogram.quantile(0.99))?;
    told.set_item("max", histogram.max())?;
    Ok(told)
}

/// What was counted, by name.
pub fn statistics<'py>(py: Python<'py>, shared: &Shared) -> PyResult<Bound<'py, PyDict>> {
    let counts = shared.pool.counts();
    let told = PyDict::new(py);
    for (name, value) in [
        ("workers", counts.workers),
        ("idle", counts.idle),
        ("blocked", counts.blocked),
        ("max_workers", shared.pool.limits().max_workers as u64),
        ("queued", counts.queued),
        ("running", counts.running),
        ("overflow", counts.overflow),
        ("submitted", counts.submitted),
        ("completed", counts.completed),
        ("failed", counts.failed),
        ("cancelled", counts.cancelled),
        ("abandoned", counts.abandoned),
        ("threads_started", counts.threads_started),
        ("threads_retired", counts.threads_ended),
        ("saturated", counts.saturated),
    ] {
        told.set_item(name, value)?;
    }
    for (name, times) in [
        ("queue_wait", &counts.queue_wait),
        ("gil_wait", &counts.gil_wait),
        ("run", &counts.run),
        ("wake", &counts.wake),
    ] {
        told.set_item(name, histogram(py, times)?)?;
    }
    // Functions of one name are told as one.
    let mut by_name: BTreeMap<String, FunctionBatch> = BTreeMap::new();
    for (key, function) in &counts.functions {
        let name = shared.functions.with(py, |known| known.get(key).map(|k| k.name.clone()));
        let name = name.unwrap_or_else(|| "(others)".to_owned());
        by_name.entry(name).or_default().merge(function);
    }
    let functions = PyDict::new(py);
    for (name, function) in by_name {
        let one = PyDict::new(py);
        one.set_item("count", function.run.count())?;
        one.set_item("failed", function.failed)?;
        one.set_item("queue_wait", histogram(py, &function.queue_wait)?)?;
        one.set_item("run", histogram(py, &function.run)?)?;
        functions.set_item(name, one)?;
    }
    told.set_item("functions", functions)?;
    Ok(told)
}

/// Ends the pool of an executor that is being freed.
pub fn close_dropped(shared: &Arc<Shared>) {
    let (wake, _) = shared.pool.close();
    wake.into_iter().for_each(Waker::wake);
}

/// A running job: thread, name of the function, seconds so far, whether nobody waits for it.
pub type Job = (u64, String, f64, bool);

/// What the workers run.
///
/// # Errors
///
/// What a future raises when it is asked.
pub fn running(py: Python<'_>, shared: &Shared) -> PyResult<Vec<Job>> {
    let slots = shared.slots.with(py, |slots| slots.clone());
    let mut jobs = Vec::new();
    for slot in slots {
        let first = slot.running(py, |running| {
            let Running { work, callable, since } = running.first()?;
            let hop = match work {
                Work::Hop(hop) => Some(Arc::clone(hop)),
                Work::Future(_) => None,
            };
            Some((callable.clone_ref(py), *since, hop))
        });
        let Some((callable, since, hop)) = first else { continue };
        let (_, function) = crate::capi::function_key(&callable.bind(py));
        let abandoned = match hop {
            Some(hop) => hop.is_abandoned(py)?,
            None => false,
        };
        let seconds = now().saturating_sub(since) as f64 * 1e-9;
        let thread = slot.thread.load(Ordering::Relaxed);
        jobs.push((thread, function_name(&function).0, seconds, abandoned));
    }
    Ok(jobs)
}

#[pymethods]
impl ThreadPool {
    /// See `running()`.
    fn _running(slf: &Bound<'_, Self>) -> PyResult<Vec<Job>> {
        running(slf.py(), &*slf.get().shared(slf.py())?)
    }
}

/// What tells of a pool without keeping it.
#[pyclass(frozen, module = "nalsil._nalsil")]
pub struct PoolView(Weak<Shared>);

impl PoolView {
    /// A view of this pool.
    pub fn of(shared: &Arc<Shared>) -> Self {
        PoolView(Arc::downgrade(shared))
    }
}

#[pymethods]
impl PoolView {
    /// The running jobs: (thread, name of the function, seconds so far, abandoned).
    fn running(&self, py: Python<'_>) -> PyResult<Vec<Job>> {
        self.0.upgrade().map_or_else(|| Ok(Vec::new()), |shared| running(py, &shared))
    }

    /// How many jobs wait, and how many workers have not ended.
    fn unfinished(&self) -> u64 {
        self.0.upgrade().map_or(0, |shared| {
            let counts = shared.pool.counts();
            counts.queued + counts.workers
        })
    }
}
