//! Tokens, interests and the events that the system reports.

use std::ops::BitOr;

/// Names an entry of a [`crate::Slab`]: its index and the generation of that index.
///
/// A token of an entry that was removed never names its successor, so an event that was already
/// reported for a closed descriptor finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl Token {
    /// The token as the number that the system carries.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The inverse of [`Token::to_bits`].
    #[expect(clippy::cast_possible_truncation, reason = "the halves are taken apart on purpose")]
    pub fn from_bits(bits: u64) -> Self {
        Token { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// What somebody wants to hear of: readable, writable, both or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest(u8);

impl Interest {
    /// Nothing.
    pub const NONE: Interest = Interest(0);
    /// Data, a connection to accept, or the end of the stream.
    pub const READABLE: Interest = Interest(1);
    /// Room to write, or a connection that was made or refused.
    pub const WRITABLE: Interest = Interest(2);
    /// Only in reports: there is more than plain data. The end of the stream, urgent data or an
    /// error is there too, or was when the report was made; one read that takes all data does not
    /// meet it, and an edge is not reported twice.
    pub const EXCEPTIONAL: Interest = Interest(4);

    /// Whether this asks for nothing.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether this asks for readability.
    pub fn is_readable(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether this asks for writability.
    pub fn is_writable(self) -> bool {
        self.0 & 2 != 0
    }

    /// Whether this reports more than plain data.
    pub fn is_exceptional(self) -> bool {
        self.0 & 4 != 0
    }
}

impl BitOr for Interest {
    type Output = Interest;

    fn bitor(self, other: Interest) -> Interest {
        Interest(self.0 | other.0)
    }
}

/// How often an interest is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// At every wait for as long as it holds.
    Level,
    /// Once; then the registration sleeps until it is armed again.
    Once,
    /// When it becomes true.
    Edge,
}

/// One report of the system. Errors and hang-ups are reported as readable and writable, so that
/// whoever waits tries, and meets the error in its own system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// What was registered.
    pub token: Token,
    /// What is ready.
    pub ready: Interest,
}

/// The reports of one wait, in a buffer that is used again.
#[derive(Debug)]
pub struct Events {
    pub(crate) buffer: crate::sys::EventBuffer,
}

impl Default for Events {
    fn default() -> Self {
        Self::with_capacity(1024)
    }
}

impl Events {
    /// Room for `capacity` reports per wait; what does not fit is reported by the next wait.
    pub fn with_capacity(capacity: usize) -> Self {
        Events { buffer: crate::sys::EventBuffer::with_capacity(capacity) }
    }

    /// The reports of the last wait, without those of the wake-up.
    pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.buffer.iter().filter(|event| event.token.to_bits() != crate::sys::WAKE_TOKEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_number() {
        let token = Token { index: 7, generation: u32::MAX - 1 };
        assert_eq!(Token::from_bits(token.to_bits()), token);
    }

    #[test]
    fn interests_add_up() {
        let both = Interest::READABLE | Interest::WRITABLE;
        assert!(both.is_readable() && both.is_writable() && !both.is_none());
        assert!(!Interest::READABLE.is_writable());
    }
}
