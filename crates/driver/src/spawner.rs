//! Threads that make child processes.
//!
//! To make one takes a good part of a millisecond, most of it in the system, and much longer where
//! the program lies on a slow disk. So a loop leaves it to a thread of these, which never meets
//! Python.
//!
//! The threads do not end: a program may have asked the system to end it together with the thread
//! that has made it (`PR_SET_PDEATHSIG`). An idle one costs a few kilobytes and no time.

use crate::sys::spawn::{self, Child, Command, Failure, Memory, Step};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// How many child processes are made at the same time at most. More wait for their turn: what makes
/// them is the system, which gains nothing from a crowd, and the loop's thread wants to run as well.
pub const MOST_THREADS: usize = 4;

/// Bytes of the stack of such a thread; the child has one of its own.
const STACK: usize = 128 * 1024;

type Tell = Box<dyn FnOnce() + Send>;

/// What came of a start.
#[derive(Debug)]
pub enum Outcome {
    /// The child runs.
    Started(Child),
    /// There is no child.
    Failed(Failure),
    /// It was given up, or what came of it was taken before.
    Abandoned,
}

enum State {
    /// No thread has begun.
    Waiting,
    /// A thread is at it.
    Running,
    /// A thread is at it, and shall end what it makes.
    Abandoned,
    Ended(Outcome),
}

/// The start of one child process.
pub struct Spawning {
    command: Command,
    /// The child's pidfd as soon as there is one. Valid only while the state is `Running`.
    pidfd: AtomicI32,
    state: Mutex<State>,
    tell: Mutex<Option<Tell>>,
}

impl std::fmt::Debug for Spawning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spawning").field("command", &self.command).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is locked here is valid at every moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Spawning {
    /// A start that nobody has asked for yet: see [`Spawner::start`].
    pub fn new(command: Command) -> Arc<Self> {
        Arc::new(Spawning {
            command,
            pidfd: AtomicI32::new(-1),
            state: Mutex::new(State::Waiting),
            tell: Mutex::new(None),
        })
    }

    /// Makes the child, unless that is not wanted any more.
    fn run(&self, memory: &mut Option<Memory>) {
        {
            let mut state = lock(&self.state);
            if !matches!(*state, State::Waiting) {
                return;
            }
            *state = State::Running;
        }
        let (pidfd, made) = match use_again(memory) {
            Ok(memory) => spawn::spawn(memory, &self.command, &self.pidfd),
            Err(failure) => (None, Err(failure)),
        };
        let outcome = match made {
            Ok(pid) => Outcome::Started(Child { pid, pidfd }),
            Err(failure) => {
                self.end(Outcome::Failed(failure));
                // Not before: until then somebody may signal the child by this number.
                drop(pidfd);
                return self.tell();
            }
        };
        if let Some(Outcome::Started(child)) = self.end(outcome) {
            child.bury();
        }
        self.tell();
    }

    /// Notes what came of it. Gives it back if that is not wanted any more.
    fn end(&self, outcome: Outcome) -> Option<Outcome> {
        let mut state = lock(&self.state);
        if matches!(*state, State::Abandoned) {
            *state = State::Ended(Outcome::Abandoned);
            return Some(outcome);
        }
        *state = State::Ended(outcome);
        None
    }

    fn tell(&self) {
        let tell = lock(&self.tell).take();
        if let Some(tell) = tell {
            tell();
        }
    }

    /// Gives the start up. A child that is being made is killed, and the thread that makes it waits
    /// for its end. One that runs already is still there to be taken.
    pub fn abandon(&self) {
        let mut state = lock(&self.state);
        match *state {
            State::Waiting => {
                *state = State::Ended(Outcome::Abandoned);
                drop(state);
                self.tell();
            }
            State::Running => {
                let pidfd = self.pidfd.load(Ordering::Acquire);
                if pidfd >= 0 {
                    spawn::kill(pidfd);
                }
                *state = State::Abandoned;
            }
            State::Abandoned | State::Ended(_) => {}
        }
    }

    /// What came of it, once it has told. A child is given out once.
    pub fn take(&self) -> Outcome {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Ended(Outcome::Abandoned)) {
            State::Ended(outcome) => outcome,
            other => {
                *state = other;
                Outcome::Abandoned
            }
        }
    }
}

/// The memory of the children that one thread makes, made with the first of them.
fn use_again(memory: &mut Option<Memory>) -> Result<&mut Memory, Failure> {
    let known = match memory.take() {
        Some(known) => known,
        None => Memory::new().map_err(|error| Failure::of(Step::Other, &error))?,
    };
    Ok(memory.insert(known))
}

enum Work {
    Start(Arc<Spawning>),
    Bury(Child),
}

impl Work {
    fn run(self, memory: &mut Option<Memory>) {
        match self {
            Work::Start(spawning) => spawning.run(memory),
            Work::Bury(child) => child.bury(),
        }
    }
}

#[derive(Default)]
struct Queue {
    work: VecDeque<Work>,
    idle: usize,
    threads: usize,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    come: Condvar,
}

/// Makes child processes on threads of its own. Clones share them.
#[derive(Clone, Default)]
pub struct Spawner(Arc<Shared>);

impl std::fmt::Debug for Spawner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}

impl Spawner {
    /// Lets a thread make the child. When that is over, however it ends, `tell` is called, once and
    /// on any thread. If the system has no thread left, the calling one does it.
    pub fn start(&self, spawning: &Arc<Spawning>, tell: impl FnOnce() + Send + 'static) {
        *lock(&spawning.tell) = Some(Box::new(tell));
        self.give(Work::Start(Arc::clone(spawning)));
    }

    /// Lets a thread kill `child` and wait for its end.
    pub fn bury(&self, child: Child) {
        self.give(Work::Bury(child));
    }

    fn give(&self, work: Work) {
        let mut queue = lock(&self.0.queue);
        queue.work.push_back(work);
        if queue.work.len() <= queue.idle || queue.threads == MOST_THREADS {
            drop(queue);
            self.0.come.notify_one();
        } else if self.start_thread() {
            queue.threads += 1;
        } else if queue.threads == 0 {
            let work = queue.work.pop_back();
            drop(queue);
            work.into_iter().for_each(|work| work.run(&mut None));
        }
    }

    fn start_thread(&self) -> bool {
        let shared = Arc::clone(&self.0);
        let thread = thread::Builder::new().name("nalsil-spawn".into()).stack_size(STACK);
        thread.spawn(move || shared.work()).is_ok()
    }
}

impl Shared {
    fn work(&self) {
        // Signals are for threads of Python.
        spawn::block_signals();
        let mut memory = None;
        loop {
            let mut queue = lock(&self.queue);
            while queue.work.is_empty() {
                queue.idle += 1;
                queue = self.come.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
            }
            let work = queue.work.pop_front();
            drop(queue);
            work.into_iter().for_each(|work| work.run(&mut memory));
        }
    }
}
