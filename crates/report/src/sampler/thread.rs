//! The threads of this process, as the kernel tells of them.

use super::syscall::Call;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

/// Time of a thread in nanoseconds, counted by the kernel since the thread began.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ProcessorTime {
    /// On a processor.
    pub on: u64,
    /// Ready to run, in the queue of a processor.
    pub queued: u64,
}

impl ProcessorTime {
    /// What was added since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        ProcessorTime {
            on: self.on.saturating_sub(earlier.on),
            queued: self.queued.saturating_sub(earlier.queued),
        }
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        ProcessorTime { on: self.on + other.on, queued: self.queued + other.queued }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace().map(str::parse);
        Some(ProcessorTime { on: words.next()?.ok()?, queued: words.next()?.ok()? })
    }

    /// Of the thread that calls. `None`: the kernel does not count.
    #[expect(clippy::disallowed_methods, reason = "not to wait for anybody")]
    pub fn of_this_thread() -> Option<Self> {
        // The kernel adds up when a thread leaves its processor or a tick comes: without this, the
        // last milliseconds would be missing.
        std::thread::yield_now();
        Self::parse(&fs::read_to_string("/proc/thread-self/schedstat").ok()?)
    }

    /// Of the thread `id` of this process. `None`: it is gone, or the kernel does not count.
    pub fn of(id: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/self/task/{id}/schedstat")).ok()?)
    }
}

/// A thread whose files are kept open: a look costs a fifth of one that opens them.
#[derive(Debug)]
pub struct Thread {
    syscall: File,
    schedstat: File,
    stat: File,
}

/// Longer than the longest line that the kernel writes there.
const LINE: usize = 256;
/// Longer than the longest line of `stat`: 52 numbers.
const STAT: usize = 1024;

impl Thread {
    /// The thread `id` of this process.
    ///
    /// # Errors
    ///
    /// It is gone, or the kernel gives no such view.
    pub fn open(id: u32) -> io::Result<Self> {
        let file = |name| File::open(format!("/proc/self/task/{id}/{name}"));
        Ok(Thread { syscall: file("syscall")?, schedstat: file("schedstat")?, stat: file("stat")? })
    }

    /// What it does now. `None`: it is gone.
    pub fn call(&self) -> Option<Call> {
        let mut line = [0; LINE];
        Call::parse(text(&self.syscall, &mut line)?)
    }

    /// Its times. `None`: it is gone, or the kernel does not count.
    pub fn time(&self) -> Option<ProcessorTime> {
        let mut line = [0; LINE];
        ProcessorTime::parse(text(&self.schedstat, &mut line)?)
    }

    /// The processor that it runs on, or ran on last.
    pub fn processor(&self) -> Option<usize> {
        self.field(39)
    }

    /// How many threads its process has.
    pub fn siblings(&self) -> Option<usize> {
        self.field(20)
    }

    fn field(&self, number: usize) -> Option<usize> {
        let mut line = [0; STAT];
        stat_field(text(&self.stat, &mut line)?, number)
    }
}

fn text<'a>(file: &File, into: &'a mut [u8]) -> Option<&'a str> {
    let length = file.read_at(into, 0).ok()?;
    std::str::from_utf8(&into[..length]).ok()
}

/// One of the fields of `stat`, which are counted from one. The second is the name of the thread:
/// it may hold anything.
fn stat_field(stat: &str, number: usize) -> Option<usize> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// The number of the thread that calls, as the kernel knows it. `None`: the system has no `/proc`.
pub fn current_thread() -> Option<u32> {
    fs::read_link("/proc/thread-self").ok()?.file_name()?.to_str()?.parse().ok()
}

/// The numbers of the threads of this process.
pub fn threads() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_finds_itself() {
        let own = current_thread().expect("Linux has /proc");
        assert!(threads().contains(&own));
        let thread = Thread::open(own).expect("its files");
        let Some(Call::Asleep { number, .. }) = thread.call() else { panic!("it reads") };
        assert_eq!(number, libc::SYS_pread64);
        assert!(thread.processor().is_some());
        assert!(thread.siblings() >= Some(1));
        assert_eq!(stat_field("7 (a) b) R 1 2", 4), Some(1));
        assert_eq!(stat_field("7 (a) b) R 1 2", 39), None);
        let before = ProcessorTime::of(own).expect("counted");
        let mut now = ProcessorTime::of_this_thread().expect("counted");
        while now.since(before).on == 0 {
            now = ProcessorTime::of_this_thread().expect("counted");
        }
        assert!(now.on > before.on);
    }
}
