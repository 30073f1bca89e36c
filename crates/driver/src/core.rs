//! One turn of a loop, without the running of it.
//!
//! The order is asyncio's: callbacks that were ready, then I/O events, then due timers; what these
//! schedule runs in the next turn. The caller runs the items one by one between calls, so nothing
//! here is borrowed while an item runs.

use crate::event::{Event, Events};
use crate::inbox::Handle;
use crate::spin::{self, Spin};
use crate::timers::{Cancellable, Timers};
use nalsil_observe::LoopBatch;
use std::collections::VecDeque;
use std::time::Duration;

/// Turns that may pass without a look at the system while callbacks are ready: together with
/// [`MAX_ITEMS`] and [`MAX_SECONDS`] the bound on how long I/O waits for callbacks that always
/// schedule the next.
const MAX_TURNS: u32 = 64;
/// Items that may run without a look at the system.
const MAX_ITEMS: usize = 512;
/// Seconds that may pass without a look at the system.
const MAX_SECONDS: f64 = 100e-6;
/// The longest sleep that is asked of the system, in seconds: asyncio's bound of one day.
const MAX_SLEEP: f64 = 24.0 * 3600.0;

/// What to do before the next items are run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wait {
    /// Run at once: callbacks are ready and the system was asked not long ago.
    Skip,
    /// Ask the system, without sleeping.
    Poll,
    /// Sleep until something happens, or for that long.
    Park(Option<Duration>),
    /// The same, but look again for a moment before. [`Core::note_spin`] follows.
    SpinAndPark(Option<Duration>),
}

/// What only the loop's own thread touches.
#[derive(Debug)]
pub struct Core<T> {
    ready: VecDeque<T>,
    timers: Timers<T>,
    /// Taken out while the thread waits, because others may then reach the rest of the core.
    events: Option<Events>,
    inbox_batch: Vec<T>,
    discarded: Vec<T>,
    turns_unpolled: u32,
    items_unpolled: usize,
    /// Whether and when to look again before a sleep; `None`: never.
    spin: Option<Spin>,
    /// Second of the last look, unless it was just now and nobody has read the clock since.
    polled_at: Option<f64>,
    /// Second in which the last sleep began, until it is known what ended it.
    parked_at: Option<f64>,
    events_found: bool,
    counts: LoopBatch,
}

impl<T: Cancellable> Default for Core<T> {
    fn default() -> Self {
        Core {
            ready: VecDeque::new(),
            timers: Timers::default(),
            events: Some(Events::default()),
            inbox_batch: Vec::new(),
            discarded: Vec::new(),
            turns_unpolled: 0,
            items_unpolled: 0,
            spin: None,
            polled_at: Some(f64::NEG_INFINITY),
            parked_at: None,
            events_found: false,
            counts: LoopBatch::default(),
        }
    }
}

impl<T: Cancellable> Core<T> {
    /// Schedules `item` for the next turn.
    #[inline]
    pub fn push(&mut self, item: T) {
        self.ready.push_back(item);
    }

    /// Schedules `item` for second `when` of the monotonic clock.
    #[inline]
    pub fn push_timer(&mut self, when: f64, item: T) {
        self.timers.insert(when, item);
    }

    /// See [`Timers::note_cancelled`].
    #[must_use = "dropping an item may run code of the caller's; choose the place"]
    pub fn note_cancelled(&mut self) -> Vec<T> {
        self.timers.note_cancelled()
    }

    /// Makes the next turn ask the system: a run that is one turn long sees I/O as well.
    pub fn begin_run(&mut self) {
        self.turns_unpolled = MAX_TURNS;
    }

    /// Decides what to do before the next turn. `now` reads the monotonic clock in seconds;
    /// `stopping` means that the loop ends after this turn, so it must not sleep.
    pub fn plan(&mut self, now: impl Fn() -> f64, stopping: bool) -> Wait {
        if !self.ready.is_empty() || stopping {
            let fresh = self.turns_unpolled < MAX_TURNS
                && self.items_unpolled < MAX_ITEMS
                && !stopping
                && self.polled_at.is_none_or(|polled| now() - polled < MAX_SECONDS);
            return if fresh { Wait::Skip } else { Wait::Poll };
        }
        self.discard_cancelled_head();
        let now = now();
        match self.timers.earliest() {
            None => self.sleep(None, now),
            Some(when) => {
                let seconds = (when - now).min(MAX_SLEEP);
                if seconds <= 0.0 {
                    Wait::Poll
                } else {
                    // Rounded up, so that the sleep does not end just before the timer is due.
                    self.sleep(
                        Some(Duration::from_secs_f64(seconds) + Duration::from_nanos(1)),
                        now,
                    )
                }
            }
        }
    }

    fn sleep(&mut self, limit: Option<Duration>, now: f64) -> Wait {
        self.parked_at = Some(now);
        let worthwhile = limit.is_none_or(|limit| limit > spin::BOUND)
            && self.spin.as_mut().is_some_and(Spin::is_due);
        if worthwhile { Wait::SpinAndPark(limit) } else { Wait::Park(limit) }
    }

    /// Lets the loop look again before some sleeps. Only for systems with several processors: on
    /// one, looking keeps from running what is waited for.
    pub fn allow_spin(&mut self) {
        self.spin = Some(Spin::default());
    }

    /// Notes whether something came while it was looked again before a sleep.
    pub fn note_spin(&mut self, caught: bool) {
        if let Some(spin) = &mut self.spin {
            spin.note(caught);
        }
    }

    fn discard_cancelled_head(&mut self) {
        while let Some(item) = self.timers.pop_due(f64::NEG_INFINITY) {
            self.discarded.push(item);
        }
    }

    /// Items that nobody will run. The caller drops them where dropping is allowed.
    pub fn take_discarded(&mut self) -> Vec<T> {
        std::mem::take(&mut self.discarded)
    }

    /// Takes the event buffer for a wait.
    pub fn take_events(&mut self) -> Events {
        self.events.take().unwrap_or_default()
    }

    /// Brings the event buffer back, with what the wait found, and queues it as `to_item` says.
    pub fn finish_wait(&mut self, events: Events, slept: bool, to_item: impl Fn(Event) -> T) {
        if let Some(spin) = &mut self.spin {
            spin.note_events(events.iter());
        }
        let before = self.ready.len();
        self.ready.extend(events.iter().map(to_item));
        self.counts.polls += 1;
        self.counts.parks += u64::from(slept);
        let found = self.ready.len() - before;
        self.counts.events += found as u64;
        self.events_found = found > 0;
        self.events = Some(events);
        self.turns_unpolled = 0;
        self.items_unpolled = 0;
        self.polled_at = None;
    }

    /// Queues what is due at second `now` and returns how many items this turn runs.
    pub fn begin_turn(&mut self, now: impl Fn() -> f64) -> usize {
        self.counts.turns += 1;
        self.turns_unpolled += 1;
        if self.polled_at.is_none() || !self.timers.is_empty() {
            let now = now();
            self.polled_at.get_or_insert(now);
            let timers = self.counts.timers;
            while let Some(item) = self.timers.pop_due(now) {
                self.counts.timers += 1;
                self.ready.push_back(item);
            }
            if let Some(parked) = self.parked_at.take() {
                let due = self.counts.timers > timers;
                self.count_sleep(((now - parked) * 1e9) as u64, due);
            }
        }
        let items = self.ready.len();
        self.items_unpolled += items;
        self.counts.callbacks += items as u64;
        items
    }

    /// Notes what ended a sleep of that many nanoseconds: of several reasons the one that tells
    /// most of what the work waits for.
    fn count_sleep(&mut self, nanoseconds: u64, timers_due: bool) {
        let counts = &mut self.counts;
        *match (self.events_found, timers_due) {
            (true, _) => &mut counts.slept_until_event,
            (false, true) => &mut counts.slept_until_timer,
            (false, false) => &mut counts.slept_until_inbox,
        } += nanoseconds;
    }

    /// Moves the inbox of `handle` behind what is ready.
    #[inline]
    pub fn take_inbox<W: crate::inbox::Unpark>(&mut self, handle: &Handle<T, W>) {
        if handle.has_items() {
            self.take_filled_inbox(handle);
        }
    }

    fn take_filled_inbox<W: crate::inbox::Unpark>(&mut self, handle: &Handle<T, W>) {
        handle.take(&mut self.inbox_batch);
        self.counts.inbox += self.inbox_batch.len() as u64;
        self.ready.extend(self.inbox_batch.drain(..));
    }

    /// The next item of this turn.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.ready.pop_front()
    }

    /// How many items are ready.
    pub fn ready_len(&self) -> usize {
        self.ready.len()
    }

    /// How many timers wait, cancelled ones included.
    pub fn timers_len(&self) -> usize {
        self.timers.len()
    }

    /// What was counted so far.
    pub fn counts(&self) -> &LoopBatch {
        &self.counts
    }

    /// Every item that the core holds.
    pub fn items(&self) -> impl Iterator<Item = &T> {
        self.ready.iter().chain(self.timers.iter()).chain(&self.discarded).chain(&self.inbox_batch)
    }

    /// Takes every item out.
    pub fn drain(&mut self) -> Vec<T> {
        let mut items: Vec<T> = self.ready.drain(..).collect();
        items.append(&mut self.timers.drain());
        items.append(&mut self.discarded);
        items.append(&mut self.inbox_batch);
        items
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::event::{Interest, Token};
    use crate::inbox::Unpark;
    use std::cell::Cell;

    struct Silent;

    impl Unpark for Silent {
        fn unpark(&self) {}
    }

    impl Cancellable for i32 {
        fn is_cancelled(&self) -> bool {
            *self < 0
        }
    }

    fn run(core: &mut Core<i32>, now: f64) -> Vec<i32> {
        let count = core.begin_turn(|| now);
        (0..count).filter_map(|_| core.pop()).collect()
    }

    #[test]
    fn a_turn_runs_ready_then_timers_and_the_rest_next_turn() {
        let mut core = Core::default();
        core.push_timer(1.0, 10);
        core.push(1);
        core.push(2);
        let count = core.begin_turn(|| 5.0);
        assert_eq!(count, 3);
        assert_eq!(core.pop(), Some(1));
        core.push(3);
        assert_eq!((core.pop(), core.pop()), (Some(2), Some(10)));
        assert_eq!(run(&mut core, 5.0), [3]);
    }

    #[test]
    fn events_come_between_ready_and_timers() {
        let mut core = Core::default();
        core.push_timer(1.0, 10);
        core.push(1);
        let mut events = core.take_events();
        events
            .buffer
            .push_for_test(Event { token: Token::from_bits(7), ready: Interest::READABLE });
        core.finish_wait(events, false, |event| {
            100 + i32::try_from(event.token.to_bits()).unwrap()
        });
        assert_eq!(run(&mut core, 5.0), [1, 107, 10]);
    }

    #[test]
    fn an_empty_core_sleeps_until_the_next_timer() {
        let mut core: Core<i32> = Core::default();
        assert_eq!(core.plan(|| 0.0, false), Wait::Park(None));
        core.push_timer(2.0, 1);
        let Wait::Park(Some(sleep)) = core.plan(|| 0.5, false) else { panic!("no sleep") };
        assert!(sleep >= Duration::from_millis(1500) && sleep < Duration::from_millis(1501));
        assert_eq!(core.plan(|| 2.0, false), Wait::Poll);
        assert_eq!(core.plan(|| 0.5, true), Wait::Poll, "a stopping loop does not sleep");
    }

    #[test]
    fn one_conversation_is_looked_at_again_unless_a_timer_is_near() {
        let mut core: Core<i32> = Core::default();
        let converse = |core: &mut Core<i32>| {
            for _ in 0..100 {
                let mut events = core.take_events();
                let (token, ready) = (Token::from_bits(7), Interest::READABLE);
                events.buffer.clear_for_test();
                events.buffer.push_for_test(Event { token, ready });
                core.finish_wait(events, true, |_| 1);
                run(core, 0.0);
                core.plan(|| 0.0, false);
            }
        };
        converse(&mut core);
        assert_eq!(core.plan(|| 0.0, false), Wait::Park(None), "not allowed");
        core.allow_spin();
        converse(&mut core);
        assert_eq!(core.plan(|| 0.0, false), Wait::SpinAndPark(None));
        core.push_timer(1.0, 1);
        assert!(matches!(core.plan(|| 0.0, false), Wait::SpinAndPark(Some(_))));
        assert!(matches!(core.plan(|| 0.999_99, false), Wait::Park(Some(_))), "10 µs to go");
        core.note_spin(false);
        assert!(matches!(core.plan(|| 0.0, false), Wait::Park(Some(_))), "in vain");
    }

    #[test]
    fn a_cancelled_head_does_not_shorten_the_sleep() {
        let mut core: Core<i32> = Core::default();
        core.push_timer(1.0, -1);
        core.push_timer(3.0, 1);
        let Wait::Park(Some(sleep)) = core.plan(|| 0.0, false) else { panic!("no sleep") };
        assert!(sleep >= Duration::from_secs(3));
        assert_eq!(core.take_discarded(), [-1]);
    }

    #[test]
    fn a_sleep_counts_for_what_ended_it() {
        let mut core: Core<i32> = Core::default();
        let mut sleep = |event: bool, timer: bool| {
            if timer {
                core.push_timer(2.0, 1);
            }
            assert!(matches!(core.plan(|| 1.0, false), Wait::Park(_)));
            let mut events = core.take_events();
            if event {
                let token = Token::from_bits(7);
                events.buffer.push_for_test(Event { token, ready: Interest::READABLE });
            }
            core.finish_wait(events, true, |_| 0);
            run(&mut core, 3.0);
            let counts = core.counts();
            (counts.slept_until_event, counts.slept_until_timer, counts.slept_until_inbox)
        };
        assert_eq!(sleep(false, false), (0, 0, 2_000_000_000));
        assert_eq!(sleep(false, true), (0, 2_000_000_000, 2_000_000_000));
        assert_eq!(sleep(true, true), (2_000_000_000, 2_000_000_000, 2_000_000_000));
    }

    #[test]
    fn callbacks_that_always_schedule_the_next_do_not_starve_io() {
        for seconds in [0.0, 50e-6] {
            let mut core: Core<i32> = Core::default();
            let clock = Cell::new(0.0);
            core.push(1);
            let mut unpolled = 0;
            for _ in 0..10_000 {
                match core.plan(|| clock.get(), false) {
                    Wait::Skip => unpolled += 1,
                    Wait::Poll => {
                        unpolled = 0;
                        let events = core.take_events();
                        core.finish_wait(events, false, |_| 0);
                    }
                    Wait::Park(_) | Wait::SpinAndPark(_) => panic!("work is ready"),
                }
                assert!(unpolled <= if seconds > 0.0 { 2 } else { MAX_TURNS });
                run(&mut core, clock.get());
                clock.set(clock.get() + seconds);
                core.push(1);
            }
        }
    }

    #[test]
    fn the_first_turn_of_a_run_asks_the_system() {
        let mut core: Core<i32> = Core::default();
        let events = core.take_events();
        core.finish_wait(events, false, |_| 0);
        core.push(1);
        assert_eq!(core.plan(|| 0.0, false), Wait::Skip);
        core.begin_run();
        assert_eq!(core.plan(|| 0.0, false), Wait::Poll);
    }

    #[test]
    fn many_items_in_one_turn_lead_to_a_poll() {
        let mut core: Core<i32> = Core::default();
        let events = core.take_events();
        core.finish_wait(events, false, |_| 0);
        for _ in 0..MAX_ITEMS {
            core.push(1);
        }
        assert_eq!(run(&mut core, 0.0).len(), MAX_ITEMS);
        core.push(1);
        assert_eq!(core.plan(|| 0.0, false), Wait::Poll);
    }

    #[test]
    fn the_inbox_goes_behind_what_is_ready() {
        let handle = Handle::new(Silent);
        let mut core = Core::default();
        handle.push(3);
        handle.push(4);
        core.push(1);
        core.take_inbox(&handle);
        assert_eq!(run(&mut core, 0.0), [1, 3, 4]);
        assert_eq!(core.counts().inbox, 2);
    }
}
