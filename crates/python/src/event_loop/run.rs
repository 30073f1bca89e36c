//! The running of the loop: turn after turn until it is stopped.

use super::{EventLoop, Ready, Source, Start, descriptors};
use crate::capi;
use crate::capi::intern;
use crate::gate;
use crate::pool as wakes;
use crate::transport::{Listener, Transport};
use nalsil_driver::sys::time::monotonic;
use nalsil_driver::{Event, Events, Wait};
use pyo3::prelude::*;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What an event leads to, taken out of the loop's state before it is done.
enum Found {
    Transport(Transport),
    Listener(Arc<Listener>),
    Descriptor(descriptors::Woken),
    Start(Start),
}

#[pymethods]
impl EventLoop {
    /// Run until stop() is called.
    fn run_forever(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        this.check_open()?;
        slf.call_method0(intern!(py, "_check_running"))?;
        this.thread.store(capi::thread_ident(), Ordering::Release);
        let outcome = slf.call_method0(intern!(py, "_enter")).and_then(|_| Self::turns(slf));
        wakes::flush(py);
        this.stopping.store(false, Ordering::Release);
        this.thread.store(0, Ordering::Release);
        this.publish(py);
        let left = slf.call_method0(intern!(py, "_leave")).map(drop);
        outcome.and(left)
    }

    /// Stop after the present turn.
    fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }
}

impl EventLoop {
    /// Makes the counts visible to other threads.
    pub(super) fn publish(&self, py: Python<'_>) {
        self.state(py, |state| self.inbox.counters().publish(state.core.counts()));
    }

    fn turns(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        this.state(py, |state| state.core.begin_run());
        loop {
            this.wait(py)?;
            let items = this.state(py, |state| state.core.begin_turn(monotonic));
            for _ in 0..items {
                let Some(item) = this.state(py, |state| state.core.pop()) else { break };
                Self::run_item(slf, item)?;
            }
            if this.stopping.load(Ordering::Acquire) {
                return Ok(());
            }
        }
    }

    /// Takes in what other threads have sent, and waits for events if it is time to.
    fn wait(&self, py: Python<'_>) -> PyResult<()> {
        let stopping = self.stopping.load(Ordering::Acquire);
        let (wait, discarded) = self.state(py, |state| {
            state.core.take_inbox(&self.inbox);
            let wait = state.core.plan(monotonic, stopping);
            (wait, state.core.take_discarded())
        });
        drop(discarded);
        if wait == Wait::Skip {
            wakes::flush(py);
            return Ok(());
        }
        let mut events = self.state(py, |state| state.core.take_events());
        // A short job is under way, or another thread has just been answered: what comes next may
        // be here before a sleep has begun.
        let answers = wait != Wait::Poll
            && wakes::may_spin()
            && (self.hops_under_way.load(Ordering::Relaxed) > 0
                || self.called.load(Ordering::Relaxed)
                    && self.called.swap(false, Ordering::Relaxed));
        let slept = match wait {
            Wait::Skip | Wait::Poll => false,
            Wait::Park(_) if !answers => self.inbox.prepare_park(),
            Wait::Park(_) | Wait::SpinAndPark(_) => self.inbox.prepare_spin(),
        };
        let (found, caught) = if slept {
            self.publish(py);
            let found = gate::detached(py, || {
                wakes::fire();
                self.sleep(&mut events, wait, answers)
            });
            self.inbox.finish_park();
            wakes::clear(py);
            found
        } else {
            wakes::flush(py);
            (self.selector.wait_for(&mut events, Wait::Poll), None)
        };
        self.state(py, |state| {
            if let Some(caught) = caught {
                state.core.note_spin(caught);
            }
            state.core.finish_wait(events, slept, Ready::Io);
            state.core.take_inbox(&self.inbox);
        });
        found.map_err(|error| crate::errors::os_error(&error))?;
        // A signal may have ended the wait; its handler in Python runs here.
        py.check_signals()
    }

    /// Waits as `wait` says; if `answers`, looks for what other threads send first. The second
    /// answer is for [`nalsil_driver::Core::note_spin`].
    fn sleep(
        &self,
        events: &mut Events,
        wait: Wait,
        answers: bool,
    ) -> (io::Result<()>, Option<bool>) {
        if answers {
            let caught = self.spin.until(|| self.inbox.is_woken());
            let caught = caught || !self.inbox.park_after_spin();
            return (self.selector.wait_for(events, if caught { Wait::Poll } else { wait }), None);
        }
        if !matches!(wait, Wait::SpinAndPark(_)) {
            return (self.selector.wait_for(events, wait), None);
        }
        match self.selector.spin(events, || self.inbox.is_woken()) {
            Ok(false) if self.inbox.park_after_spin() => {
                (self.selector.wait_for(events, wait), Some(false))
            }
            spun => (spun.map(drop), Some(true)),
        }
    }

    fn run_item(slf: &Bound<'_, Self>, item: Ready) -> PyResult<()> {
        if slf.get().is_debug() {
            return Self::run_item_timed(slf, item);
        }
        let outcome = Self::run_item_now(slf, &item);
        item.release();
        outcome
    }

    #[inline]
    fn run_item_now(slf: &Bound<'_, Self>, item: &Ready) -> PyResult<()> {
        let py = slf.py();
        match item {
            Ready::Handle(handle) => handle.run(py),
            Ready::ThreadSafe(handle) => handle.run(py),
            Ready::Timer(handle) => {
                handle.leave_heap();
                handle.run(py)
            }
            Ready::Io(event) => Self::dispatch(slf, *event),
            Ready::Start(transport) => transport.start(py),
            Ready::Lost(transport) => transport.lost(py),
            Ready::Decrypt(tls) => tls.go_on_reading(py),
            Ready::Hop(hop) => hop.deliver(py),
            Ready::Call(call) => {
                slf.get().called.store(true, Ordering::Relaxed);
                call.run(slf)
            }
        }
    }

    /// Debug mode: reports what takes long.
    #[cold]
    fn run_item_timed(slf: &Bound<'_, Self>, item: Ready) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let what = match &item {
            Ready::Handle(handle) => Some(handle.bind(py).to_owned()),
            Ready::ThreadSafe(handle) => Some(handle.bind(py).to_owned()),
            Ready::Timer(handle) => Some(handle.bind(py).to_owned()),
            Ready::Start(transport) | Ready::Lost(transport) => {
                Some(transport.object().bind(py).to_owned())
            }
            Ready::Decrypt(tls) => Some(tls.bind(py).to_owned()),
            Ready::Hop(_) => None,
            Ready::Call(call) => call.callable(py),
            Ready::Io(event) => this.state(py, |state| match state.sources.get(event.token) {
                Some(Source::Transport(transport)) => Some(transport.object().bind(py).to_owned()),
                Some(Source::Descriptor(descriptor)) => descriptor.first(py),
                _ => None,
            }),
        };
        let begun = monotonic();
        let outcome = Self::run_item_now(slf, &item);
        let seconds = monotonic() - begun;
        let reported = if seconds >= this.slow_callback_duration() {
            slf.call_method1(intern!(py, "_report_slow"), (what, seconds)).map(drop)
        } else {
            Ok(())
        };
        item.release();
        outcome.and(reported)
    }

    /// A descriptor is ready: one index, one comparison, then its owner.
    #[inline]
    fn dispatch(slf: &Bound<'_, Self>, event: Event) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let found = this.state(py, |state| match state.sources.get_mut(event.token)? {
            Source::Transport(transport) => Some(Found::Transport(transport.clone_ref(py))),
            Source::Listener(listener) => Some(Found::Listener(Arc::clone(listener))),
            Source::Descriptor(descriptor) => {
                Some(Found::Descriptor(descriptor.wake(py, event, &this.selector)))
            }
            Source::Start(_) => match state.sources.remove(event.token)? {
                Source::Start(start) => Some(Found::Start(start)),
                _ => None,
            },
        });
        match found {
            None => Ok(()),
            Some(Found::Transport(transport)) => transport.ready(slf, event),
            Some(Found::Listener(listener)) => listener.accept(slf, event.token),
            Some(Found::Descriptor(woken)) => woken.run(slf),
            Some(Found::Start(start)) => start.tell(slf),
        }
    }
}
