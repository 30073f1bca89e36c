//! Threads that run jobs, without the threads: who takes which job, when a worker more is needed,
//! who is woken, who retires and how it all ends.
//!
//! The caller brings the threads. It starts one when a [`Step`] says so, lets it call
//! [`ThreadPool::enter`] and then [`ThreadPool::next`] again and again, and runs what it gets.
//! Nothing here runs a job, so nothing here can be broken by one.
//!
//! Whoever is waited for is woken through a [`core::task::Waker`], whose firing the caller may put
//! off to a better moment where the step says that it may.
#![forbid(unsafe_code)]

mod parker;
mod pool;
mod queue;
mod sync;

pub use parker::{Idleness, Parked};
pub use pool::{Idle, Leavings, Limits, Next, Refused, Step, ThreadPool, Worker};
pub use queue::Job;
