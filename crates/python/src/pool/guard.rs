//! Wake-ups of workers, put off by threads that may never park.
//!
//! Who submits a job usually waits for it next, and the best moment to wake the worker is when it
//! lets go of the interpreter for that. But nobody knows: it may as well compute for a second, or
//! sleep. So while jobs follow one another closely a guard looks every [`TICK`] for wake-ups that
//! are still not given, and gives them. When there is nothing to guard it sleeps, and wake-ups are
//! given at once.
//!
//! The protocol has two sides. Who puts a wake-up off stores it, then looks whether the guard is on
//! duty; the guard goes off duty, then looks through what is stored. The lock of the list orders the
//! two looks, so at least one side sees the other.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How often the guard looks: the longest that a wake-up waits. On one processor a look costs as
/// much as a round trip to a worker, so they are not to be many.
const TICK: Duration = Duration::from_millis(2);
/// Looks without anything to guard after which the guard sleeps.
const QUIET_TICKS: u32 = 10;
/// Two wake-ups of one thread within this time call for the guard.
const CLOSE: Duration = Duration::from_micros(500);

/// What one thread has put off.
#[derive(Default)]
struct List {
    /// Nearly always the only one.
    first: Option<Waker>,
    more: Vec<Waker>,
}

impl List {
    fn push(&mut self, waker: Waker) {
        match &self.first {
            None => self.first = Some(waker),
            Some(first) if first.will_wake(&waker) => {}
            Some(_) => self.more.push(waker),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of these locks is held, and a list is valid at every moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the wake-ups of a list. Returns whether there were any.
fn give_all(list: &Mutex<List>) -> bool {
    let (first, more) = {
        let mut list = lock(list);
        if list.first.is_none() {
            return false;
        }
        (list.first.take(), std::mem::take(&mut list.more))
    };
    first.into_iter().chain(more).for_each(Waker::wake);
    true
}

/// A worker that sleeps without a timer, because the guard will call it when it goes off duty.
struct Sleeper {
    untimed: AtomicBool,
    thread: Thread,
}

/// The guard of this process.
#[derive(Default)]
struct Guard {
    on_duty: AtomicBool,
    sleepers: Mutex<Vec<Weak<Sleeper>>>,
    lists: Mutex<Vec<Weak<Mutex<List>>>>,
    thread: Mutex<Option<Thread>>,
}

impl Guard {
    fn call(&'static self) {
        let mut thread = lock(&self.thread);
        if thread.is_none() {
            let guard = std::thread::Builder::new().name("nalsil-guard".into());
            // Without a thread nothing is put off, which is as right and not as fast.
            let Ok(started) = guard.spawn(|| self.watch()) else { return };
            *thread = Some(started.thread().clone());
        }
        self.on_duty.store(true, Ordering::SeqCst);
        if let Some(thread) = &*thread {
            thread.unpark();
        }
    }

    fn watch(&self) -> ! {
        let mut quiet = 0;
        loop {
            if !self.on_duty.load(Ordering::SeqCst) {
                std::thread::park();
                continue;
            }
            std::thread::park_timeout(TICK);
            quiet = if self.look() { 0 } else { quiet + 1 };
            if quiet == QUIET_TICKS {
                quiet = 0;
                self.on_duty.store(false, Ordering::SeqCst);
                self.look();
                self.call_sleepers();
            }
        }
    }

    fn call_sleepers(&self) {
        lock(&self.sleepers).retain(|sleeper| match sleeper.upgrade() {
            Some(sleeper) => {
                if sleeper.untimed.load(Ordering::SeqCst) {
                    sleeper.thread.unpark();
                }
                true
            }
            None => false,
        });
    }

    /// Gives what is in any list. Returns whether anything was there.
    fn look(&self) -> bool {
        let mut lists = lock(&self.lists);
        let mut found = false;
        lists.retain(|list| match list.upgrade() {
            Some(list) => {
                found |= give_all(&list);
                true
            }
            None => false,
        });
        found
    }
}

/// What a thread has to do with the guard.
struct Own {
    guard: &'static Guard,
    list: Arc<Mutex<List>>,
    /// When it last woke somebody at once.
    woke: Instant,
    /// If it is a worker that has slept.
    sleeper: Option<Arc<Sleeper>>,
}

static GUARD: Mutex<Option<&'static Guard>> = Mutex::new(None);

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
    static ANY: Cell<bool> = const { Cell::new(false) };
}

impl Drop for Own {
    fn drop(&mut self) {
        // The thread ends, and nobody else will meet the list.
        give_all(&self.list);
    }
}

impl Own {
    fn new() -> Self {
        let guard = *lock(&GUARD).get_or_insert_with(|| Box::leak(Box::default()));
        let list = Arc::default();
        lock(&guard.lists).push(Arc::downgrade(&list));
        Own { guard, list, woke: Instant::now(), sleeper: None }
    }

    fn watches_sleep(&mut self) -> bool {
        let guard = self.guard;
        if !guard.on_duty.load(Ordering::SeqCst) {
            return false;
        }
        let sleeper = self.sleeper.get_or_insert_with(|| {
            let thread = std::thread::current();
            let sleeper = Arc::new(Sleeper { untimed: AtomicBool::new(false), thread });
            lock(&guard.sleepers).push(Arc::downgrade(&sleeper));
            sleeper
        });
        // The guard goes off duty first and looks then, so one of the two sees the other.
        sleeper.untimed.store(true, Ordering::SeqCst);
        guard.on_duty.load(Ordering::SeqCst)
    }

    fn put_off(&mut self, waker: Waker) {
        if self.guard.on_duty.load(Ordering::SeqCst) {
            lock(&self.list).push(waker);
            ANY.set(true);
            if !self.guard.on_duty.load(Ordering::SeqCst) {
                give_all(&self.list);
            }
            return;
        }
        waker.wake();
        let now = Instant::now();
        if now.duration_since(std::mem::replace(&mut self.woke, now)) < CLOSE {
            self.guard.call();
        }
    }
}

/// Puts the wake-up of a worker off, if somebody watches over it.
pub fn put_off(waker: Waker) {
    if cfg!(Py_GIL_DISABLED) {
        waker.wake();
        return;
    }
    OWN.with_borrow_mut(|own| own.get_or_insert_with(Own::new).put_off(waker));
}

/// Whether this thread, a worker, may sleep without a timer: it will be called when that ends.
pub fn watches_sleep() -> bool {
    OWN.with_borrow_mut(|own| own.get_or_insert_with(Own::new).watches_sleep())
}

/// The sleep of this thread is over.
pub fn ends_sleep() {
    OWN.with_borrow(|own| {
        if let Some(sleeper) = own.as_ref().and_then(|own| own.sleeper.as_ref()) {
            sleeper.untimed.store(false, Ordering::Relaxed);
        }
    });
}

/// Gives what this thread has put off. Needs no interpreter.
#[inline]
pub fn give() {
    if ANY.replace(false) {
        OWN.with_borrow(|own| own.as_ref().map(|own| give_all(&own.list)));
    }
}

/// The child of a fork has no guard, and its locks may be those that the parent's had taken.
pub fn forget() {
    let _never_dropped = ManuallyDrop::new(OWN.take());
    ANY.set(false);
    *lock(&GUARD) = None;
}
