//! The state of a pool, and the steps that change it.

use crate::parker::{Idleness, Parked, Parker};
use crate::queue::{Job, Queue};
use crate::sync::{Mutex, MutexGuard};
use nalsil_observe::{PoolBatch, Sample};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// How large a pool may become.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Workers that may run at a time, those that wait for the pool itself not counted.
    pub max_workers: usize,
    /// Workers above `max_workers` that may stand in for blocked ones.
    pub max_overflow: usize,
    /// Workers that do not retire.
    pub min_workers: usize,
    /// Jobs that may wait, those that were given regardless not counted.
    pub max_queue: Option<usize>,
}

/// What must be done after the state has changed, outside of the lock.
#[derive(Debug)]
pub enum Step {
    /// Nothing: enough workers are at it, or there may be no more.
    Nothing,
    /// Wake this worker, at once or soon.
    Wake(Waker),
    /// Start a thread for a worker; if that fails, call [`ThreadPool::start_failed`].
    Start,
    /// Nobody will ever run a job that this blocked wait needs.
    Deadlock(u64),
}

/// Why a job was not taken.
#[derive(Debug)]
pub enum Refused<J> {
    /// The pool was closed.
    Closed(J),
    /// The queue is full.
    Full(J),
}

/// What a worker does next.
#[derive(Debug)]
pub enum Next<J> {
    /// Runs this.
    Run(J, Step),
    /// Sleeps; see [`Worker::park`].
    Park,
    /// Ends its thread.
    Exit,
}

/// What the taking of a job leaves behind, to be seen to outside of the lock.
#[derive(Debug)]
pub struct Leavings<J> {
    /// Jobs that nobody needs.
    pub stale: Vec<J>,
    /// Who waits for the room that there is now.
    pub room: Vec<Waker>,
}

impl<J> Default for Leavings<J> {
    fn default() -> Self {
        Leavings { stale: Vec::new(), room: Vec::new() }
    }
}

impl<J> Leavings<J> {
    /// Drops the jobs and wakes who waits.
    pub fn clear(&mut self) {
        self.stale.clear();
        self.room.drain(..).for_each(Waker::wake);
    }
}

/// Whether an idle worker whose time is over stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// It ends its thread.
    Retires,
    /// It sleeps on: the pool keeps that many.
    Stays,
    /// There is work for it.
    Wanted,
}

/// One worker's own part, held by its thread.
#[derive(Debug)]
pub struct Worker {
    parker: Arc<Parker>,
    /// Counted among those that are on their way to a job.
    coming: Coming,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coming {
    No,
    Starting,
    Waking,
}

impl Worker {
    /// Sleeps until there is work, or for as long as `idle` says, after [`Next::Park`]. `spin` is
    /// the time for which the thread may burn its processor first.
    pub fn park(&mut self, spin: Option<Duration>, idle: Option<Idleness>) -> Parked {
        self.park_watched(spin, idle, || false)
    }

    /// Like [`Worker::park`], but without a timer for as long as `untimed` says: somebody else will
    /// unpark the thread when it is time to look at the clock.
    pub fn park_watched(
        &mut self,
        spin: Option<Duration>,
        idle: Option<Idleness>,
        untimed: impl Fn() -> bool,
    ) -> Parked {
        let parked = self.parker.park(spin, idle, untimed);
        if parked != Parked::TimedOut {
            self.coming = Coming::Waking;
        }
        parked
    }
}

#[derive(Debug)]
struct State<J> {
    queue: Queue<J>,
    limits: Limits,
    /// Idle workers; the last to lie down is the first to be woken, so that the others retire.
    idle: Vec<Arc<Parker>>,
    workers: usize,
    starting: usize,
    waking: usize,
    blocked: usize,
    closed: bool,
    /// Who waits for room in the queue.
    room: VecDeque<Waker>,
    counts: PoolBatch,
}

/// A pool. Its clones are the same pool.
#[derive(Debug)]
pub struct ThreadPool<J>(Arc<Mutex<State<J>>>);

impl<J> Clone for ThreadPool<J> {
    fn clone(&self) -> Self {
        ThreadPool(Arc::clone(&self.0))
    }
}

impl<J: Job> State<J> {
    /// Sees to it that queued jobs find a worker.
    ///
    /// One worker is woken at a time, and wakes the next when it takes a job: jobs that are shorter
    /// than a wake-up are then run by one worker, and long ones by as many as there are. A thread
    /// is started when jobs outnumber the workers that are on their way to them.
    fn grow(&mut self) -> Step {
        if self.queue.len() == 0 {
            return Step::Nothing;
        }
        if self.idle.last().is_some() {
            return if self.waking == 0 { self.wake_last() } else { Step::Nothing };
        }
        if self.queue.len() <= self.waking + self.starting {
            return Step::Nothing;
        }
        if self.may_start() {
            self.workers += 1;
            self.starting += 1;
            return Step::Start;
        }
        self.stuck()
    }

    fn wake_last(&mut self) -> Step {
        let Some(parker) = self.idle.pop() else { return Step::Nothing };
        self.waking += 1;
        parker.assign();
        Step::Wake(Waker::from(parker))
    }

    fn may_start(&self) -> bool {
        let Limits { max_workers, max_overflow, .. } = self.limits;
        self.workers - self.blocked < max_workers && self.workers < max_workers + max_overflow
    }

    /// With every worker blocked and none to be had, a job that one of them needs is never run.
    fn stuck(&self) -> Step {
        if self.blocked < self.workers || self.blocked == 0 {
            return Step::Nothing;
        }
        let mut queued = self.queue.iter().filter(|job| !job.is_stale());
        match queued.find_map(J::needed_by) {
            Some(wait) => Step::Deadlock(wait),
            None => Step::Nothing,
        }
    }

    fn take(&mut self, leavings: &mut Leavings<J>) -> Option<J> {
        while let Some(job) = self.queue.pop() {
            leavings.room.extend(self.room.pop_front());
            if !job.is_stale() {
                return Some(job);
            }
            leavings.stale.push(job);
        }
        None
    }

    fn arrived(&mut self, worker: &mut Worker) {
        match std::mem::replace(&mut worker.coming, Coming::No) {
            Coming::No => {}
            Coming::Starting => self.starting -= 1,
            Coming::Waking => self.waking -= 1,
        }
    }

    /// How many workers run that do not wait for the pool.
    fn active(&self) -> usize {
        self.workers - self.blocked
    }

    /// How many of them are not idle.
    fn busy(&self) -> usize {
        self.active() - self.idle.len()
    }
}

impl<J: Job> ThreadPool<J> {
    /// A pool without workers.
    pub fn new(limits: Limits) -> Self {
        ThreadPool(Arc::new(Mutex::new(State {
            queue: Queue::default(),
            limits,
            idle: Vec::new(),
            workers: 0,
            starting: 0,
            waking: 0,
            blocked: 0,
            closed: false,
            room: VecDeque::new(),
            counts: PoolBatch::default(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State<J>> {
        // Nothing panics while the lock is held but by a broken invariant, and then the counts of
        // the caller are worth more than another panic.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Queues `job`. `bounded`: the queue may be full.
    ///
    /// # Errors
    ///
    /// Gives the job back if the pool was closed, or the queue is full.
    pub fn submit(&self, job: J, priority: i32, bounded: bool) -> Result<Step, Refused<J>> {
        let mut state = self.state();
        if state.closed {
            return Err(Refused::Closed(job));
        }
        if bounded && state.limits.max_queue.is_some_and(|most| state.queue.len() >= most) {
            return Err(Refused::Full(job));
        }
        state.queue.push(job, priority);
        state.counts.submitted += 1;
        let step = state.grow();
        let idle = state.idle.len() + state.waking + state.starting;
        if matches!(step, Step::Nothing | Step::Deadlock(_)) && idle == 0 {
            state.counts.saturated += 1;
        }
        Ok(step)
    }

    /// Wakes `waker` when the queue has room. `false`: it has room now, or is closed.
    pub fn wait_for_room(&self, waker: &Waker) -> bool {
        let mut state = self.state();
        let full = state.limits.max_queue.is_some_and(|most| state.queue.len() >= most);
        if full && !state.closed {
            state.room.push_back(waker.clone());
        }
        full && !state.closed
    }

    /// Ends a wait for room. `false`: its wake-up was given already. Who does not use it then owes
    /// it to the [next](ThreadPool::take_waiting_for_room).
    pub fn stop_waiting_for_room(&self, waker: &Waker) -> bool {
        let mut state = self.state();
        let before = state.room.len();
        state.room.retain(|waiting| !waiting.will_wake(waker));
        state.room.len() < before
    }

    /// The calling thread becomes a worker that a [`Step::Start`] has asked for.
    pub fn enter(&self) -> Worker {
        self.state().counts.threads_started += 1;
        Worker { parker: Arc::new(Parker::new()), coming: Coming::Starting }
    }

    /// A thread could not be started. `true`: nobody else will come, because no worker is left, nor
    /// on its way, or each of them is blocked and one needs a queued job.
    pub fn start_failed(&self) -> bool {
        let mut state = self.state();
        state.starting -= 1;
        state.workers -= 1;
        state.workers == 0 || matches!(state.stuck(), Step::Deadlock(_))
    }

    /// Who waits for room, next.
    pub fn take_waiting_for_room(&self) -> Option<Waker> {
        self.state().room.pop_front()
    }

    /// How large the pool may become.
    pub fn limits(&self) -> Limits {
        self.state().limits
    }

    /// Takes the jobs out that have no worker, nor one on its way.
    pub fn take_orphans(&self) -> Vec<J> {
        let mut state = self.state();
        if state.workers == 0 { state.queue.remove(|_| true) } else { Vec::new() }
    }

    /// Whether somebody waits for room.
    pub fn is_room_awaited(&self) -> bool {
        !self.state().room.is_empty()
    }

    /// Takes the jobs that nobody needs out of the queue.
    pub fn withdraw_stale(&self) -> Leavings<J> {
        let mut state = self.state();
        let stale = state.queue.remove(J::is_stale);
        let waiting = state.room.len().min(stale.len());
        let room = state.room.drain(..waiting).collect();
        Leavings { stale, room }
    }

    /// What `worker` does next. The caller clears the `leavings`.
    pub fn next(&self, worker: &mut Worker, leavings: &mut Leavings<J>) -> Next<J> {
        let mut state = self.state();
        let state = &mut *state;
        state.arrived(worker);
        // Those that stood in for blocked workers go when these are back: one that was woken for a
        // job only if as many others as may run are busy, for nobody else is on the way to it.
        let most = state.limits.max_workers;
        if state.busy() <= most
            && let Some(job) = state.take(leavings)
        {
            return Next::Run(job, state.grow());
        }
        if state.active() > most || state.closed {
            state.leave();
            return Next::Exit;
        }
        worker.parker.lie_down();
        state.idle.push(Arc::clone(&worker.parker));
        Next::Park
    }

    /// Takes a job for a thread that is no idle worker, but has the time.
    pub fn take_one(&self, leavings: &mut Leavings<J>) -> Option<J> {
        self.state().take(leavings)
    }

    /// `worker` has slept for as long as idle workers may.
    pub fn idled(&self, worker: &mut Worker) -> Idle {
        let mut state = self.state();
        let place = state.idle.iter().position(|idle| Arc::ptr_eq(idle, &worker.parker));
        let Some(place) = place else {
            worker.coming = Coming::Waking;
            return Idle::Wanted;
        };
        if state.workers <= state.limits.min_workers {
            return Idle::Stays;
        }
        state.idle.remove(place);
        worker.parker.get_up();
        state.leave();
        Idle::Retires
    }

    /// `worker` ends without having been told to. Its place is free for another.
    #[must_use = "the step must be taken"]
    pub fn abandon(&self, mut worker: Worker) -> Step {
        let mut state = self.state();
        state.arrived(&mut worker);
        state.leave();
        if state.workers == 0 && state.closed { Step::Nothing } else { state.grow() }
    }

    /// A worker begins to wait for something that may need another worker of this pool.
    #[must_use = "the step must be taken"]
    pub fn begin_blocking(&self) -> Step {
        let mut state = self.state();
        state.blocked += 1;
        state.grow()
    }

    /// The wait is over.
    pub fn end_blocking(&self) {
        self.state().blocked -= 1;
    }

    /// Whether every worker that the pool may have is busy.
    pub fn is_saturated(&self) -> bool {
        let state = self.state();
        state.idle.is_empty() && state.waking + state.starting == 0 && !state.may_start()
    }

    /// Takes no more jobs; workers end when the queue is empty. Returns what to wake, and whether
    /// jobs are left without a worker.
    pub fn close(&self) -> (Vec<Waker>, bool) {
        let mut state = self.state();
        state.closed = true;
        let mut wake: Vec<Waker> = state.room.drain(..).collect();
        while let Step::Wake(worker) = state.wake_last() {
            wake.push(worker);
        }
        (wake, state.workers == 0 && state.queue.len() > 0)
    }

    /// Asks for a worker for what a closed pool still has to do.
    pub fn claim_worker(&self) {
        let mut state = self.state();
        state.workers += 1;
        state.starting += 1;
    }

    /// Whether the pool was closed.
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Takes every queued job out, and wakes who waits for room.
    pub fn drain(&self) -> Vec<J> {
        let mut state = self.state();
        let jobs = state.queue.remove(|_| true);
        let room = std::mem::take(&mut state.room);
        drop(state);
        room.into_iter().for_each(Waker::wake);
        jobs
    }

    /// How many jobs wait.
    pub fn queued(&self) -> usize {
        self.state().queue.len()
    }

    /// Shows `look` every queued job.
    pub fn for_each(&self, look: impl FnMut(&J)) {
        self.state().queue.iter().for_each(look);
    }

    /// Counts a job that was run.
    pub fn record(&self, sample: &Sample) {
        self.state().counts.record(sample);
    }

    /// Changes what is counted.
    pub fn count(&self, change: impl FnOnce(&mut PoolBatch)) {
        change(&mut self.state().counts);
    }

    /// What was counted, and how things stand.
    pub fn counts(&self) -> PoolBatch {
        let state = self.state();
        let mut counts = state.counts.clone();
        counts.workers = state.workers as u64;
        counts.idle = state.idle.len() as u64;
        counts.blocked = state.blocked as u64;
        counts.queued = state.queue.len() as u64;
        let busy = state.workers - state.idle.len() - state.waking - state.starting;
        counts.running = busy as u64;
        counts.overflow = state.workers.saturating_sub(state.limits.max_workers) as u64;
        counts
    }
}

impl<J> State<J> {
    fn leave(&mut self) {
        self.workers -= 1;
        self.counts.threads_ended += 1;
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
