//! Random operations on a pool; after each, the pool and a second account of it agree.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

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

impl House {
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
