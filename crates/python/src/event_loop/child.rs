//! The start of a child process, on a thread that never meets Python.

use super::{EventLoop, Ready, Source};
use crate::capi::{Obj, Visit};
use crate::errors;
use nalsil_driver::sys::spawn::{self, Child, Command, SignalMask, Step};
use nalsil_driver::{Event, Interest, Outcome, Spawning, Token};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use std::ffi::CString;
use std::os::fd::{IntoRawFd, RawFd};
use std::sync::Arc;

/// Makes child processes on threads of its own.
#[pyclass(frozen, module = "nalsil._nalsil")]
pub struct Spawner(nalsil_driver::Spawner);

#[pymethods]
impl Spawner {
    #[new]
    fn new() -> Self {
        Spawner(nalsil_driver::Spawner::default())
    }

    /// Return whether the system has what it takes.
    #[staticmethod]
    fn is_supported() -> bool {
        spawn::is_supported()
    }
}

/// What Python says of the program; the driver's `Command` explains it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Plan {
    programs: Vec<PyBackedBytes>,
    arguments: Vec<PyBackedBytes>,
    environment: Option<Vec<PyBackedBytes>>,
    directory: Option<PyBackedBytes>,
    stdio: [RawFd; 3],
    keep: Option<Vec<RawFd>>,
    umask: Option<u32>,
    new_session: bool,
    process_group: Option<i32>,
    groups: Option<Vec<u32>>,
    group: Option<u32>,
    user: Option<u32>,
    restore_signals: bool,
}

fn c_string(bytes: &PyBackedBytes) -> PyResult<CString> {
    CString::new(&**bytes).map_err(|_| PyValueError::new_err("embedded null byte"))
}

fn c_strings(list: &[PyBackedBytes]) -> PyResult<Vec<CString>> {
    list.iter().map(c_string).collect()
}

impl Plan {
    fn command(&self) -> PyResult<Command> {
        Ok(Command {
            programs: c_strings(&self.programs)?,
            arguments: c_strings(&self.arguments)?,
            environment: match &self.environment {
                Some(list) => c_strings(list)?,
                // Python changes it only while it is attached, as this thread is.
                None => spawn::environment(),
            },
            directory: self.directory.as_ref().map(c_string).transpose()?,
            stdio: self.stdio,
            keep: self.keep.clone(),
            umask: self.umask,
            new_session: self.new_session,
            process_group: self.process_group,
            groups: self.groups.clone(),
            group: self.group,
            user: self.user,
            restore_signals: self.restore_signals,
            signal_mask: SignalMask::of_this_thread(),
        })
    }
}

/// A child process that is being made, and whom to tell.
pub struct Start {
    spawning: Arc<Spawning>,
    spawner: nalsil_driver::Spawner,
    done: Obj,
}

impl Start {
    /// For the garbage collector.
    pub fn traverse(&self, visit: &mut Visit<'_>) {
        visit.object(&self.done);
    }

    /// Gives it up for good: whatever child there is, or will be, is killed and waited for.
    pub fn bury(&self) {
        self.spawning.abandon();
        if let Outcome::Started(child) = self.spawning.take() {
            self.spawner.bury(child);
        }
    }

    /// Tells what came of it.
    ///
    /// # Errors
    ///
    /// An exception that ends the run.
    pub fn tell(&self, slf: &Bound<'_, EventLoop>) -> PyResult<()> {
        let (pid, pidfd, number, step) = match self.spawning.take() {
            Outcome::Started(Child { pid, pidfd }) => {
                (pid, pidfd.map_or(-1, IntoRawFd::into_raw_fd), 0, "")
            }
            Outcome::Failed(failure) => (0, -1, failure.number, name_of(failure.step)),
            Outcome::Abandoned => (0, -1, 0, ""),
        };
        match self.done.bind(slf.py()).call1((pid, pidfd, number, step)) {
            Ok(_) => Ok(()),
            Err(error) => errors::report(slf, "Exception in the start of a child", error, &[]),
        }
    }
}

fn name_of(step: Step) -> &'static str {
    match step {
        Step::Directory => "directory",
        Step::Program => "program",
        Step::Other => "other",
    }
}

#[pymethods]
impl EventLoop {
    /// Start a child as plan says, then call done(pid, pidfd, errno, step) on the loop.
    ///
    /// pid is 0 if there is no child, and errno too if that was wished. Returns the number under
    /// which _abandon_child() knows it.
    #[pyo3(signature = (spawner, plan, done, /))]
    fn _start_child(
        slf: &Bound<'_, Self>,
        spawner: &Bound<'_, Spawner>,
        plan: Plan,
        done: &Bound<'_, PyAny>,
    ) -> PyResult<u64> {
        let (py, this) = (slf.py(), slf.get());
        this.check_open()?;
        let command = plan.command()?;
        drop(plan);
        let (spawner, spawning) = (spawner.get().0.clone(), Spawning::new(command));
        let start = Start {
            spawning: Arc::clone(&spawning),
            spawner: spawner.clone(),
            done: Obj::from(done),
        };
        let token = this.state(py, |state| state.sources.insert(Source::Start(start)));
        let (inbox, ready) = (this.inbox.clone(), Event { token, ready: Interest::READABLE });
        spawner.start(&spawning, move || inbox.push(Ready::Io(ready)));
        Ok(token.to_bits())
    }

    /// Give a start up: a child that does not run yet is killed and waited for, then done is called.
    #[pyo3(signature = (number, /))]
    fn _abandon_child(slf: &Bound<'_, Self>, number: u64) {
        let start =
            slf.get().state(slf.py(), |state| match state.sources.get(Token::from_bits(number)) {
                Some(Source::Start(start)) => Some(Arc::clone(&start.spawning)),
                _ => None,
            });
        if let Some(spawning) = start {
            spawning.abandon();
        }
    }
}
