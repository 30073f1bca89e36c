//! What the threads of a pool do to one another, in every order up to a bound.
//!
//! A lost job or wake-up shows as a model in which everybody sleeps, which loom reports.

use super::*;
use loom::sync::Condvar;
use loom::thread::{self, JoinHandle};
use std::sync::Mutex as Unmodelled;
use std::time::Instant;

#[derive(Debug, Clone, Copy)]
struct Work {
    number: usize,
    /// The job that must have been run before this one ends.
    after: Option<usize>,
    /// Whether the pool is told of that wait.
    blocks: bool,
}

impl Job for Work {
    fn is_stale(&self) -> bool {
        false
    }
}

const fn work(number: usize) -> Work {
    Work { number, after: None, blocks: false }
}

/// How often each job was run.
#[derive(Debug, Default)]
struct Runs {
    counts: Mutex<[usize; 3]>,
    changed: Condvar,
}

impl Runs {
    fn note(&self, number: usize) {
        self.counts.lock().unwrap()[number] += 1;
        self.changed.notify_all();
    }

    fn wait_for(&self, number: usize) {
        let mut counts = self.counts.lock().unwrap();
        while counts[number] == 0 {
            counts = self.changed.wait(counts).unwrap();
        }
    }
}

/// What a thread sleeps on that waits for room.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
    }
}

impl std::task::Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

/// A pool with its threads.
#[derive(Clone)]
struct House {
    pool: ThreadPool<Work>,
    runs: Arc<Runs>,
    threads: Arc<Unmodelled<Vec<JoinHandle<()>>>>,
    idle_timeout: Option<Duration>,
}

impl House {
    fn new(limits: Limits) -> Self {
        House {
            pool: ThreadPool::new(limits),
            runs: Arc::default(),
            threads: Arc::default(),
            idle_timeout: None,
        }
    }

    /// Time does not pass in a model, so workers are patient, or not at all.
    fn impatient(limits: Limits) -> Self {
        House { idle_timeout: Some(Duration::ZERO), ..House::new(limits) }
    }

    fn spawn(&self, act: impl FnOnce(&House) + 'static) {
        let house = self.clone();
        let thread = thread::spawn(move || act(&house));
        self.threads.lock().unwrap().push(thread);
    }

    fn take(&self, step: Step) {
        match step {
            Step::Nothing => {}
            Step::Wake(worker) => worker.wake(),
            Step::Start => self.spawn(House::work),
            Step::Deadlock(_) => panic!("nobody needs a job"),
        }
    }

    fn give(&self, job: Work) {
        let step = self.pool.submit(job, 0, true).unwrap();
        self.take(step);
    }

    fn work(&self) {
        let mut worker = self.pool.enter();
        loop {
            let mut leavings = Leavings::default();
            let next = self.pool.next(&mut worker, &mut leavings);
            leavings.clear();
            match next {
                Next::Run(job, step) => {
                    self.take(step);
                    self.run(job);
                }
                Next::Park if self.park(&mut worker) => {}
                Next::Park | Next::Exit => return,
            }
        }
    }

    fn run(&self, job: Work) {
        if let Some(other) = job.after {
            if job.blocks {
                let step = self.pool.begin_blocking();
                self.take(step);
            }
            self.runs.wait_for(other);
            if job.blocks {
                self.pool.end_blocking();
            }
        }
        self.runs.note(job.number);
    }

    /// `false`: the worker retires.
    fn park(&self, worker: &mut Worker) -> bool {
        let since = Instant::now();
        let mut idle = self.idle_timeout.map(|timeout| Idleness { since, timeout });
        while worker.park(None, idle) == Parked::TimedOut {
            match self.pool.idled(worker) {
                Idle::Retires => return false,
                Idle::Wanted => return true,
                Idle::Stays => idle = None,
            }
        }
        let state = self.pool.state();
        let idles = state.idle.iter().any(|idle| Arc::ptr_eq(idle, &worker.parker));
        assert!(!idles, "woken without a reason");
        true
    }

    fn close(&self) {
        let (wake, needs_worker) = self.pool.close();
        wake.into_iter().for_each(Waker::wake);
        if needs_worker {
            self.pool.claim_worker();
            self.take(Step::Start);
        }
    }

    fn join(&self) {
        // Who has started another has told of it before its own end.
        while let Some(thread) = { self.threads.lock().unwrap().pop() } {
            thread.join().unwrap();
        }
    }

    /// Everybody has gone, and each of the first jobs was run once.
    fn is_done(&self, jobs: usize) {
        self.join();
        let counts = *self.runs.counts.lock().unwrap();
        assert!(counts[..jobs].iter().all(|count| *count == 1), "{counts:?}");
        assert!(counts[jobs..].iter().all(|count| *count == 0), "{counts:?}");
        let state = self.pool.state();
        assert_eq!((state.workers, state.idle.len(), state.queue.len()), (0, 0, 0));
        assert_eq!((state.waking, state.starting, state.blocked), (0, 0, 0));
    }
}

/// Four threads that lock again and again have more orders than can be tried: those are left out
/// in which more threads than that are stopped where they could go on.
const MOST_PREEMPTIONS: usize = 3;

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    let bound = builder.preemption_bound.unwrap_or(MOST_PREEMPTIONS);
    builder.preemption_bound = Some(bound.min(MOST_PREEMPTIONS));
    builder.check(check);
}

const LIMITS: Limits = Limits { max_workers: 1, max_overflow: 0, min_workers: 0, max_queue: None };

#[test]
fn the_jobs_of_two_givers_are_run_once() {
    model(|| {
        let house = House::new(LIMITS);
        house.spawn(|house| house.give(work(0)));
        house.give(work(1));
        house.runs.wait_for(0);
        house.runs.wait_for(1);
        house.close();
        house.is_done(2);
    });
}

#[test]
fn a_sleeping_worker_is_woken_for_each_job() {
    model(|| {
        let house = House::new(LIMITS);
        for number in 0..3 {
            house.give(work(number));
            house.runs.wait_for(number);
        }
        house.close();
        house.is_done(3);
    });
}

#[test]
fn whoever_is_woken_wakes_the_next() {
    model(|| {
        let house = House::new(Limits { max_workers: 2, ..LIMITS });
        for _ in 0..2 {
            house.pool.claim_worker();
            house.take(Step::Start);
        }
        house.give(Work { after: Some(1), ..work(0) });
        house.give(work(1));
        house.runs.wait_for(0);
        house.close();
        house.is_done(2);
    });
}

#[test]
fn a_worker_that_retires_leaves_no_job_alone() {
    model(|| {
        let house = House::impatient(LIMITS);
        house.give(work(0));
        house.give(work(1));
        house.runs.wait_for(1);
        house.is_done(2);
    });
}

#[test]
fn of_two_retiring_workers_one_stays() {
    model(|| {
        let house = House::impatient(Limits { max_workers: 2, min_workers: 1, ..LIMITS });
        house.give(work(0));
        house.give(work(1));
        house.runs.wait_for(0);
        house.runs.wait_for(1);
        assert!(house.pool.counts().workers >= 1);
        house.close();
        house.is_done(2);
    });
}

/// The worker may have found the first job by itself, run it, and lain down again by the time the
/// wake-up for it is given.
#[test]
fn a_wake_up_may_be_put_off_past_the_next_job() {
    model(|| {
        let house = House::impatient(Limits { min_workers: 1, ..LIMITS });
        house.give(work(0));
        house.runs.wait_for(0);
        let first = house.pool.submit(work(1), 0, true).unwrap();
        let second = house.pool.submit(work(2), 0, true).unwrap();
        house.take(second);
        house.take(first);
        house.runs.wait_for(1);
        house.runs.wait_for(2);
        house.close();
        house.is_done(3);
    });
}

#[test]
fn a_late_wake_up_does_not_hold_a_retired_worker_up() {
    model(|| {
        let house = House::impatient(LIMITS);
        house.give(work(0));
        house.runs.wait_for(0);
        let step = house.pool.submit(work(1), 0, true).unwrap();
        house.give(work(2));
        house.take(step);
        house.is_done(3);
    });
}

#[test]
fn a_job_is_refused_by_a_closing_pool_or_run() {
    model(|| {
        let house = House::new(LIMITS);
        house.spawn(House::close);
        let jobs = match house.pool.submit(work(0), 0, true) {
            Ok(step) => {
                house.take(step);
                1
            }
            Err(Refused::Closed(_)) => 0,
            Err(Refused::Full(_)) => panic!("the queue has no bound"),
        };
        house.is_done(jobs);
    });
}

#[test]
fn a_pool_that_closes_while_its_worker_lies_down_ends() {
    model(|| {
        let house = House::impatient(Limits { min_workers: 1, ..LIMITS });
        house.give(work(0));
        house.spawn(House::close);
        let accepted = match house.pool.submit(work(1), 0, true) {
            Ok(step) => {
                house.take(step);
                true
            }
            Err(_) => false,
        };
        house.is_done(1 + usize::from(accepted));
    });
}

#[test]
fn who_waits_for_room_gets_it() {
    model(|| {
        let house = House::new(Limits { max_queue: Some(1), ..LIMITS });
        house.give(work(0));
        for number in 1..3 {
            while let Err(refused) = house.pool.submit(work(number), 0, true).map(|s| house.take(s))
            {
                assert!(matches!(refused, Refused::Full(_)));
                let bell = Arc::new(Bell::default());
                if house.pool.wait_for_room(&Waker::from(Arc::clone(&bell))) {
                    bell.wait();
                }
            }
        }
        house.close();
        house.is_done(3);
    });
}

#[test]
fn who_waits_for_room_no_longer_does_not_keep_it() {
    model(|| {
        let house = House::new(Limits { max_queue: Some(1), ..LIMITS });
        let (first, second) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
        let leaving = Waker::from(first);
        assert!(matches!(house.pool.submit(work(0), 0, true), Ok(Step::Start)));
        assert!(house.pool.wait_for_room(&leaving));
        assert!(house.pool.wait_for_room(&Waker::from(Arc::clone(&second))));
        house.take(Step::Start);
        if !house.pool.stop_waiting_for_room(&leaving)
            && let Some(next) = house.pool.take_waiting_for_room()
        {
            next.wake();
        }
        second.wait();
        house.close();
        house.is_done(1);
    });
}

#[test]
fn closing_ends_the_wait_for_room() {
    model(|| {
        let house = House::new(Limits { max_queue: Some(1), ..LIMITS });
        assert!(matches!(house.pool.submit(work(0), 0, true), Ok(Step::Start)));
        house.spawn(House::close);
        let bell = Arc::new(Bell::default());
        if house.pool.wait_for_room(&Waker::from(Arc::clone(&bell))) {
            bell.wait();
        }
        house.take(Step::Start);
        house.is_done(1);
    });
}

#[test]
fn who_stands_in_for_a_blocked_worker_comes_and_goes() {
    model(|| {
        let house = House::new(Limits { max_overflow: 1, ..LIMITS });
        house.give(Work { after: Some(1), blocks: true, ..work(0) });
        house.give(work(1));
        house.runs.wait_for(1);
        house.give(work(2));
        house.runs.wait_for(2);
        house.runs.wait_for(0);
        house.close();
        house.is_done(3);
    });
}
