//! Random operations on a pool, with a second account of everything beside it.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What is done next. The number picks one of those to whom it can be done.
#[derive(Debug, Clone)]
enum Move {
    Submit {
        priority: i32,
        bounded: bool,
        needed: Option<usize>,
    },
    Cancel(usize),
    Withdraw,
    TakeOne,
    Drain,
    WaitForRoom,
    RetryForRoom(usize),
    StopWaiting(usize),
    Enter(usize),
    FailToStart(usize),
    Abandon(usize),
    /// Asks for a job, with the one before done.
    Next(usize),
    Nap(usize),
    GiveLateWakeUp(usize),
    Block(usize),
    Unblock(usize),
    Close,
}

fn moves() -> impl Strategy<Value = Move> {
    let submit = (-1..=1, any::<bool>(), proptest::option::of(0..4usize))
        .prop_map(|(priority, bounded, needed)| Move::Submit { priority, bounded, needed });
    let which = any::<usize>();
    prop_oneof![
        12 => submit,
        2 => which.prop_map(Move::Cancel),
        1 => Just(Move::Withdraw),
        1 => Just(Move::TakeOne),
        3 => Just(Move::WaitForRoom),
        2 => which.prop_map(Move::RetryForRoom),
        1 => which.prop_map(Move::StopWaiting),
        6 => which.prop_map(Move::Enter),
        1 => which.prop_map(Move::FailToStart),
        1 => which.prop_map(Move::Abandon),
        14 => which.prop_map(Move::Next),
        6 => which.prop_map(Move::Nap),
        3 => which.prop_map(Move::GiveLateWakeUp),
        6 => which.prop_map(Move::Block),
        4 => which.prop_map(Move::Unblock),
        1 => prop_oneof![3 => Just(Move::Drain), 1 => Just(Move::Close)],
    ]
}

fn sizes() -> impl Strategy<Value = Limits> {
    (1..4usize, 0..3usize, 0..3usize, proptest::option::of(1..4usize)).prop_map(
        |(max_workers, max_overflow, min_workers, max_queue)| Limits {
            max_workers,
            max_overflow,
            min_workers,
            max_queue,
        },
    )
}

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

    fn make(&mut self, change: Move) {
        match change {
            Move::Submit { priority, bounded, needed } => self.submit(priority, bounded, needed),
            Move::Cancel(which) => {
                let numbers: Vec<u32> = self.queued.keys().copied().collect();
                if !numbers.is_empty() {
                    self.queued[&numbers[which % numbers.len()]].cancel();
                }
            }
            Move::Withdraw => {
                let leavings = self.pool.withdraw_stale();
                self.clear(leavings);
            }
            Move::TakeOne => {
                let mut leavings = Leavings::default();
                let taken = self.pool.take_one(&mut leavings);
                self.took(taken, leavings);
            }
            Move::Drain => self.drain(),
            Move::WaitForRoom => self.wait_for_room(),
            Move::RetryForRoom(which) => {
                if let Some(place) = pick(which, &self.rung()) {
                    self.waiting.remove(place);
                    self.submit(0, true, None);
                }
            }
            Move::StopWaiting(which) => self.stop_waiting(which),
            Move::Close => self.close(),
            other => self.move_worker(&other),
        }
    }

    fn move_worker(&mut self, change: &Move) {
        let called = |seat: &Seat| matches!(seat, Seat::Called);
        match *change {
            Move::Enter(which) => {
                if let Some(place) = self.pick_seat(which, called) {
                    self.seats[place] = Seat::Entered(self.pool.enter());
                }
            }
            Move::FailToStart(which) => {
                if let Some(place) = self.pick_seat(which, called) {
                    self.fail_to_start(place);
                }
            }
            Move::Abandon(which) => {
                let place = self.pick_seat(which, |seat| {
                    matches!(seat, Seat::Entered(_) | Seat::Up(_) | Seat::Running(_))
                });
                if let Some(Seat::Entered(worker) | Seat::Up(worker) | Seat::Running(worker)) =
                    place.map(|place| self.seats.remove(place))
                {
                    let step = self.pool.abandon(worker);
                    self.take(step);
                    // A closed pool without workers is its caller's to empty.
                    if self.closed && self.seats.is_empty() {
                        self.drain();
                    }
                }
            }
            Move::Next(which) => {
                let place = self.pick_seat(which, |seat| {
                    matches!(seat, Seat::Entered(_) | Seat::Up(_) | Seat::Running(_))
                });
                if let Some(place) = place {
                    self.next(place);
                }
            }
            Move::Nap(which) => {
                if let Some(place) = self.pick_seat(which, |seat| matches!(seat, Seat::Lying(_))) {
                    self.nap(place);
                }
            }
            Move::GiveLateWakeUp(which) => {
                if !self.put_off.is_empty() {
                    self.put_off.remove(which % self.put_off.len()).wake();
                }
            }
            Move::Block(which) => {
                if let Some(place) = self.pick_seat(which, |seat| matches!(seat, Seat::Running(_)))
                {
                    self.block(place);
                }
            }
            Move::Unblock(which) => {
                if let Some(place) = self.pick_seat(which, |seat| matches!(seat, Seat::Blocked(..)))
                {
                    self.unblock(place);
                }
            }
            _ => unreachable!("no worker is moved"),
        }
    }

    fn submit(&mut self, priority: i32, bounded: bool, needed: Option<usize>) {
        let waits: Vec<u64> = self.blocked_waits().into_iter().collect();
        let needed_by = needed.and_then(|which| waits.get(which).copied());
        let job = Work { needed_by, ..work(self.given) };
        let full = self.limits.max_queue.is_some_and(|most| self.queued.len() >= most);
        match self.pool.submit(job.clone(), priority, bounded) {
            Ok(step) => {
                assert!(!self.closed && !(bounded && full));
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

    /// Compares the two accounts.
    fn check(&mut self) {
        self.short &= !self.queued.is_empty();
        let state = self.pool.state();
        let lies = |parker: &Arc<Parker>| {
            self.seats.iter().any(
                |seat| matches!(seat, Seat::Lying(worker) if Arc::ptr_eq(&worker.parker, parker)),
            )
        };
        assert!(state.idle.iter().all(lies), "an idle worker that does not lie");
        let count = |holds: fn(&Seat) -> bool| self.seats_where(holds).len();
        let lying = count(|seat| matches!(seat, Seat::Lying(_)));
        let up = count(|seat| matches!(seat, Seat::Up(_)));
        assert_eq!(state.waking, up + lying - state.idle.len());
        assert_eq!(state.starting, count(|seat| matches!(seat, Seat::Called | Seat::Entered(_))));
        assert_eq!(state.blocked, count(|seat| matches!(seat, Seat::Blocked(..))));
        assert_eq!(state.workers, self.seats.len());
        assert!(state.workers <= self.limits.max_workers + self.limits.max_overflow);
        let queued: BTreeSet<u32> = state.queue.iter().map(|job| job.number).collect();
        assert!(queued.iter().eq(self.queued.keys()), "a job was lost");
        assert_eq!(state.queue.len(), queued.len());
        self.check_that_somebody_comes(&state);
        self.check_room(&state);
    }

    fn check_that_somebody_comes(&self, state: &State<Work>) {
        if self.queued.values().all(Work::is_stale) || state.waking + state.starting > 0 {
            return;
        }
        let at_its_limit = state.busy() >= self.limits.max_workers;
        let all_used = state.idle.is_empty() && !state.may_start();
        let short = state.idle.is_empty() && self.short && state.workers > 0;
        assert!(at_its_limit || all_used || short, "a job that nobody comes for");
        if state.active() == 0 {
            let hopeless = |wait: &u64| self.is_needed(*wait);
            assert!(!self.blocked_waits().iter().any(hopeless), "a wait without end");
        }
    }

    fn check_room(&self, state: &State<Work>) {
        let rung = self.rung().len();
        let waiting = self.waiting.len() - rung;
        assert_eq!(state.room.len(), waiting);
        if waiting > 0 {
            assert!(!self.closed);
            let most = self.limits.max_queue.expect("who waits for room knows a bound");
            let room = most.saturating_sub(self.queued.len());
            assert!(room <= rung, "room that nobody was told of");
        }
    }

    /// Everybody does what is left to do.
    fn finish(mut self) {
        self.put_off.drain(..).for_each(Waker::wake);
        self.close();
        while !self.seats.is_empty() {
            for change in [Move::Unblock(0), Move::Enter(0), Move::Nap(0), Move::Next(0)] {
                self.make(change);
                self.check();
            }
            self.put_off.drain(..).for_each(Waker::wake);
        }
        assert!(self.queued.is_empty(), "the last worker left a job");
        assert_eq!(self.pool.counts().submitted, u64::from(self.given));
    }
}

proptest! {
    #[test]
    fn no_job_is_lost_and_somebody_comes_for_each(
        limits in sizes(),
        moves in proptest::collection::vec(moves(), 1..120),
    ) {
        let mut house = House::new(limits);
        for change in moves {
            house.make(change);
            house.check();
        }
        house.finish();
    }
}
