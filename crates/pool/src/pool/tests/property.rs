//! A pool with everything that its caller does, and an account of it that owes the pool nothing.

mod moves;

use super::*;
use std::collections::{BTreeMap, BTreeSet};

/// Where a thread stands.
#[derive(Debug)]
enum Seat {
    /// Wanted, and not there yet.
    Called,
    Entered(Worker),
    Lying(Worker),
    /// Its sleep has ended.
    Up(Worker),
    Running(Worker),
    Blocked(Worker, u64),
}

/// Everything that a pool's caller does, and the account of it.
struct House {
    pool: ThreadPool<Work>,
    limits: Limits,
    seats: Vec<Seat>,
    put_off: Vec<Waker>,
    queued: BTreeMap<u32, Work>,
    waiting: Vec<(Arc<Bell>, Waker)>,
    given: u32,
    waits: u64,
    closed: bool,
    /// A thread was not to be had, so the queued jobs wait for the workers that are there.
    short: bool,
}

fn pick(which: usize, of: &[usize]) -> Option<usize> {
    (!of.is_empty()).then(|| of[which % of.len()])
}

impl House {
    fn new(limits: Limits) -> Self {
        House {
            pool: ThreadPool::new(limits),
            limits,
            seats: Vec::new(),
            put_off: Vec::new(),
            queued: BTreeMap::new(),
            waiting: Vec::new(),
            given: 0,
            waits: 0,
            closed: false,
            short: false,
        }
    }

    fn seats_where(&self, holds: impl Fn(&Seat) -> bool) -> Vec<usize> {
        (0..self.seats.len()).filter(|place| holds(&self.seats[*place])).collect()
    }

    fn pick_seat(&self, which: usize, holds: impl Fn(&Seat) -> bool) -> Option<usize> {
        pick(which, &self.seats_where(holds))
    }

    fn submit(&mut self, priority: i32, bounded: bool, needed: Option<usize>) {
        let waits: Vec<u64> = self.blocked_waits().into_iter().collect();
        let needed_by = needed.and_then(|which| waits.get(which).copied());
        let job = Work { needed_by, ..work(self.given) };
        let full = self.limits.max_queue.is_some_and(|most| self.queued.len() >= most);
        match self.pool.submit(job.clone(), priority, bounded) {
            Ok(step) => {
                assert!(!self.closed);
                assert!(!bounded || !full);
                self.given += 1;
                self.queued.insert(job.number, job);
                self.take(step);
            }
            Err(Refused::Closed(_)) => assert!(self.closed),
            Err(Refused::Full(_)) => assert!(bounded && full && !self.closed),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Nothing => {}
            Step::Wake(worker) => self.put_off.push(worker),
            Step::Start => self.seats.push(Seat::Called),
            Step::Deadlock(wait) => {
                assert!(self.seats.iter().all(|seat| matches!(seat, Seat::Blocked(..))));
                let mut needed = self.queued.values().filter(|job| !job.is_stale());
                assert!(needed.any(|job| job.needed_by == Some(wait)));
                self.give_up_a_wait();
            }
        }
    }

    /// Of the blocked waits that need a queued job, one ends.
    fn give_up_a_wait(&mut self) {
        let place = self.pick_seat(0, |seat| match seat {
            Seat::Blocked(_, wait) => self.is_needed(*wait),
            _ => false,
        });
        if let Some(place) = place {
            self.unblock(place);
        }
    }

    fn is_needed(&self, wait: u64) -> bool {
        self.queued.values().any(|job| job.needed_by == Some(wait) && !job.is_stale())
    }

    fn blocked_waits(&self) -> BTreeSet<u64> {
        let waits = self.seats.iter().filter_map(|seat| match seat {
            Seat::Blocked(_, wait) => Some(*wait),
            _ => None,
        });
        waits.collect()
    }

    fn took(&mut self, taken: Option<Work>, leavings: Leavings<Work>) {
        if let Some(job) = taken {
            assert!(!job.is_stale());
            assert!(self.queued.remove(&job.number).is_some(), "taken before");
        }
        self.clear(leavings);
    }

    fn clear(&mut self, mut leavings: Leavings<Work>) {
        for job in &leavings.stale {
            assert!(job.is_stale());
            assert!(self.queued.remove(&job.number).is_some(), "taken before");
        }
        leavings.clear();
    }

    fn drain(&mut self) {
        for job in self.pool.drain() {
            assert!(self.queued.remove(&job.number).is_some(), "taken before");
        }
        assert!(self.queued.is_empty());
    }

    fn fail_to_start(&mut self, place: usize) {
        self.seats.remove(place);
        self.short = true;
        if self.pool.start_failed() {
            assert!(self.seats.iter().all(|seat| matches!(seat, Seat::Blocked(..))));
            self.drain();
        } else {
            assert!(!self.seats.is_empty());
        }
    }

    fn next(&mut self, place: usize) {
        let (Seat::Entered(mut worker) | Seat::Up(mut worker) | Seat::Running(mut worker)) =
            self.seats.remove(place)
        else {
            unreachable!("not awake");
        };
        let mut leavings = Leavings::default();
        match self.pool.next(&mut worker, &mut leavings) {
            Next::Run(job, step) => {
                self.seats.push(Seat::Running(worker));
                let running = self.seats_where(|seat| matches!(seat, Seat::Running(_)));
                assert!(running.len() <= self.limits.max_workers, "too many run");
                self.took(Some(job), leavings);
                self.take(step);
            }
            Next::Park => {
                self.seats.push(Seat::Lying(worker));
                self.took(None, leavings);
                assert!(self.queued.is_empty() && !self.closed);
            }
            Next::Exit => {
                self.took(None, leavings);
                let all_run = self.pool.state().busy() >= self.limits.max_workers;
                assert!(all_run || self.queued.is_empty(), "left its job alone");
            }
        }
    }

    fn nap(&mut self, place: usize) {
        let Seat::Lying(mut worker) = self.seats.remove(place) else { unreachable!("not lying") };
        let stands = if worker.nap() == Parked::TimedOut {
            self.pool.idled(&mut worker)
        } else {
            Idle::Wanted
        };
        match stands {
            Idle::Wanted => self.seats.push(Seat::Up(worker)),
            Idle::Stays => {
                self.seats.push(Seat::Lying(worker));
                assert!(self.seats.len() <= self.limits.min_workers);
            }
            Idle::Retires => assert!(self.seats.len() >= self.limits.min_workers),
        }
    }

    fn block(&mut self, place: usize) {
        let Seat::Running(worker) = self.seats.remove(place) else { unreachable!("not running") };
        self.waits += 1;
        self.seats.push(Seat::Blocked(worker, self.waits));
        let step = self.pool.begin_blocking();
        self.take(step);
    }

    fn unblock(&mut self, place: usize) {
        let Seat::Blocked(worker, _) = self.seats.remove(place) else {
            unreachable!("not blocked")
        };
        self.pool.end_blocking();
        self.seats.push(Seat::Running(worker));
    }

    fn wait_for_room(&mut self) {
        let (bell, waker) = bell();
        if self.pool.wait_for_room(&waker) {
            self.waiting.push((bell, waker));
        }
    }

    fn rung(&self) -> Vec<usize> {
        (0..self.waiting.len()).filter(|place| self.waiting[*place].0.rung() > 0).collect()
    }

    fn stop_waiting(&mut self, which: usize) {
        let all: Vec<usize> = (0..self.waiting.len()).collect();
        let Some(place) = pick(which, &all) else { return };
        let (bell, waker) = self.waiting.remove(place);
        let was_waiting = self.pool.stop_waiting_for_room(&waker);
        assert_eq!(was_waiting, bell.rung() == 0);
        if !was_waiting && let Some(next) = self.pool.take_waiting_for_room() {
            next.wake();
        }
    }

    fn close(&mut self) {
        let (wake, needs_worker) = self.pool.close();
        self.closed = true;
        wake.into_iter().for_each(Waker::wake);
        assert_eq!(needs_worker, self.seats.is_empty() && !self.queued.is_empty());
        if needs_worker {
            self.pool.claim_worker();
            self.seats.push(Seat::Called);
        }
    }
}
