//! Whether to look again for a moment before going to sleep.
//!
//! Where the other side of a conversation is on the same machine, its answer often comes sooner
//! than a thread has fallen asleep and been woken, and that takes more processor time than looking.
//! So a loop that holds *one* conversation looks again for [`BOUND`]: the last waits brought one
//! event each, always of the same source. With several conversations, sleeping is better: what
//! comes meanwhile is then met in one turn. It goes on only while it succeeds almost always, and
//! after failures rests for many sleeps. A loop that nothing happens to never looks.

use crate::event::Event;
use std::time::Duration;

/// How long it is looked at most. A program in Python that slept answers after 10 to 25 µs.
pub(crate) const BOUND: Duration = Duration::from_micros(30);

/// Waits with one event of the same source that make a conversation.
const CONVERSATION: u32 = 4;

/// What a success adds to the score, which is 0 after a rest.
const SUCCESS: i32 = 1;
/// What a failure takes from the score: below zero, a rest begins.
const FAILURE: i32 = 8;
const MAX_SCORE: i32 = 3 * FAILURE;

/// How many sleeps of a conversation the first rest lasts; each that follows without a good time
/// between is twice as long.
const MIN_REST: u32 = 16;
const MAX_REST: u32 = 2048;

/// The memory of what came, and of what looking again has come to.
#[derive(Debug)]
pub(crate) struct Spin {
    /// The index of the source: what waits once is registered each time as a new generation.
    source: Option<u32>,
    /// Waits in a row that brought one event, of this source.
    waits: u32,
    score: i32,
    /// Sleeps until the next try.
    rest: u32,
    next_rest: u32,
}

impl Default for Spin {
    fn default() -> Self {
        Spin { source: None, waits: 0, score: 0, rest: MIN_REST, next_rest: MIN_REST }
    }
}

impl Spin {
    /// Notes what a wait has brought.
    #[inline]
    pub(crate) fn note_events(&mut self, mut events: impl Iterator<Item = Event>) {
        let source =
            events.next().filter(|_| events.next().is_none()).map(|event| event.token.index);
        if source.is_some() && source == self.source {
            self.waits = self.waits.saturating_add(1);
        } else {
            self.waits = u32::from(source.is_some());
            self.source = source;
        }
    }

    /// Whether to look again before the sleep that is due now.
    #[inline]
    pub(crate) fn is_due(&mut self) -> bool {
        if self.waits < CONVERSATION {
            return false;
        }
        self.rest = self.rest.saturating_sub(1);
        self.rest == 0
    }

    /// Notes whether something came while it was looked again.
    pub(crate) fn note(&mut self, caught: bool) {
        if caught {
            self.score = (self.score + SUCCESS).min(MAX_SCORE);
            if self.score == MAX_SCORE {
                self.next_rest = MIN_REST;
            }
            return;
        }
        self.score -= FAILURE;
        if self.score < 0 {
            self.score = 0;
            self.rest = self.next_rest;
            self.next_rest = (self.next_rest * 2).min(MAX_REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Interest, Token};

    fn events(of: &[u64]) -> impl Iterator<Item = Event> {
        of.iter()
            .map(|&number| Event { token: Token::from_bits(number), ready: Interest::READABLE })
    }

    /// How many of `sleeps` are preceded by a look, if each wait brings what `brings` says and
    /// `found` tells what each look comes to.
    fn looks_at<'a>(
        sleeps: u32,
        brings: impl Fn(u32) -> &'a [u64],
        found: impl Fn(u32) -> bool,
    ) -> u32 {
        let mut spin = Spin::default();
        let mut looks = 0;
        for sleep in 0..sleeps {
            spin.note_events(events(brings(sleep)));
            if spin.is_due() {
                looks += 1;
                spin.note(found(sleep));
            }
        }
        looks
    }

    fn looks(sleeps: u32, found: impl Fn(u32) -> bool) -> u32 {
        looks_at(sleeps, |_| &[7], found)
    }

    #[test]
    fn only_one_conversation_is_worth_a_look() {
        assert_eq!(looks_at(1_000, |_| &[], |_| true), 0, "nothing happens");
        assert_eq!(looks_at(1_000, |_| &[7, 8], |_| true), 0, "two at once");
        let two = [[7], [8]];
        assert_eq!(looks_at(1_000, |sleep| &two[sleep as usize % 2], |_| true), 0, "in turn");
        assert!(
            looks_at(1_000, |sleep| if sleep % 100 == 0 { &[9] } else { &[7] }, |_| true) > 900
        );
    }

    #[test]
    fn what_never_succeeds_is_hardly_tried() {
        assert_eq!(looks(MIN_REST, |_| false), 0);
        assert!(looks(100_000, |_| false) < 70);
    }

    #[test]
    fn what_always_succeeds_is_always_tried() {
        assert!(looks(1_000, |_| true) > 1_000 - MIN_REST - CONVERSATION);
    }

    #[test]
    fn what_fails_one_time_in_four_is_hardly_tried() {
        assert!(looks(100_000, |sleep| sleep % 4 != 0) < 2_000);
    }

    #[test]
    fn what_fails_rarely_is_kept_up() {
        assert!(looks(100_000, |sleep| sleep % 40 != 0) > 99_000);
    }

    #[test]
    fn what_has_stopped_succeeding_is_given_up_and_found_again() {
        assert!(looks(100_000, |sleep| sleep < 50_000) < 50_100);
        assert!(looks(100_000, |sleep| sleep > 50_000) > 45_000);
    }
}
