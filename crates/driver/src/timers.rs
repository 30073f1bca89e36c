//! Timers in one heap, first by time, then by order of arrival.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Cancelled entries stay in the heap until they are due, or until there are many of them.
const COMPACT_AT_LEAST: usize = 100;

/// What can be cancelled while it waits.
pub trait Cancellable {
    /// Whether it was.
    fn is_cancelled(&self) -> bool;
}

#[derive(Debug)]
struct Entry<T> {
    when: f64,
    sequence: u64,
    item: T,
}

impl<T> Ord for Entry<T> {
    // Reversed: `BinaryHeap` gives the greatest first, and the earliest is wanted.
    fn cmp(&self, other: &Self) -> Ordering {
        other.when.total_cmp(&self.when).then_with(|| other.sequence.cmp(&self.sequence))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

/// Timers keyed by the second of the monotonic clock, as `f64`: that is what callers of
/// `loop.time()` see and compare, so a timer compared in the same unit is never early for them.
#[derive(Debug)]
pub struct Timers<T> {
    heap: BinaryHeap<Entry<T>>,
    sequence: u64,
    cancelled: usize,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Timers { heap: BinaryHeap::new(), sequence: 0, cancelled: 0 }
    }
}

impl<T: Cancellable> Timers<T> {
    /// Adds `item` for the second `when`. Equal times come out in the order of insertion.
    pub fn insert(&mut self, when: f64, item: T) {
        self.sequence += 1;
        self.heap.push(Entry { when, sequence: self.sequence, item });
    }

    /// Counts one entry as cancelled. Returns the cancelled entries when there are so many that
    /// the heap was rebuilt without them: the caller drops them where dropping is allowed.
    #[must_use = "dropping an item may run code of the caller's; choose the place"]
    pub fn note_cancelled(&mut self) -> Vec<T> {
        self.cancelled += 1;
        if self.cancelled < COMPACT_AT_LEAST || self.cancelled * 2 <= self.heap.len() {
            return Vec::new();
        }
        self.cancelled = 0;
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.heap).into_iter().partition(|e| e.item.is_cancelled());
        self.heap = BinaryHeap::from(kept);
        gone.into_iter().map(|entry| entry.item).collect()
    }

    /// The second of the earliest entry. A cancelled one counts until it is removed.
    pub fn earliest(&self) -> Option<f64> {
        self.heap.peek().map(|entry| entry.when)
    }

    /// Takes the earliest entry out if it is due at second `now` or cancelled.
    pub fn pop_due(&mut self, now: f64) -> Option<T> {
        let head = self.heap.peek()?;
        let cancelled = head.item.is_cancelled();
        if head.when > now && !cancelled {
            return None;
        }
        if cancelled {
            self.cancelled = self.cancelled.saturating_sub(1);
        }
        self.heap.pop().map(|entry| entry.item)
    }

    /// How many entries wait, cancelled ones included.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Every entry, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.heap.iter().map(|entry| &entry.item)
    }

    /// Takes every entry out, in no order.
    pub fn drain(&mut self) -> Vec<T> {
        self.cancelled = 0;
        std::mem::take(&mut self.heap).into_iter().map(|entry| entry.item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;
    use std::rc::Rc;

    #[derive(Debug, Clone)]
    struct Item {
        number: usize,
        cancelled: Rc<Cell<bool>>,
    }

    impl Item {
        fn new(number: usize) -> Self {
            Item { number, cancelled: Rc::default() }
        }
    }

    impl Cancellable for Item {
        fn is_cancelled(&self) -> bool {
            self.cancelled.get()
        }
    }

    fn numbers(timers: &mut Timers<Item>, now: f64) -> Vec<usize> {
        std::iter::from_fn(|| timers.pop_due(now)).map(|item| item.number).collect()
    }

    #[test]
    fn equal_times_come_out_in_order_of_insertion() {
        let mut timers = Timers::default();
        for number in 0..50 {
            timers.insert(1.5, Item::new(number));
        }
        assert_eq!(numbers(&mut timers, 1.5), (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_timer_is_not_due_one_step_before_its_time() {
        let mut timers = Timers::default();
        let when = 1_234.567_891_234;
        timers.insert(when, Item::new(0));
        assert!(numbers(&mut timers, f64::from_bits(when.to_bits() - 1)).is_empty());
        assert_eq!(numbers(&mut timers, when), vec![0]);
    }

    #[test]
    fn cancelled_timers_leave_before_they_are_half_of_the_heap() {
        let mut timers = Timers::default();
        let mut dropped = 0;
        for number in 0..100_000 {
            let item = Item::new(number);
            timers.insert(1e9, item.clone());
            item.cancelled.set(true);
            dropped += timers.note_cancelled().len();
            assert!(timers.len() <= 2 * COMPACT_AT_LEAST, "{} wait", timers.len());
        }
        assert!(dropped >= 100_000 - 2 * COMPACT_AT_LEAST);
    }

    #[test]
    fn cancelled_entries_at_the_head_do_not_wait_for_their_time() {
        let mut timers = Timers::default();
        let first = Item::new(1);
        timers.insert(1.0, first.clone());
        timers.insert(2.0, Item::new(2));
        first.cancelled.set(true);
        assert!(timers.note_cancelled().is_empty());
        assert_eq!(timers.pop_due(0.0).map(|item| item.number), Some(1));
        assert_eq!(timers.earliest(), Some(2.0));
    }

    proptest! {
        #[test]
        fn due_timers_come_out_sorted_and_once(
            whens in proptest::collection::vec(0u8..20, 0..300),
            cancel in proptest::collection::vec(any::<bool>(), 300),
        ) {
            let mut timers = Timers::default();
            let items: Vec<_> = whens.iter().enumerate().map(|(number, when)| {
                let item = Item::new(number);
                timers.insert(f64::from(*when), item.clone());
                item
            }).collect();
            let mut gone = Vec::new();
            for (item, _) in items.iter().zip(&cancel).filter(|(_, cancel)| **cancel) {
                item.cancelled.set(true);
                gone.extend(timers.note_cancelled());
            }
            prop_assert!(gone.iter().all(Item::is_cancelled));
            let mut expected: Vec<usize> = (0..items.len()).filter(|n| !cancel[*n]).collect();
            expected.sort_by_key(|number| whens[*number]);
            let mut seen = Vec::new();
            for now in 0..20 {
                while let Some(item) = timers.pop_due(f64::from(now)) {
                    if !item.is_cancelled() {
                        prop_assert_eq!(whens[item.number], now as u8);
                        seen.push(item.number);
                    }
                }
            }
            prop_assert_eq!(seen, expected);
            prop_assert!(timers.is_empty());
        }
    }
}
