//! What a thread that sleeps waits for, by the system call that it sleeps in.

use super::descriptors::{self, Held};
use super::memory::Memory;

/// What a thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Another machine or process, over a socket.
    Network,
    /// A file system.
    Disk,
    /// A moment in time.
    Sleep,
    /// A child process, or what comes through a pipe.
    Child,
    /// Another thread.
    Lock,
    /// Any of several: a selector with nothing but timers and wake-ups, or with sockets as well.
    /// What it holds is told apart by the owner of the selector, who knows what ended the wait.
    Selector(Held),
}

/// One reading of `/proc/self/task/TID/syscall`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// On a processor, or waiting for one.
    Running,
    /// Asleep outside of a system call: a page that has to be read first.
    Fault,
    /// Asleep in that system call, with these arguments.
    Asleep {
        /// The number of the system call.
        number: i64,
        /// Its first four arguments.
        arguments: [u64; 4],
    },
}

impl Call {
    /// Reads the kernel's line. `None`: not such a line.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let first = words.next()?;
        if first == "running" {
            return Some(Call::Running);
        }
        let number: i64 = first.parse().ok()?;
        if number < 0 {
            return Some(Call::Fault);
        }
        let mut arguments = [0; 4];
        for argument in &mut arguments {
            *argument = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
        }
        Some(Call::Asleep { number, arguments })
    }

    /// The address that the thread sleeps on, if it sleeps until another one wakes it.
    pub fn futex(&self) -> Option<u64> {
        match *self {
            Call::Asleep { number: libc::SYS_futex, arguments } => Some(arguments[0]),
            _ => None,
        }
    }

    /// What the thread waits for. `None`: it does not.
    pub fn wait(&self, memory: &Memory) -> Option<Wait> {
        match *self {
            Call::Running => None,
            Call::Fault => Some(Wait::Disk),
            Call::Asleep { number, arguments } => Some(sleeping_in(number, &arguments, memory)),
        }
    }
}

fn sleeping_in(number: i64, arguments: &[u64; 4], memory: &Memory) -> Wait {
    match number {
        libc::SYS_futex
        | libc::SYS_flock
        | libc::SYS_fcntl
        | libc::SYS_semop
        | libc::SYS_semtimedop
        | libc::SYS_msgrcv
        | libc::SYS_msgsnd => Wait::Lock,
        libc::SYS_nanosleep
        | libc::SYS_clock_nanosleep
        | libc::SYS_rt_sigtimedwait
        | libc::SYS_rt_sigsuspend
        | libc::SYS_restart_syscall => Wait::Sleep,
        libc::SYS_wait4 | libc::SYS_waitid | libc::SYS_clone | libc::SYS_clone3 => Wait::Child,
        libc::SYS_connect
        | libc::SYS_accept
        | libc::SYS_accept4
        | libc::SYS_recvfrom
        | libc::SYS_recvmsg
        | libc::SYS_recvmmsg
        | libc::SYS_sendto
        | libc::SYS_sendmsg
        | libc::SYS_sendmmsg => Wait::Network,
        libc::SYS_read | libc::SYS_write | libc::SYS_readv | libc::SYS_writev => {
            on_descriptor(arguments[0])
        }
        libc::SYS_splice | libc::SYS_sendfile => on_descriptor(arguments[0]),
        libc::SYS_ppoll => on_polled(arguments, memory),
        libc::SYS_pselect6 => on_selected(arguments, memory),
        libc::SYS_epoll_pwait | libc::SYS_epoll_pwait2 => {
            Wait::Selector(descriptors::of_selector(arguments[0]))
        }
        _ => older(number, arguments, memory),
    }
}

/// The calls that only older machines have; newer ones do the same with others.
#[cfg(target_arch = "x86_64")]
fn older(number: i64, arguments: &[u64; 4], memory: &Memory) -> Wait {
    match number {
        libc::SYS_poll => on_polled(arguments, memory),
        libc::SYS_select => on_selected(arguments, memory),
        libc::SYS_epoll_wait => Wait::Selector(descriptors::of_selector(arguments[0])),
        libc::SYS_pause => Wait::Sleep,
        libc::SYS_fork | libc::SYS_vfork => Wait::Child,
        // What is left and sleeps are calls on files.
        _ => Wait::Disk,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn older(_number: i64, _arguments: &[u64; 4], _memory: &Memory) -> Wait {
    Wait::Disk
}

fn on_descriptor(descriptor: u64) -> Wait {
    let mut held = Held::default();
    held.add(descriptor);
    of(held)
}

fn on_polled(arguments: &[u64; 4], memory: &Memory) -> Wait {
    of(descriptors::polled(arguments[0], arguments[1], memory))
}

fn on_selected(arguments: &[u64; 4], memory: &Memory) -> Wait {
    of(descriptors::selected(arguments[0], &arguments[1..4], memory))
}

fn of(held: Held) -> Wait {
    if held.sockets > 0 {
        Wait::Network
    } else if held.children {
        Wait::Child
    } else if held.files {
        Wait::Disk
    } else if held.wakes {
        Wait::Lock
    } else {
        Wait::Sleep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_kernel_are_read() {
        assert_eq!(Call::parse("running\n"), Some(Call::Running));
        assert_eq!(Call::parse("-1 0x7ffd 0x7f00"), Some(Call::Fault));
        let line = "202 0x7f80 0x189 0x0 0x0 0x0 0xffffffff 0x7ffd 0x7f00\n";
        let call = Call::parse(line);
        assert_eq!(call, Some(Call::Asleep { number: 202, arguments: [0x7f80, 0x189, 0, 0] }));
        for nonsense in ["", "x", "202", "202 0x1 0x2 0x3 4", "202 7 7 7 7"] {
            assert_eq!(Call::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_wait_for_nothing_is_a_sleep() {
        let memory = Memory::own().expect("this process may read itself");
        let asleep = |number, arguments| Call::Asleep { number, arguments }.wait(&memory);
        assert_eq!(asleep(libc::SYS_ppoll, [0; 4]), Some(Wait::Sleep));
        assert_eq!(asleep(libc::SYS_pselect6, [0; 4]), Some(Wait::Sleep));
        assert_eq!(asleep(libc::SYS_fsync, [0; 4]), Some(Wait::Disk));
        assert_eq!(asleep(libc::SYS_recvfrom, [0; 4]), Some(Wait::Network));
    }
}
