//! How threads of Python wait for one another, and when they are woken.
//!
//! A thread that is woken while its waker still holds the interpreter runs into it and sleeps
//! again. So a wake-up may be *put off* until the waking thread lets go of the interpreter: a
//! thread that is about to park fires what it has put off first. What is put off here is put off by
//! threads that are sure to park or to flush before they run code of others; for all others there
//! is [`guard`]. On builds without a GIL there is nothing to let go of, and every wake-up is given
//! at once.

use super::guard;
use crate::gate;
use nalsil_driver::sys::futex::{self, Slept};
use pyo3::prelude::*;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI8, AtomicU8, AtomicU32, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// The longest that a thread burns its processor before it sleeps.
const SPIN: Duration = Duration::from_micros(20);

/// Whether this process may use more than one processor; on one, spinning keeps from running what
/// is waited for.
static MANY_PROCESSORS: AtomicBool = AtomicBool::new(false);

/// The first time, looks how many processors this process may use.
pub fn look_at_processors_once() {
    static LOOKED: AtomicBool = AtomicBool::new(false);
    if !LOOKED.swap(true, Ordering::Relaxed) {
        look_at_processors();
    }
}

/// Looks how many processors this process may use, cgroups considered.
pub fn look_at_processors() {
    let many = std::thread::available_parallelism().is_ok_and(|count| count.get() > 1);
    MANY_PROCESSORS.store(many && !cfg!(Py_GIL_DISABLED), Ordering::Relaxed);
}

/// Whether spinning is worth a thought in this process.
#[inline]
pub fn may_spin() -> bool {
    MANY_PROCESSORS.load(Ordering::Relaxed)
}

/// Decides before each sleep whether to spin first, by how that went the last times. One thread at
/// a time uses it; the fields are atomic because that may be another one later.
#[derive(Debug, Default)]
pub struct Spin {
    score: AtomicI8,
    sat_out: AtomicU8,
}

impl Spin {
    const MOST: i8 = 4;
    /// Sleeps without a spin after which it is tried again.
    const SIT_OUT: u8 = 64;

    /// How long to spin now.
    pub fn time(&self) -> Option<Duration> {
        if !may_spin() {
            return None;
        }
        if self.score.load(Ordering::Relaxed) < 0 {
            let sat_out = self.sat_out.load(Ordering::Relaxed) + 1;
            self.sat_out.store(sat_out % Self::SIT_OUT, Ordering::Relaxed);
            if sat_out < Self::SIT_OUT {
                return None;
            }
        }
        Some(SPIN)
    }

    /// What a spin has come to.
    pub fn note(&self, caught: bool) {
        let score = self.score.load(Ordering::Relaxed) + if caught { 1 } else { -2 };
        self.score.store(score.clamp(-1, Self::MOST), Ordering::Relaxed);
    }

    /// Spins until `come` or the time is over.
    pub fn until(&self, come: impl Fn() -> bool) -> bool {
        let Some(time) = self.time() else { return false };
        let end = Instant::now() + time;
        let caught = loop {
            if (0..32).any(|_| {
                std::hint::spin_loop();
                come()
            }) {
                break true;
            }
            if Instant::now() >= end {
                break false;
            }
        };
        self.note(caught);
        caught
    }
}

thread_local! {
    static PUT_OFF: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
    static ANY: Cell<bool> = const { Cell::new(false) };
    static PARKER: RefCell<Option<Arc<ThreadParker>>> = const { RefCell::new(None) };
}

/// Puts a wake-up off until this thread parks. For threads that are sure to call [`fire`] soon.
pub fn put_off(waker: Waker) {
    if cfg!(Py_GIL_DISABLED) {
        waker.wake();
        return;
    }
    PUT_OFF.with_borrow_mut(|list| {
        if !list.last().is_some_and(|last| last.will_wake(&waker)) {
            list.push(waker);
        }
    });
    ANY.set(true);
}

/// Gives the wake-ups that were put off. Needs no interpreter. [`clear`] must follow.
pub fn fire() {
    guard::give();
    if ANY.get() {
        PUT_OFF.with_borrow(|list| list.iter().for_each(Waker::wake_by_ref));
    }
}

/// Drops the wake-ups that were given: what they hold may end with them, so attached.
pub fn clear(_py: Python<'_>) {
    if ANY.replace(false) {
        let mut given = PUT_OFF.take();
        given.clear();
        PUT_OFF.with_borrow_mut(|list| {
            // The memory is kept, unless dropping a waker has put off another one.
            if list.is_empty() {
                *list = given;
            }
        });
    }
}

/// Gives the wake-ups that were put off, now.
#[inline]
pub fn flush(py: Python<'_>) {
    if ANY.get() {
        PUT_OFF.with_borrow(|list| list.iter().for_each(Waker::wake_by_ref));
        clear(py);
    }
}

const NOT_WAITING: u32 = 0;
const WAITING: u32 = 1;
const ASLEEP: u32 = 2;
const NOTIFIED: u32 = 3;

/// What a thread of Python waits on. There is one per thread.
pub struct ThreadParker {
    state: AtomicU32,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The waker was used, or one of an earlier wait.
    Woken,
    /// The time is over.
    TimedOut,
}

impl ThreadParker {
    /// That of the calling thread.
    pub fn of_this_thread() -> Arc<Self> {
        PARKER.with_borrow_mut(|place| {
            let new = || Arc::new(ThreadParker { state: AtomicU32::new(NOT_WAITING) });
            Arc::clone(place.get_or_insert_with(new))
        })
    }

    /// What ends the wait. From now on it is not missed.
    pub fn prepare(self: &Arc<Self>) -> Waker {
        self.state.store(WAITING, Ordering::Release);
        Waker::from(Arc::clone(self))
    }

    /// Whether `waker` is one of this thread's.
    pub fn is_behind(self: &Arc<Self>, waker: &Waker) -> bool {
        std::ptr::eq(waker.data(), Arc::as_ptr(self).cast())
    }

    /// What ends a wait of this thread, for those who may at any time.
    pub fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    /// Waits, without the interpreter, and fires what was put off.
    ///
    /// # Errors
    ///
    /// What a signal handler raises.
    pub fn park(&self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<Waited> {
        thread_local! {
            static SPINNING: Spin =
                const { Spin { score: AtomicI8::new(0), sat_out: AtomicU8::new(0) } };
        }
        let slept = gate::detached(py, || {
            fire();
            let come = || self.state.load(Ordering::Acquire) == NOTIFIED;
            if SPINNING.with(|spin| spin.until(come)) { Slept::Woken } else { self.sleep(timeout) }
        });
        self.state.store(NOT_WAITING, Ordering::Release);
        clear(py);
        match slept {
            Slept::Woken => Ok(Waited::Woken),
            Slept::TimedOut => Ok(Waited::TimedOut),
            Slept::Interrupted => py.check_signals().map(|()| Waited::Woken),
        }
    }

    fn sleep(&self, timeout: Option<Duration>) -> Slept {
        if !self.change(WAITING, ASLEEP) {
            return Slept::Woken;
        }
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let slept = futex::sleep_while(&self.state, ASLEEP, left);
            // A wake-up of an earlier wait may come late, and is none of this one.
            let woken = match slept {
                Slept::Woken => self.state.load(Ordering::Acquire) == NOTIFIED,
                Slept::TimedOut | Slept::Interrupted => !self.change(ASLEEP, NOT_WAITING),
            };
            match slept {
                _ if woken => return Slept::Woken,
                Slept::Woken => {}
                ended => return ended,
            }
        }
    }

    fn change(&self, from: u32, to: u32) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Wake for ThreadParker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(NOTIFIED, Ordering::AcqRel) == ASLEEP {
            futex::wake(&self.state);
        }
    }
}
