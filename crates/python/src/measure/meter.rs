//! `Meter`: from the beginning of a measurement to its end.

use super::gil;
use super::unit::{Unit, now, since, slot};
use crate::capi::intern;
use crate::event_loop::EventLoop;
use crate::gate;
use nalsil_report::sampler::{Account, KINDS, Mode, ResidentSet, Seen, Slept, Watch, account};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::sync::{Arc, Mutex, PoisonError};

/// Measures units of work in this process: counts exactly what the kernel counts, and samples
/// where the rest of the time goes, without ever taking the GIL for it. What a thread computes
/// between its units counts as theirs; what it waits for between them does not count.
#[pyclass(frozen, module = "nalsil._nalsil")]
pub struct Meter {
    watch: Arc<Watch>,
    begun: Mutex<Option<Begun>>,
}

/// What was counted when the measurement began.
struct Begun {
    at: u64,
    usage: Usage,
    resident: Option<ResidentSet>,
    /// A loop of ours that runs on this thread, with what it had counted.
    event_loop: Option<(Py<EventLoop>, Slept)>,
}

/// What the kernel counts for this process and the children that it has waited for.
#[derive(Default, Clone, Copy)]
struct Usage {
    /// Seconds on a processor.
    processor: f64,
    voluntary: i64,
    involuntary: i64,
}

impl Usage {
    fn read(py: Python<'_>) -> PyResult<Self> {
        let resource = py.import(intern!(py, "resource"))?;
        let mut usage = Usage::default();
        for who in [intern!(py, "RUSAGE_SELF"), intern!(py, "RUSAGE_CHILDREN")] {
            let read =
                resource.call_method1(intern!(py, "getrusage"), (resource.getattr(who)?,))?;
            let seconds = |name| read.getattr(name)?.extract::<f64>();
            usage.processor +=
                seconds(intern!(py, "ru_utime"))? + seconds(intern!(py, "ru_stime"))?;
            usage.voluntary += read.getattr(intern!(py, "ru_nvcsw"))?.extract::<i64>()?;
            usage.involuntary += read.getattr(intern!(py, "ru_nivcsw"))?.extract::<i64>()?;
        }
        Ok(usage)
    }
}

fn running_loop(py: Python<'_>) -> PyResult<Option<Py<EventLoop>>> {
    let running =
        py.import(intern!(py, "asyncio"))?.call_method0(intern!(py, "_get_running_loop"))?;
    Ok(running.cast_into::<EventLoop>().ok().map(Bound::unbind))
}

fn slept(event_loop: &Bound<'_, EventLoop>) -> PyResult<Slept> {
    let py = event_loop.py();
    let counted = event_loop.call_method0(intern!(py, "statistics"))?;
    let seconds = |name: &str| Ok::<_, PyErr>(counted.get_item(name)?.extract::<f64>()? * 1e-9);
    Ok(Slept {
        until_event: seconds("slept_until_event")?,
        until_timer: seconds("slept_until_timer")?,
        until_inbox: seconds("slept_until_inbox")?,
    })
}

#[pymethods]
impl Meter {
    #[new]
    #[pyo3(signature = (*, mode = "units", rate = 250.0))]
    fn new(mode: &str, rate: f64) -> PyResult<Self> {
        let mode = match mode {
            "units" => Mode::Units,
            "loop" => Mode::Loop,
            "threads" => Mode::Threads,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "`mode` must be \"units\", \"loop\" or \"threads\", not {mode:?}"
                )));
            }
        };
        if !(1.0..=10_000.0).contains(&rate) {
            return Err(PyValueError::new_err("`rate` must be from 1 to 10000 looks per second"));
        }
        Ok(Meter { watch: Arc::new(Watch::new(mode, rate)), begun: Mutex::default() })
    }

    /// wrap($self, function)
    /// --
    ///
    /// A callable that runs `function`; each call is one unit, on the thread that calls.
    fn wrap(&self, function: Bound<'_, PyAny>) -> PyResult<Unit> {
        if !function.is_callable() {
            return Err(PyTypeError::new_err("`function` must be callable"));
        }
        Ok(Unit::new(function.unbind(), Arc::clone(&self.watch)))
    }

    /// enter($self)
    /// --
    ///
    /// A unit begins that does not keep its thread: a coroutine's. Give the result to leave().
    fn enter(&self) -> u64 {
        now()
    }

    /// leave($self, began)
    /// --
    ///
    /// The unit that `began` then has ended.
    fn leave(&self, began: u64) {
        slot(&self.watch).record(since(began));
    }

    /// start($self)
    /// --
    ///
    /// Forget what was counted, and begin. In mode "loop" call it on the thread of the loop, while
    /// that runs. Raises RuntimeError if the measurement has begun already.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let gil = gil::place(py);
        let event_loop = match self.watch.mode() {
            Mode::Loop => running_loop(py)?,
            _ => None,
        };
        let event_loop = event_loop
            .map(|running| Ok::<_, PyErr>((running.clone_ref(py), slept(running.bind(py))?)))
            .transpose()?;
        ResidentSet::forget_peak();
        let resident = ResidentSet::read();
        let usage = Usage::read(py)?;
        self.watch.begin(gil).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                PyRuntimeError::new_err("the meter has started; hint: stop() it first")
            }
            _ => crate::errors::os_error(&error),
        })?;
        let begun = Begun { at: now(), usage, resident, event_loop };
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
        Ok(())
    }

    /// stop($self)
    /// --
    ///
    /// End the measurement, and return what was measured, by name. Raises RuntimeError if it has
    /// not begun, or began before this process was forked.
    fn stop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let at = now();
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        let not_begun = || {
            PyRuntimeError::new_err(
                "the meter has not started in this process; hint: start() it first",
            )
        };
        let begun = begun.ok_or_else(not_begun)?;
        let seen = gate::detached(py, || self.watch.end()).ok_or_else(not_begun)?;
        let usage = Usage::read(py)?;
        let elapsed = at.saturating_sub(begun.at) as f64 * 1e-9;
        let slept = match &begun.event_loop {
            Some((running, before)) => {
                let after = slept(running.bind(py))?;
                Some(Slept {
                    until_event: after.until_event - before.until_event,
                    until_timer: after.until_timer - before.until_timer,
                    until_inbox: after.until_inbox - before.until_inbox,
                })
            }
            None => None,
        };
        let account = account(self.watch.mode(), &seen, elapsed, slept);
        let reading = PyDict::new(py);
        reading.set_item("elapsed_s", elapsed)?;
        tell_units(&reading, &seen)?;
        tell_shares(&reading, self.watch.mode(), &account, &seen)?;
        tell_process(&reading, &begun, usage, &seen)?;
        Ok(reading)
    }
}

fn tell_units(reading: &Bound<'_, PyDict>, seen: &Seen) -> PyResult<()> {
    let nanoseconds: u64 = seen.latencies.iter().sum();
    let bytes: Vec<u8> = seen.latencies.iter().flat_map(|unit| unit.to_ne_bytes()).collect();
    reading.set_item("units", seen.latencies.len())?;
    reading.set_item("unit_s", nanoseconds as f64 * 1e-9)?;
    reading.set_item("latencies", PyBytes::new(reading.py(), &bytes))
}

fn tell_shares(
    reading: &Bound<'_, PyDict>,
    mode: Mode,
    account: &Account,
    seen: &Seen,
) -> PyResult<()> {
    let seconds = PyDict::new(reading.py());
    for (kind, value) in KINDS.iter().zip(account.seconds) {
        seconds.set_item(kind, value)?;
    }
    reading.set_item("seconds", seconds)?;
    reading.set_item("unknown", account.unknown.clone())?;
    reading.set_item("held_waiting_s", account.held_waiting)?;
    reading.set_item("blocking_s", (mode == Mode::Loop).then_some(account.blocking))?;
    let gil_share = seen.gil_held.filter(|_| seen.observed > 0.0).map(|held| held / seen.observed);
    reading.set_item("gil_share", gil_share)
}

fn tell_process(
    reading: &Bound<'_, PyDict>,
    begun: &Begun,
    usage: Usage,
    seen: &Seen,
) -> PyResult<()> {
    let own = seen.own.on as f64 * 1e-9;
    let processor = (usage.processor - begun.usage.processor - own).max(0.0);
    reading.set_item("cpu_s", processor)?;
    reading.set_item("sampler_cpu_s", own)?;
    reading.set_item("ticks", seen.looks)?;
    let switches = PyDict::new(reading.py());
    // Every look of the sampler ends a sleep of its own.
    let voluntary = usage.voluntary - begun.usage.voluntary - seen.looks as i64;
    switches.set_item("voluntary", voluntary.max(0))?;
    switches.set_item("involuntary", usage.involuntary - begun.usage.involuntary)?;
    reading.set_item("switches", switches)?;
    reading.set_item("threads", seen.threads)?;
    let (before, after) = (begun.resident, ResidentSet::read());
    reading.set_item("start_rss_bytes", before.map(|set| set.now))?;
    reading.set_item("peak_rss_bytes", after.map(|set| set.peak))
}
