//! Sleep until something is ready: I/O, timers, or a wake-up from another thread.
//!
//! The crate knows no Python. What is ready is a `T` of the caller's choice, so the whole turn of
//! a loop is tested here with integers. It follows a split known from tokio:
//!
//! - [`Core<T>`] is what only the running thread touches: ready queue, timers, the events last
//!   reported. No lock.
//! - [`Shared<T>`] is what other threads touch: the inbox and the wake-up.
//! - [`Handle<T>`] is what other threads hold.
//!
//! Beside it, [`Spawner`] makes child processes on threads of its own.
//!
//! Everything that depends on the system stands in [`sys`].

mod core;
mod event;
mod inbox;
mod slab;
mod spawner;
mod spin;
#[cfg_attr(loom, allow(dead_code))]
mod sync;
pub mod sys;
mod timers;

pub use crate::core::{Core, Wait};
pub use event::{Event, Events, Interest, Token, Trigger};
pub use inbox::{Handle, Shared};
pub use slab::Slab;
pub use spawner::{Outcome, Spawner, Spawning};
pub use timers::{Cancellable, Timers};
