//! `nalsil.Future`: a `concurrent.futures.Future` whose state is native.
//!
//! The standard library reaches into a future: it takes `_condition`, reads `_state`, appends to
//! `_waiters`. Most futures are never looked at that way, so the condition is made when somebody
//! asks for it. From then on every change of state holds it, as the standard library expects;
//! before, nobody can tell.

mod face;

use super::Shared;
use super::wait::{self, ThreadParker, Waited};
use super::worker;
use crate::capi::intern;
use crate::capi::{Call, Callback, Instance, Obj, call_method, run_in};
use crate::event_loop::OwnerCell;
use crate::imports::imports;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

/// Where a future stands, by the standard library's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not begun.
    Pending,
    /// Begun.
    Running,
    /// Cancelled, but those who wait with `wait()` were not told.
    Cancelled,
    /// Cancelled.
    CancelledAndNotified,
    /// Has a result or an exception.
    Finished,
}

const STAGES: [(Stage, &str); 5] = [
    (Stage::Pending, "PENDING"),
    (Stage::Running, "RUNNING"),
    (Stage::Cancelled, "CANCELLED"),
    (Stage::CancelledAndNotified, "CANCELLED_AND_NOTIFIED"),
    (Stage::Finished, "FINISHED"),
];

impl Stage {
    fn name(self) -> &'static str {
        STAGES[self as usize].1
    }

    fn is_cancelled(self) -> bool {
        matches!(self, Stage::Cancelled | Stage::CancelledAndNotified)
    }

    fn is_done(self) -> bool {
        !matches!(self, Stage::Pending | Stage::Running)
    }
}

/// What is to be called, and where.
pub struct Task {
    /// The callable and its positional arguments.
    pub callback: Callback,
    /// Its keyword arguments, a dictionary.
    pub keywords: Option<Obj>,
    /// The context to run in; the thread's own if there is none.
    pub context: Option<Obj>,
}

impl Task {
    /// Makes the call.
    ///
    /// # Errors
    ///
    /// What it raises.
    pub fn run(&self, py: Python<'_>) -> PyResult<Obj> {
        let keywords = self.keywords.as_ref().map(|keywords| keywords.bind(py).to_owned());
        let call = || {
            let result = self.callback.invoke(py, keywords.as_ref())?;
            Ok(result.map_or_else(|| Obj::none(py), Obj::from))
        };
        match &self.context {
            Some(context) => run_in(py, &context.bind(py).to_owned(), call),
            None => call(),
        }
    }
}

/// What a future has come to: a result, or an exception.
pub type Outcome = Result<Obj, Obj>;

/// The outcome of a call.
pub fn outcome_of(py: Python<'_>, result: PyResult<Obj>) -> Outcome {
    result.map_err(|error| Obj::from(error.into_value(py).into_bound(py)))
}

/// What few futures need.
#[derive(Default)]
struct Rare {
    condition: Option<Obj>,
    /// A list, which the standard library appends to.
    waiters: Option<Obj>,
    callbacks: Vec<Obj>,
    /// Threads in result() beyond the first.
    parked: Vec<Waker>,
    /// What cancelling this future cancels: called without arguments.
    canceller: Option<Obj>,
}

struct State {
    stage: Stage,
    /// Set when somebody tried to cancel a running job.
    cancel_requested: bool,
    task: Option<Task>,
    outcome: Option<Outcome>,
    parked: Option<Waker>,
    pool: Option<Arc<Shared>>,
    /// Nanosecond of giving, then of the end.
    stamp: u64,
    needed_by: u64,
    rare: Option<Box<Rare>>,
}

/// The body of a future.
pub struct Future {
    state: OwnerCell<State>,
}

/// When those who wait are woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// At once.
    Now,
    /// When this thread parks; see [`wait::put_off`].
    WhenParked,
}

/// What follows a change of state.
#[derive(Default)]
struct Aftermath {
    parked: Option<Waker>,
    more_parked: Vec<Waker>,
    callbacks: Vec<Obj>,
    canceller: Option<Obj>,
    task: Option<Task>,
    /// What the future had before.
    outcome: Option<Outcome>,
}

impl State {
    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn condition(&self) -> Option<&Obj> {
        self.rare.as_ref()?.condition.as_ref()
    }

    fn outcome(&self, py: Python<'_>) -> Option<Outcome> {
        self.outcome.as_ref().map(|outcome| match outcome {
            Ok(result) => Ok(result.clone_ref(py)),
            Err(error) => Err(error.clone_ref(py)),
        })
    }

    /// Takes those who wait in result().
    fn parked(&mut self) -> Vec<Waker> {
        let first = self.parked.take();
        let more = self.rare.as_mut().map(|rare| std::mem::take(&mut rare.parked));
        first.into_iter().chain(more.into_iter().flatten()).collect()
    }

    fn end(&mut self, stage: Stage, outcome: Option<Outcome>) -> Aftermath {
        self.stage = stage;
        let mut aftermath = Aftermath {
            parked: self.parked.take(),
            task: self.task.take(),
            outcome: std::mem::replace(&mut self.outcome, outcome),
            ..Aftermath::default()
        };
        if let Some(rare) = &mut self.rare {
            aftermath.more_parked = std::mem::take(&mut rare.parked);
            aftermath.callbacks = std::mem::take(&mut rare.callbacks);
            aftermath.canceller = rare.canceller.take();
        }
        aftermath
    }
}

impl Future {
    /// A future that nobody runs.
    pub fn new() -> Self {
        Self::with(None, None, 0, 0)
    }

    /// The future of a job of a pool.
    pub fn of_job(pool: Arc<Shared>, task: Task, stamp: u64, needed_by: u64) -> Self {
        Self::with(Some(pool), Some(task), stamp, needed_by)
    }

    fn with(pool: Option<Arc<Shared>>, task: Option<Task>, stamp: u64, needed_by: u64) -> Self {
        Future {
            state: OwnerCell::new(State {
                stage: Stage::Pending,
                cancel_requested: false,
                task,
                outcome: None,
                parked: None,
                pool,
                stamp,
                needed_by,
                rare: None,
            }),
        }
    }

    /// Changes the state by `change`, holding the condition if there is one, and tells those who
    /// wait in the standard library's way what `tell` names.
    fn change<R>(
        &self,
        this: &Bound<'_, PyAny>,
        mut change: impl FnMut(&mut State) -> Option<R>,
        tell: Option<&str>,
    ) -> PyResult<Option<R>> {
        let py = this.py();
        let tried = self.state.with(py, |state| match state.condition() {
            None => Ok(change(state)),
            Some(condition) => Err(condition.clone_ref(py)),
        });
        let condition = match tried {
            Ok(changed) => return Ok(changed),
            Err(condition) => condition.into_bound(py),
        };
        call_method(&condition, intern!(py, "acquire"), [])?;
        let changed = self.state.with(py, change);
        let told = match tell {
            Some(tell) if changed.is_some() => self.tell(this, &condition, tell),
            _ => Ok(()),
        };
        call_method(&condition, intern!(py, "release"), [])?;
        if let Err(error) = told {
            // A waiter of the standard library has failed; those behind it are still to be woken.
            error.write_unraisable(py, Some(this));
        }
        Ok(changed)
    }

    fn tell(
        &self,
        this: &Bound<'_, PyAny>,
        condition: &Bound<'_, PyAny>,
        tell: &str,
    ) -> PyResult<()> {
        let py = this.py();
        let waiters = self.state.with(py, |state| {
            state.rare.as_ref()?.waiters.as_ref().map(|waiters| waiters.clone_ref(py))
        });
        if let Some(waiters) = waiters {
            for waiter in waiters.bind(py).try_iter()? {
                waiter?.call_method1(tell, (this,))?;
            }
        }
        call_method(condition, intern!(py, "notify_all"), []).map(drop)
    }

    /// Wakes and calls back whoever waited.
    fn follow_up(&self, this: &Bound<'_, PyAny>, after: Aftermath, delivery: Delivery) {
        let py = this.py();
        for waker in after.parked.into_iter().chain(after.more_parked) {
            match delivery {
                Delivery::Now => waker.wake(),
                Delivery::WhenParked => wait::put_off(waker),
            }
        }
        drop((after.task, after.outcome));
        if !after.callbacks.is_empty() {
            // A callback takes as long as it likes.
            wait::flush(py);
            for callback in after.callbacks {
                call_back(py, &callback, this);
            }
        }
    }

    /// Begins to run: the job, unless it was cancelled or begun already.
    ///
    /// # Errors
    ///
    /// What the standard library's waiters raise.
    pub fn claim(&self, this: &Bound<'_, PyAny>) -> PyResult<Option<(Task, u64)>> {
        self.change(
            this,
            |state| {
                let task = (state.stage == Stage::Pending).then(|| state.task.take())??;
                state.stage = Stage::Running;
                Some((task, state.stamp))
            },
            None,
        )
    }

    /// Ends with `outcome`. `false`: the future has ended otherwise before.
    ///
    /// # Errors
    ///
    /// What the standard library's waiters raise.
    pub fn finish(
        &self,
        this: &Bound<'_, PyAny>,
        outcome: Outcome,
        delivery: Delivery,
        now: u64,
    ) -> PyResult<bool> {
        let tell = if outcome.is_ok() { "add_result" } else { "add_exception" };
        let mut outcome = Some(outcome);
        let ended = self.change(
            this,
            |state| {
                if state.stage.is_done() {
                    return None;
                }
                state.stamp = now;
                Some(state.end(Stage::Finished, outcome.take()))
            },
            Some(tell),
        )?;
        let finished = ended.is_some();
        if let Some(after) = ended {
            self.follow_up(this, after, delivery);
        }
        Ok(finished)
    }

    /// Fails in the child of a fork, without a word to anybody: whoever waits is in the parent, and
    /// so are the holders of the locks.
    pub fn fail_in_child(&self, py: Python<'_>, error: Obj) {
        let gone = self.state.with(py, |state| {
            if state.stage.is_done() {
                return (Some(Err(error)), None, None);
            }
            state.stage = Stage::Finished;
            let before = state.outcome.replace(Err(error));
            (before, state.task.take(), state.rare.take())
        });
        drop(gone);
    }

    /// Whether the job is not needed any more. Touches no Python.
    pub fn is_stale(&self) -> bool {
        self.state.look(|state| state.stage != Stage::Pending).unwrap_or(false)
    }

    /// The blocked wait that needs the job.
    pub fn needed_by(&self) -> Option<u64> {
        self.state.look(|state| state.needed_by).filter(|id| *id != 0)
    }

    /// Whether somebody wants the running job to stop.
    pub fn cancel_requested(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.cancel_requested || state.stage.is_cancelled())
    }

    /// Sets what cancelling the future cancels. `false`: it was cancelled already.
    pub fn set_canceller(&self, py: Python<'_>, canceller: Obj) -> bool {
        self.state.with(py, |state| {
            let open = !state.stage.is_done();
            if open {
                state.rare().canceller = Some(canceller);
            }
            open
        })
    }

    fn stage(&self, py: Python<'_>) -> Stage {
        self.state.with(py, |state| state.stage)
    }

    fn cancel(&self, this: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = this.py();
        let of_pool = self.state.with(py, |state| state.pool.clone());
        let to = if of_pool.is_some() { Stage::CancelledAndNotified } else { Stage::Cancelled };
        let tell = of_pool.is_some().then_some("add_cancelled");
        let ended = self.change(
            this,
            |state| match state.stage {
                Stage::Pending => Some(Ok(state.end(to, None))),
                stage => {
                    state.cancel_requested |= stage == Stage::Running;
                    Some(Err(stage.is_cancelled()))
                }
            },
            tell,
        )?;
        let mut after = match ended {
            Some(Ok(after)) => after,
            Some(Err(cancelled)) => return Ok(cancelled),
            None => return Ok(false),
        };
        // A hand-made future has waiters that only a notification by its runner satisfies.
        let canceller = after.canceller.take();
        let had_task = after.task.is_some();
        self.follow_up(this, after, Delivery::Now);
        if let Some(canceller) = canceller {
            canceller.bind(py).call0()?;
        }
        if let Some(pool) = of_pool.filter(|_| had_task) {
            pool.note_cancelled(py);
        }
        Ok(true)
    }

    /// Waits until the future is done; see `concurrent.futures.Future.result`.
    fn wait(
        &self,
        this: &Instance<Self>,
        py: Python<'_>,
        timeout: Option<Duration>,
    ) -> PyResult<bool> {
        if self.stage(py).is_done() {
            return Ok(true);
        }
        let own = self.worker_here(py);
        // Who has an end to its wait cannot run the job, which may take longer.
        if let Some(own) = own.as_ref().filter(|_| timeout.is_none())
            && own.help(py, this)?
        {
            return Ok(true);
        }
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let blocked = match &own {
            Some(own) => Some(own.begin_waiting_for(py, this, timeout.is_some())?),
            None => None,
        };
        let done = self.park_until_done(py, end, || false);
        if let Some(blocked) = blocked {
            blocked.end(py);
        }
        if matches!(done, Ok(true)) {
            let now = super::now();
            self.state.with(py, |state| {
                // A cancelled job has no end from which to count.
                if let (Some(pool), Stage::Finished) = (&state.pool, state.stage) {
                    pool.note_wake(now.saturating_sub(state.stamp));
                }
            });
        }
        done
    }

    /// The worker that the calling thread is, if the job is one of its pool's.
    fn worker_here(&self, py: Python<'_>) -> Option<worker::Current> {
        worker::current().filter(|own| {
            self.state.with(py, |state| {
                state.pool.as_ref().is_some_and(|pool| Arc::ptr_eq(pool, &own.shared))
            })
        })
    }

    /// The functions `wait()` and `as_completed()` of the standard library take the condition of
    /// what they wait for. In a worker of the same pool, with no other that could run the job, that
    /// wait would never end.
    fn run_if_nobody_else_can(&self, this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if self.stage(py) == Stage::Pending
            && let Some(own) = self.worker_here(py)
            && own.shared.pool.is_saturated()
        {
            own.help(py, this)?;
        }
        Ok(())
    }

    fn park_until_done(
        &self,
        py: Python<'_>,
        end: Option<Instant>,
        given_up: impl Fn() -> bool,
    ) -> PyResult<bool> {
        let parker = ThreadParker::of_this_thread();
        loop {
            let waker = parker.prepare();
            let done = self.state.with(py, |state| {
                if state.stage.is_done() {
                    return true;
                }
                if state.parked.is_none() {
                    state.parked = Some(waker);
                } else {
                    state.rare().parked.push(waker);
                }
                false
            });
            if done {
                return Ok(true);
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            // What gives the wait up may have come before it was sure to be woken for it.
            let waited = if given_up() { Ok(Waited::Woken) } else { parker.park(py, left) };
            let done = self.state.with(py, |state| {
                state.parked.take_if(|parked| parker.is_behind(parked));
                if let Some(rare) = &mut state.rare {
                    rare.parked.retain(|parked| !parker.is_behind(parked));
                }
                state.stage.is_done()
            });
            match waited? {
                _ if done => return self.settle(py).map(|()| true),
                Waited::TimedOut => return Ok(false),
                Waited::Woken if given_up() => return Ok(false),
                Waited::Woken => {}
            }
        }
    }

    /// Waits for whoever changes the future under its condition to be through with it.
    fn settle(&self, py: Python<'_>) -> PyResult<()> {
        let condition = self.state.with(py, |state| state.condition().map(|c| c.clone_ref(py)));
        if let Some(condition) = condition {
            let condition = condition.bind(py);
            call_method(&condition, intern!(py, "acquire"), [])?;
            call_method(&condition, intern!(py, "release"), [])?;
        }
        Ok(())
    }

    fn waited(&self, call: &Call<'_, '_>, function: &str) -> PyResult<Outcome> {
        let py = call.py();
        let [timeout] = call.optional(function, ["timeout"])?;
        let timeout = match timeout {
            Some(timeout) => seconds(&timeout, "timeout")?,
            None => None,
        };
        if !self.wait(&call.instance::<Self>(), py, timeout)? {
            return Err(pyo3::exceptions::PyTimeoutError::new_err(()));
        }
        self.ended(py)
    }

    /// How the future has ended; what it has raised is no error here.
    fn ended(&self, py: Python<'_>) -> PyResult<Outcome> {
        let outcome = self.state.with(py, |state| match state.outcome(py) {
            None if state.stage == Stage::Finished => Some(Ok(Obj::none(py))),
            outcome => outcome,
        });
        match outcome {
            Some(outcome) => Ok(outcome),
            None => {
                let class = imports(py)?.future_cancelled.bind(py);
                Err(PyErr::from_value(class.call0()?))
            }
        }
    }

    /// The result of a future that is done.
    ///
    /// # Errors
    ///
    /// What the job raised, or `CancelledError`.
    pub fn outcome(&self, py: Python<'_>) -> PyResult<Obj> {
        self.ended(py)?.map_err(|error| PyErr::from_value(error.into_bound(py)))
    }

    /// Waits until the future is done, or a wake-up finds that `given_up`.
    ///
    /// # Errors
    ///
    /// What a signal handler raises.
    pub fn wait_unless(&self, py: Python<'_>, given_up: impl Fn() -> bool) -> PyResult<bool> {
        self.park_until_done(py, None, given_up)
    }

    /// Ends as a task that was cancelled.
    ///
    /// # Errors
    ///
    /// What the standard library's waiters raise.
    pub fn follow_cancellation(&self, this: &Bound<'_, PyAny>, delivery: Delivery) -> PyResult<()> {
        let ended = self.change(
            this,
            |state| (!state.stage.is_done()).then(|| state.end(Stage::CancelledAndNotified, None)),
            Some("add_cancelled"),
        )?;
        if let Some(after) = ended {
            self.follow_up(this, after, delivery);
        }
        Ok(())
    }

    fn set(&self, call: &Call<'_, '_>, outcome: Outcome) -> PyResult<Obj> {
        let (py, this) = (call.py(), call.this());
        if self.finish(&this, outcome, Delivery::Now, super::now())? {
            return Ok(Obj::none(py));
        }
        let text = format!("{}: {}", self.stage(py).name(), this.repr()?);
        let class = imports(py)?.invalid_state.bind(py);
        Err(PyErr::from_value(class.call1((text,))?))
    }
}

/// Calls a done-callback. What it raises is logged, whatever it is: the thread that has completed
/// the future has no part in it.
fn call_back(py: Python<'_>, callback: &Obj, this: &Bound<'_, PyAny>) {
    let Err(error) = crate::capi::call(&callback.bind(py), [this]) else { return };
    let logged = imports(py).and_then(|imports| {
        let keywords = pyo3::types::PyDict::new(py);
        keywords.set_item("exc_info", error.clone_ref(py).into_value(py))?;
        let arguments = ("exception calling callback for %r", this);
        imports.futures_logger.bind(py).call_method("error", arguments, Some(&keywords))
    });
    if logged.is_err() {
        error.write_unraisable(py, Some(this));
    }
}

/// A number of seconds, or `None` for no end.
///
/// # Errors
///
/// `TypeError`, or `ValueError` for what is no time.
pub fn seconds(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Option<Duration>> {
    if value.is_none() {
        return Ok(None);
    }
    let seconds = value.extract::<f64>().map_err(|_| {
        PyTypeError::new_err(format!(
            "`{name}` must be a number of seconds or None, got {}",
            value.get_type()
        ))
    })?;
    if seconds.is_nan() {
        return Err(PyValueError::new_err(format!("`{name}` must not be nan")));
    }
    // What is past is over at once; what is too far to be told is no end.
    Ok(Duration::try_from_secs_f64(seconds.max(0.0)).ok())
}
