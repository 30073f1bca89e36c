//! The GIL, looked at without taking it.

use super::memory::Memory;
use super::syscall::Call;

/// Where the interpreter keeps its GIL: learned once per process by whoever can hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GilPlace {
    /// Where the pointer to the state of the thread that held it last stands. Eight bytes after it
    /// stands a number that is one while the GIL is held.
    holder: u64,
    /// Where the state of a thread keeps the kernel's number of that thread.
    number: u64,
}

/// The pointer to the holder was found 56 to 64 bytes below the word that waiters sleep on, on
/// CPython 3.11 to 3.15.
const SEARCHED: u64 = 128;
/// Size of what follows the pointer in the same structure: two conditions with their locks. A
/// thread that sleeps on any word of it wants the GIL or hands it over.
const SPAN: u64 = 24 + 2 * (48 + 40);
/// The number of the thread stands within as many bytes of its state.
const STATE: u64 = 512;

/// Who has the GIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GilState {
    /// Nobody.
    Free,
    /// The thread with that number; zero if it has just ended.
    Held(u32),
}

impl GilPlace {
    /// Learns the place, with the help of two threads: the one that calls holds the GIL, its state
    /// is at `state` and its number is `thread`; another asks for the GIL meanwhile and was seen
    /// to sleep on `word`. `None`: things are not where they are expected.
    pub fn learn(memory: &Memory, word: u64, state: u64, thread: u32) -> Option<Self> {
        let word = word & !7;
        let holder = (1..=SEARCHED / 8).map(|step| word - 8 * step).find(|&address| {
            memory.word(address) == Some(state) && memory.half(address + 8) == Some(1)
        })?;
        let number = (0..STATE / 8)
            .map(|step| 8 * step)
            .find(|&offset| memory.word(state + offset) == Some(u64::from(thread)))?;
        Some(GilPlace { holder, number })
    }

    /// Whether a thread in `call` waits for the GIL.
    pub fn is_awaited(&self, call: &Call) -> bool {
        call.futex().is_some_and(|word| (self.holder..self.holder + SPAN).contains(&word))
    }

    /// Who has the GIL now. `None`: it cannot be read.
    pub fn state(&self, memory: &Memory) -> Option<GilState> {
        let mut bytes = [0; 12];
        if !memory.read(self.holder, &mut bytes) {
            return None;
        }
        let (state, locked) = bytes.split_at(8);
        if u32::from_ne_bytes(locked.try_into().ok()?) == 0 {
            return Some(GilState::Free);
        }
        let state = u64::from_ne_bytes(state.try_into().ok()?);
        let number = memory.word(state + self.number).and_then(|number| number.try_into().ok());
        Some(GilState::Held(number.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the interpreter keeps, with other numbers around it.
    #[repr(C)]
    struct Interpreter {
        before: [u64; 9],
        holder: u64,
        locked: u64,
        switches: u64,
        condition: [u64; 6],
    }

    #[test]
    fn the_place_is_learned_and_read() {
        let memory = Memory::own().expect("this process may read itself");
        let mut state = [0u64; 64];
        state[19] = 4242;
        let mut interpreter = Interpreter {
            before: [7; 9],
            holder: state.as_ptr() as u64,
            locked: 1,
            switches: 99,
            condition: [0; 6],
        };
        let word = std::ptr::from_ref(&interpreter.condition[5]) as u64 + 4;
        let place = GilPlace::learn(&memory, word, interpreter.holder, 4242).expect("it is there");
        assert_eq!(place.state(&memory), Some(GilState::Held(4242)));

        let asleep =
            |address| Call::Asleep { number: libc::SYS_futex, arguments: [address, 0, 0, 0] };
        assert!(place.is_awaited(&asleep(word)));
        assert!(!place.is_awaited(&asleep(word + 4096)));
        assert!(!place.is_awaited(&Call::Running));

        std::hint::black_box(&mut interpreter).locked = 0;
        assert_eq!(place.state(&memory), Some(GilState::Free));
        assert_eq!(interpreter.before[0] + interpreter.switches, 106);
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let memory = Memory::own().expect("this process may read itself");
        let nothing = [0u64; 64];
        let word = std::ptr::from_ref(&nothing[32]) as u64;
        assert_eq!(GilPlace::learn(&memory, word, 1, 2), None);
    }
}
