//! The memory of this process, through the kernel's door: an address that is no longer valid is an
//! error there, not the end of the process.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

/// Reads words of this process.
#[derive(Debug)]
pub struct Memory(File);

impl Memory {
    /// The memory of the process that runs now: to be opened anew after a fork.
    ///
    /// # Errors
    ///
    /// The system does not let this process read itself.
    pub fn own() -> io::Result<Self> {
        File::open("/proc/self/mem").map(Memory)
    }

    /// Fills `bytes` from `address` on. `false`: there is nothing to read.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        self.0.read_exact_at(bytes, address).is_ok()
    }

    /// The eight bytes at `address`.
    pub fn word(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes).then(|| u64::from_ne_bytes(bytes))
    }

    /// The four bytes at `address`.
    pub fn half(&self, address: u64) -> Option<u32> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes).then(|| u32::from_ne_bytes(bytes))
    }
}

/// How much memory this process has in use, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResidentSet {
    /// Now.
    pub now: u64,
    /// At most, since the process began or the peak was forgotten.
    pub peak: u64,
}

impl ResidentSet {
    /// Reads both. `None`: the system does not tell.
    pub fn read() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
        };
        Some(ResidentSet { now: field("VmRSS:")?, peak: field("VmHWM:")? })
    }

    /// Makes the peak what is in use now. `false`: the system does not allow it.
    pub fn forget_peak() -> bool {
        fs::write("/proc/self/clear_refs", "5").is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_nothing_is_met_without_harm() {
        let memory = Memory::own().expect("this process may read itself");
        let word = Box::new(0x1234_5678_9abc_def0_u64);
        let address = std::ptr::from_ref(&*word) as u64;
        assert_eq!(memory.word(address), Some(*word));
        assert_eq!(memory.word(8), None);
    }

    #[test]
    fn the_resident_set_is_told() {
        let set = ResidentSet::read().expect("Linux tells");
        assert!(set.now > 0 && set.peak > 0);
    }
}
