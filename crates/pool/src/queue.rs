//! Jobs in the order in which they are taken: higher priority first, then first come, first served.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

/// What a pool runs.
pub trait Job {
    /// Whether nobody needs the job any more: it was cancelled, or somebody else has run it.
    fn is_stale(&self) -> bool;

    /// The blocked wait for whose end the job is needed, if that is known. See
    /// [`ThreadPool::begin_blocking`](crate::ThreadPool::begin_blocking).
    fn needed_by(&self) -> Option<u64> {
        None
    }
}

#[derive(Debug)]
pub(crate) struct Queue<J> {
    /// Priority zero, which nearly all jobs have.
    plain: VecDeque<J>,
    others: BTreeMap<Reverse<i32>, VecDeque<J>>,
    len: usize,
}

impl<J> Default for Queue<J> {
    fn default() -> Self {
        Queue { plain: VecDeque::new(), others: BTreeMap::new(), len: 0 }
    }
}

impl<J> Queue<J> {
    pub(crate) fn push(&mut self, job: J, priority: i32) {
        self.len += 1;
        if priority == 0 {
            self.plain.push_back(job);
        } else {
            self.others.entry(Reverse(priority)).or_default().push_back(job);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<J> {
        let job = match self.others.first_key_value() {
            Some((Reverse(priority), _)) if *priority > 0 || self.plain.is_empty() => {
                self.pop_other()
            }
            _ => self.plain.pop_front(),
        };
        self.len -= usize::from(job.is_some());
        job
    }

    fn pop_other(&mut self) -> Option<J> {
        let mut first = self.others.first_entry()?;
        let job = first.get_mut().pop_front();
        if first.get().is_empty() {
            first.remove();
        }
        job
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &J> {
        self.plain.iter().chain(self.others.values().flatten())
    }

    /// Takes out what `leaves` says.
    pub(crate) fn remove(&mut self, mut leaves: impl FnMut(&J) -> bool) -> Vec<J> {
        let mut removed = Vec::new();
        for lane in std::iter::once(&mut self.plain).chain(self.others.values_mut()) {
            let (gone, kept) = lane.drain(..).partition::<VecDeque<J>, _>(|job| leaves(job));
            *lane = kept;
            removed.extend(gone);
        }
        self.others.retain(|_, lane| !lane.is_empty());
        self.len -= removed.len();
        removed
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn drain(queue: &mut Queue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn higher_priority_comes_first_and_equals_keep_their_order() {
        let mut queue = Queue::default();
        for (job, priority) in [(1, 0), (2, -1), (3, 5), (4, 0), (5, 5), (6, 1), (7, -3)] {
            queue.push(job, priority);
        }
        assert_eq!(queue.len(), 7);
        assert_eq!(drain(&mut queue), [3, 5, 6, 1, 4, 2, 7]);
        assert_eq!(queue.len(), 0);
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn what_is_removed_leaves_the_rest_in_order() {
        let mut queue = Queue::default();
        for job in 0..10 {
            queue.push(job, i32::try_from(job % 3).unwrap() - 1);
        }
        let mut removed = queue.remove(|job| job % 2 == 0);
        removed.sort_unstable();
        assert_eq!(removed, [0, 2, 4, 6, 8]);
        assert_eq!(queue.len(), 5);
        assert_eq!(drain(&mut queue), [5, 1, 7, 3, 9]);
    }
}
