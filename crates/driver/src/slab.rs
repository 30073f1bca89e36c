//! Entries under stable tokens.

use crate::event::Token;

#[derive(Debug)]
struct Slot<S> {
    generation: u32,
    entry: Option<S>,
}

/// A table whose entries are found by one index and one comparison.
#[derive(Debug)]
pub struct Slab<S> {
    slots: Vec<Slot<S>>,
    free: Vec<u32>,
}

impl<S> Default for Slab<S> {
    fn default() -> Self {
        Slab { slots: Vec::new(), free: Vec::new() }
    }
}

impl<S> Slab<S> {
    /// Stores `entry` and returns its token.
    ///
    /// # Panics
    ///
    /// When 2³² − 1 entries are stored, which no system has descriptors for.
    pub fn insert(&mut self, entry: S) -> Token {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.entry = Some(entry);
            return Token { index, generation: slot.generation };
        }
        let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 entries");
        self.slots.push(Slot { generation: 0, entry: Some(entry) });
        Token { index, generation: 0 }
    }

    /// The entry of `token`, unless it was removed.
    pub fn get(&self, token: Token) -> Option<&S> {
        let slot = self.slots.get(token.index as usize)?;
        if slot.generation == token.generation { slot.entry.as_ref() } else { None }
    }

    /// The entry of `token`, unless it was removed.
    pub fn get_mut(&mut self, token: Token) -> Option<&mut S> {
        let slot = self.slots.get_mut(token.index as usize)?;
        if slot.generation == token.generation { slot.entry.as_mut() } else { None }
    }

    /// Takes the entry of `token` out. The token names nothing afterwards.
    pub fn remove(&mut self, token: Token) -> Option<S> {
        let slot = self.slots.get_mut(token.index as usize)?;
        if slot.generation != token.generation {
            return None;
        }
        let entry = slot.entry.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(token.index);
        Some(entry)
    }

    /// Every entry.
    pub fn iter(&self) -> impl Iterator<Item = &S> {
        self.slots.iter().filter_map(|slot| slot.entry.as_ref())
    }

    /// Takes every entry out; no token given before names anything afterwards.
    pub fn drain(&mut self) -> Vec<S> {
        let tokens: Vec<Token> = (0u32..)
            .zip(&self.slots)
            .map(|(index, slot)| Token { index, generation: slot.generation })
            .collect();
        tokens.into_iter().filter_map(|token| self.remove(token)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn a_removed_token_does_not_name_its_successor() {
        let mut slab = Slab::default();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(first.index, second.index);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
    }

    #[test]
    fn drain_empties_and_outdates() {
        let mut slab = Slab::default();
        let kept = slab.insert(1);
        slab.insert(2);
        assert_eq!(slab.drain(), vec![1, 2]);
        slab.insert(3);
        slab.insert(4);
        assert_eq!(slab.get(kept), None);
    }

    proptest! {
        #[test]
        fn a_slab_is_a_map_whose_keys_are_never_given_twice(steps in proptest::collection::vec(any::<(bool, u8)>(), 1..200)) {
            let mut slab = Slab::default();
            let mut model: HashMap<u64, u8> = HashMap::new();
            let mut given: Vec<Token> = Vec::new();
            for (insert, value) in steps {
                if insert || given.is_empty() {
                    let token = slab.insert(value);
                    prop_assert!(!given.contains(&token));
                    given.push(token);
                    model.insert(token.to_bits(), value);
                } else {
                    let token = given[value as usize % given.len()];
                    prop_assert_eq!(slab.remove(token), model.remove(&token.to_bits()));
                }
                for token in &given {
                    prop_assert_eq!(slab.get(*token), model.get(&token.to_bits()));
                }
            }
        }
    }
}
