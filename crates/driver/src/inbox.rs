//! What other threads give to the loop, and how they wake it.
//!
//! The protocol has two sides. A producer puts its item in the inbox, then looks at `parked`; the
//! loop sets `parked`, then looks at the inbox. The inbox's lock orders the two looks, so at least
//! one side sees the other: either the loop finds the item and does not sleep, or the producer
//! finds the loop parked and wakes it. The producer that wakes it also clears `parked`, so a burst
//! costs one system call.
//!
//! A loop that expects an item at any moment may *spin* before it sleeps: it is parked in a way that
//! costs its waker no system call.

use crate::sync::{Arc, AtomicBool, AtomicU8, Mutex, MutexGuard, Ordering};
use crate::sys::Wake;
use nalsil_observe::LoopCounters;
use std::io;

/// The loop runs.
const AWAKE: u8 = 0;
/// The loop looks at this very place again and again.
const SPINNING: u8 = 1;
/// The loop sleeps, or is about to.
const ASLEEP: u8 = 2;

/// What threads other than the loop's touch.
#[derive(Debug)]
pub struct Shared<T, W = Wake> {
    inbox: Mutex<Vec<T>>,
    /// Whether the inbox has items, as a hint that is read without the lock.
    filled: AtomicBool,
    /// One of the three below.
    parked: AtomicU8,
    wake: W,
    counters: LoopCounters,
}

/// What threads other than the loop's hold.
#[derive(Debug)]
pub struct Handle<T, W = Wake>(Arc<Shared<T, W>>);

impl<T, W> Clone for Handle<T, W> {
    fn clone(&self) -> Self {
        Handle(Arc::clone(&self.0))
    }
}

impl<T, W> std::ops::Deref for Handle<T, W> {
    type Target = Shared<T, W>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Ends the sleep of a loop.
pub trait Unpark {
    /// Makes the present or the next sleep return at once.
    fn unpark(&self);
}

impl<T, W: Unpark> Handle<T, W> {
    /// An empty inbox whose loop is woken by `wake`.
    pub fn new(wake: W) -> Self {
        Handle(Arc::new(Shared {
            inbox: Mutex::new(Vec::new()),
            filled: AtomicBool::new(false),
            parked: AtomicU8::new(AWAKE),
            wake,
            counters: LoopCounters::default(),
        }))
    }
}

impl<T, W: Unpark> Shared<T, W> {
    fn inbox(&self) -> MutexGuard<'_, Vec<T>> {
        // Nothing panics while the lock is held, and a queue is valid at every moment anyway.
        self.inbox.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Gives `item` to the loop, and wakes it if it sleeps. Items of one thread keep their order.
    pub fn push(&self, item: T) {
        self.enqueue(item);
        self.unpark();
    }

    /// Gives `item` to the loop. [`Shared::unpark`] must follow, from the same thread.
    pub fn enqueue(&self, item: T) {
        let mut inbox = self.inbox();
        inbox.push(item);
        self.filled.store(true, Ordering::Relaxed);
    }

    /// Wakes the loop if it sleeps.
    pub fn unpark(&self) {
        // The load keeps producers off the cache line while the loop is busy.
        let parked = self.parked.load(Ordering::SeqCst) != AWAKE;
        if parked && self.parked.swap(AWAKE, Ordering::SeqCst) == ASLEEP {
            self.wake.unpark();
        }
    }

    /// Announces that the loop is about to sleep. `false`: it must not, the inbox has items.
    pub fn prepare_park(&self) -> bool {
        self.announce(ASLEEP)
    }

    /// Announces that the loop is about to spin. `false`: it must not, the inbox has items.
    pub fn prepare_spin(&self) -> bool {
        self.announce(SPINNING)
    }

    fn announce(&self, how: u8) -> bool {
        self.parked.swap(how, Ordering::SeqCst);
        if self.inbox().is_empty() {
            return true;
        }
        self.parked.swap(AWAKE, Ordering::SeqCst);
        false
    }

    /// Whether a loop that spins has been woken.
    #[inline]
    pub fn is_woken(&self) -> bool {
        self.parked.load(Ordering::SeqCst) == AWAKE
    }

    /// Announces that a loop that has spun in vain is about to sleep. `false`: it must not, it was
    /// woken.
    pub fn park_after_spin(&self) -> bool {
        let asleep =
            self.parked.compare_exchange(SPINNING, ASLEEP, Ordering::SeqCst, Ordering::SeqCst);
        asleep.is_ok()
    }

    /// Announces that the loop is awake.
    pub fn finish_park(&self) {
        self.parked.swap(AWAKE, Ordering::SeqCst);
    }

    /// Exchanges the inbox for the empty `batch`.
    pub fn take(&self, batch: &mut Vec<T>) {
        debug_assert!(batch.is_empty());
        let mut inbox = self.inbox();
        std::mem::swap(&mut *inbox, batch);
        self.filled.store(false, Ordering::Relaxed);
    }

    /// Whether the inbox has items. What another thread pushes at this moment may be missed; what
    /// this thread, or one that it has waited for, has pushed is not.
    #[inline]
    pub fn has_items(&self) -> bool {
        self.filled.load(Ordering::Relaxed)
    }

    /// Looks at every item that waits in the inbox.
    pub fn for_each(&self, look: impl FnMut(&T)) {
        self.inbox().iter().for_each(look);
    }

    /// What wakes the loop.
    pub fn wake(&self) -> &W {
        &self.wake
    }

    /// The counters that the loop publishes.
    pub fn counters(&self) -> &LoopCounters {
        &self.counters
    }
}

impl Unpark for Wake {
    fn unpark(&self) {
        // A full counter means that a wake-up is pending already; other errors cannot happen on
        // a descriptor that this object owns.
        let _: io::Result<()> = self.signal();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Unpark for Counting {
        fn unpark(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_busy_loop_is_not_woken_and_a_sleeping_one_once_per_batch() {
        let handle = Handle::new(Counting::default());
        handle.push(1);
        assert_eq!(handle.wake().0.load(Ordering::SeqCst), 0);
        assert!(!handle.prepare_park(), "an item waits");
        let mut batch = Vec::new();
        handle.take(&mut batch);
        assert_eq!(batch, [1]);
        assert!(handle.prepare_park());
        for item in 2..10 {
            handle.push(item);
        }
        assert_eq!(handle.wake().0.load(Ordering::SeqCst), 1);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::Condvar;
    use loom::thread;

    /// A wake-up as an eventfd behaves: a signal before the sleep ends the sleep.
    #[derive(Default)]
    struct Sleep {
        signalled: Mutex<bool>,
        changed: Condvar,
    }

    impl Sleep {
        fn sleep(&self) {
            let mut signalled = self.signalled.lock().unwrap();
            while !*signalled {
                signalled = self.changed.wait(signalled).unwrap();
            }
            *signalled = false;
        }
    }

    impl Unpark for Sleep {
        fn unpark(&self) {
            *self.signalled.lock().unwrap() = true;
            self.changed.notify_one();
        }
    }

    fn receive(handle: &Handle<u32, Sleep>, wanted: usize) -> Vec<u32> {
        let (mut seen, mut batch) = (Vec::new(), Vec::new());
        while seen.len() < wanted {
            if handle.prepare_park() {
                handle.wake().sleep();
            }
            handle.finish_park();
            handle.take(&mut batch);
            seen.append(&mut batch);
        }
        seen
    }

    #[test]
    fn no_item_is_lost_and_no_sleep_is_endless() {
        loom::model(|| {
            let handle = Handle::new(Sleep::default());
            let producers: Vec<_> = [1, 2]
                .map(|item| {
                    let handle = handle.clone();
                    thread::spawn(move || handle.push(item))
                })
                .into_iter()
                .collect();
            let mut seen = receive(&handle, 2);
            seen.sort_unstable();
            assert_eq!(seen, [1, 2]);
            for producer in producers {
                producer.join().unwrap();
            }
        });
    }

    #[test]
    fn a_loop_that_spins_first_misses_nothing() {
        loom::model(|| {
            let handle = Handle::new(Sleep::default());
            let producers = [1, 2].map(|item| {
                let handle = handle.clone();
                thread::spawn(move || handle.push(item))
            });
            let (mut seen, mut batch) = (Vec::new(), Vec::new());
            while seen.len() < 2 {
                // One look stands for a spin: the model tries every moment for it.
                if handle.prepare_spin() && !handle.is_woken() && handle.park_after_spin() {
                    handle.wake().sleep();
                }
                handle.finish_park();
                handle.take(&mut batch);
                seen.append(&mut batch);
            }
            for producer in producers {
                producer.join().unwrap();
            }
        });
    }

    #[test]
    fn one_producer_keeps_its_order() {
        loom::model(|| {
            let handle = Handle::new(Sleep::default());
            let producer = {
                let handle = handle.clone();
                thread::spawn(move || {
                    handle.push(1);
                    handle.push(2);
                })
            };
            assert_eq!(receive(&handle, 2), [1, 2]);
            producer.join().unwrap();
        });
    }
}
