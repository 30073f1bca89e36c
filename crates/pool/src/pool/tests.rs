//! Workers that are moved by hand, one call at a time.

mod blocking;
mod end;
mod growth;
mod property;
mod room;

use super::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Wake;
use std::time::Instant;

/// A number, whether anybody needs it, and the blocked wait that does.
#[derive(Debug, Clone, Default)]
struct Work {
    number: u32,
    stale: Arc<AtomicBool>,
    needed_by: Option<u64>,
}

impl Job for Work {
    fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }

    fn needed_by(&self) -> Option<u64> {
        self.needed_by
    }
}

impl Work {
    fn cancel(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }
}

fn work(number: u32) -> Work {
    Work { number, ..Work::default() }
}

fn limits(max_workers: usize) -> Limits {
    Limits { max_workers, max_overflow: 0, min_workers: 0, max_queue: None }
}

/// A waker that counts.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell::default());
    (Arc::clone(&bell), Waker::from(bell))
}

impl ThreadPool<Work> {
    fn give(&self, number: u32) -> Step {
        self.submit(work(number), 0, true).expect("the pool is open and has room")
    }

    /// Gives a job, for which a thread must be wanted, and is that thread.
    fn start(&self, number: u32) -> Worker {
        assert!(matches!(self.give(number), Step::Start));
        self.enter()
    }

    /// Gives a job, for which somebody must be woken, and wakes it.
    #[track_caller]
    fn give_and_wake(&self, number: u32) {
        let step = self.give(number);
        assert!(matches!(step, Step::Wake(_)), "{step:?}");
        step.wake();
    }

    fn step(&self, worker: &mut Worker) -> Next<Work> {
        let mut leavings = Leavings::default();
        let next = self.next(worker, &mut leavings);
        leavings.clear();
        next
    }

    fn runs(&self, worker: &mut Worker) -> (u32, Step) {
        match self.step(worker) {
            Next::Run(work, step) => (work.number, step),
            other => panic!("no job: {other:?}"),
        }
    }

    #[track_caller]
    fn lies_down(&self, worker: &mut Worker) {
        let next = self.step(worker);
        assert!(matches!(next, Next::Park), "{next:?}");
    }

    #[track_caller]
    fn exits(&self, worker: &mut Worker) {
        let next = self.step(worker);
        assert!(matches!(next, Next::Exit), "{next:?}");
    }

    /// Workers that each have a job.
    fn busy_crew(&self, count: u32) -> Vec<Worker> {
        let mut crew: Vec<_> = (0..count).map(|number| self.start(number)).collect();
        for worker in &mut crew {
            assert!(matches!(self.runs(worker).1, Step::Nothing));
        }
        crew
    }

    /// Workers that lie idle; the last of them is the first to be woken.
    fn idle_crew(&self, count: u32) -> Vec<Worker> {
        let mut crew = self.busy_crew(count);
        crew.iter_mut().for_each(|worker| self.lies_down(worker));
        crew
    }

    fn waking(&self) -> usize {
        self.state().waking
    }

    fn starting(&self) -> usize {
        self.state().starting
    }
}

impl Step {
    fn wake(self) {
        if let Step::Wake(worker) = self {
            worker.wake();
        }
    }
}

impl Worker {
    /// A sleep that must have ended.
    #[track_caller]
    fn is_up(&mut self) {
        assert_eq!(self.nap(), Parked::Woken);
    }

    /// A sleep that ends by itself.
    fn nap(&mut self) -> Parked {
        self.park(None, Some(Idleness { since: Instant::now(), timeout: Duration::ZERO }))
    }
}
