//! What descriptors are, and which of them a thread waits on.

use super::memory::Memory;
use std::fs;

/// The kinds of descriptor among those that a thread waits on.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// How many sockets.
    pub sockets: u32,
    /// Pipes and child processes.
    pub children: bool,
    /// Counters that other threads raise.
    pub wakes: bool,
    /// Anything that has a name in the file system, devices included.
    pub files: bool,
}

/// As many of a long list are looked at: the kinds are what counts.
const MOST: usize = 32;

impl Held {
    /// Adds what `descriptor` is.
    pub fn add(&mut self, descriptor: u64) {
        let Ok(link) = fs::read_link(format!("/proc/self/fd/{descriptor}")) else { return };
        let link = link.to_string_lossy();
        if link.starts_with("socket:") {
            self.sockets += 1;
        } else if link.starts_with("pipe:") || link == "anon_inode:[pidfd]" {
            self.children = true;
        } else if link.starts_with("anon_inode:") {
            self.wakes = true;
        } else {
            self.files = true;
        }
    }
}

/// What `poll` waits on: `count` entries of eight bytes each, the descriptor first.
pub fn polled(entries: u64, count: u64, memory: &Memory) -> Held {
    let mut held = Held::default();
    for entry in 0..count.min(MOST as u64) {
        match memory.half(entries + 8 * entry) {
            Some(descriptor) if descriptor <= i32::MAX as u32 => held.add(u64::from(descriptor)),
            _ => {}
        }
    }
    held
}

/// What `select` waits on: three sets of bits, for the descriptors below `count`.
pub fn selected(count: u64, sets: &[u64], memory: &Memory) -> Held {
    let mut held = Held::default();
    let count = count.min(1024);
    for &set in sets.iter().filter(|&&set| set != 0) {
        for word in 0..count.div_ceil(64) {
            let mut bits = memory.word(set + 8 * word).unwrap_or(0);
            while bits != 0 {
                let descriptor = 64 * word + u64::from(bits.trailing_zeros());
                bits &= bits - 1;
                if descriptor < count {
                    held.add(descriptor);
                }
            }
        }
    }
    held
}

/// What the selector `descriptor` watches.
pub fn of_selector(descriptor: u64) -> Held {
    let mut held = Held::default();
    let Ok(text) = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")) else {
        return held;
    };
    for line in text.lines().filter_map(|line| line.strip_prefix("tfd:")).take(MOST) {
        if let Some(Ok(watched)) = line.split_ascii_whitespace().next().map(str::parse) {
            held.add(watched);
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    #[test]
    fn kinds_are_told_apart() {
        let memory = Memory::own().expect("this process may read itself");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let entries = [socket.as_raw_fd() as u64, reader.as_raw_fd() as u64, (-1i32) as u32 as u64];
        let held = polled(entries.as_ptr() as u64, 3, &memory);
        assert_eq!(held, Held { sockets: 1, children: true, ..Held::default() });

        let number = reader.as_raw_fd() as u64;
        let mut bits = [0u64; 16];
        bits[number as usize / 64] |= 1 << (number % 64);
        let held = selected(number + 1, &[bits.as_ptr() as u64, 0], &memory);
        assert_eq!(held, Held { children: true, ..Held::default() });
        assert_eq!(of_selector(number), Held::default());
    }
}
