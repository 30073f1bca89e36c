//! Where the GIL is, learned by holding it.

use crate::capi::{Once, thread_state};
use crate::gate;
use nalsil_report::sampler::{GilPlace, GilState, Memory, Thread, current_thread};
use pyo3::prelude::*;
use std::convert::Infallible;
use std::sync::mpsc;
use std::time::{Duration, Instant};

static PLACE: Once<Option<GilPlace>> = Once::new();

/// A thread that asks for the GIL sleeps within microseconds; a busy machine gets this long.
const PATIENCE: Duration = Duration::from_millis(200);

/// Where the GIL of this process is. `None`: there is none, or it is not where it was on every
/// version that was looked at.
pub fn place(py: Python<'_>) -> Option<GilPlace> {
    let Ok(place) = PLACE.get_or_try(|| Ok::<_, Infallible>(learn(py)));
    *place
}

/// A thread of our own asks for the GIL while this one holds it; where it sleeps is the GIL. Then
/// it takes the GIL, and what was learned must point to it.
fn learn(py: Python<'_>) -> Option<GilPlace> {
    if cfg!(Py_GIL_DISABLED) {
        return None;
    }
    let memory = Memory::own().ok()?;
    let own = current_thread()?;
    let (tell, told) = mpsc::channel();
    let (place_for, place_from) = mpsc::channel();
    let other = std::thread::Builder::new()
        .spawn(move || {
            let number = current_thread();
            // The other end waits for as long as this thread lives.
            let _ = tell.send(number);
            gate::attached(|_| {
                let place: GilPlace = place_from.recv().ok().flatten()?;
                let state = place.state(&Memory::own().ok()?)?;
                (state == GilState::Held(number?)).then_some(place)
            })
        })
        .ok()?;
    let learned = told.recv().ok().flatten().and_then(|asking| {
        let word = sleeping_on(asking)?;
        GilPlace::learn(&memory, word, thread_state(py), own)
    });
    // Nobody receives if the thread has failed; then there is nothing to learn either.
    let _ = place_for.send(learned);
    let verified = gate::detached(py, || other.join().ok().flatten())?;
    (verified.state(&memory)? == GilState::Held(own)).then_some(verified)
}

/// The word that `thread` sleeps on, as soon as it does.
fn sleeping_on(thread: u32) -> Option<u64> {
    let thread = Thread::open(thread).ok()?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(word) = thread.call()?.futex() {
            return Some(word);
        }
    }
    None
}
