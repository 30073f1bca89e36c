//! Whose turn it is at a handle that several threads may touch.

use crate::capi::thread_ident;
use crate::pool::ThreadParker;
use pyo3::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// A lock that one thread may take several times, and others wait for without the interpreter. It
/// is held while Python runs, so no lock of the system's can be it.
#[derive(Default)]
pub struct Turn(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    /// The thread that has it; zero if none.
    thread: u64,
    waiting: Vec<Waker>,
}

/// The turn is this thread's until this is dropped.
#[must_use = "the turn ends when this is dropped"]
pub struct Held<'a> {
    /// `None` where the thread has taken the turn already.
    turn: Option<&'a Turn>,
}

impl Turn {
    /// Waits until no other thread has the turn, and takes it.
    ///
    /// # Errors
    ///
    /// What a signal handler raises while this waits.
    pub fn take(&self, py: Python<'_>) -> PyResult<Held<'_>> {
        let this_thread = thread_ident();
        loop {
            let mut taken = self.lock();
            if taken.thread == this_thread {
                return Ok(Held { turn: None });
            }
            if taken.thread == 0 {
                taken.thread = this_thread;
                return Ok(Held { turn: Some(self) });
            }
            let parker = ThreadParker::of_this_thread();
            taken.waiting.push(parker.prepare());
            drop(taken);
            parker.park(py, None)?;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Some(turn) = self.turn else { return };
        let mut taken = turn.lock();
        taken.thread = 0;
        let waiting = std::mem::take(&mut taken.waiting);
        drop(taken);
        waiting.into_iter().for_each(Waker::wake);
    }
}
