//! Data that could not be encrypted yet.

use crate::capi::{Obj, Visit};
use pyo3::Python;
use std::collections::VecDeque;

/// Bytes objects in the order of the writes.
#[derive(Default)]
pub struct Backlog {
    chunks: VecDeque<Obj>,
    /// Bytes of the first chunk that are done with.
    done: usize,
    size: usize,
}

impl Backlog {
    /// How many bytes wait.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Queues `length` bytes of the bytes object `chunk`, without the first `done`. Only an empty
    /// queue takes a chunk of which something is done.
    pub fn push(&mut self, chunk: Obj, length: usize, done: usize) {
        if self.chunks.is_empty() {
            self.done = done;
        }
        self.size += length - done;
        self.chunks.push_back(chunk);
    }

    /// The first chunk, and how much of it is done with; `None` if nothing waits.
    pub fn first(&self, py: Python<'_>) -> Option<(Obj, usize)> {
        Some((self.chunks.front()?.clone_ref(py), self.done))
    }

    /// Copies what waits to `target`, until that has `most` bytes. Returns false, and copies
    /// nothing, if the first chunk has as much by itself, or is the only one.
    pub fn gather(&self, py: Python<'_>, target: &mut Vec<u8>, most: usize) -> bool {
        target.clear();
        let rest = |chunk: &Obj| chunk.as_bytes(py).map_or(0, <[u8]>::len);
        let first = self.chunks.front().map_or(0, rest).saturating_sub(self.done);
        if first >= most || self.chunks.len() < 2 {
            return false;
        }
        let mut done = self.done;
        for chunk in &self.chunks {
            let bytes = chunk.as_bytes(py).unwrap_or_default();
            let bytes = bytes.get(done..).unwrap_or_default();
            done = 0;
            target.extend_from_slice(&bytes[..bytes.len().min(most - target.len())]);
            if target.len() == most {
                break;
            }
        }
        true
    }

    /// Notes that `count` bytes are done with. Returns the chunks that are, to be dropped where
    /// dropping may run code.
    #[must_use = "dropping a chunk may run code; choose the place"]
    pub fn advance(&mut self, py: Python<'_>, mut count: usize) -> Vec<Obj> {
        let mut gone = Vec::new();
        self.size -= count;
        while let Some(chunk) = self.chunks.front() {
            let rest = chunk.as_bytes(py).map_or(0, <[u8]>::len) - self.done;
            if rest > count {
                self.done += count;
                break;
            }
            count -= rest;
            self.done = 0;
            gone.extend(self.chunks.pop_front());
        }
        gone
    }

    /// Forgets everything. The caller drops it where dropping may run code.
    pub fn take(&mut self) -> Backlog {
        std::mem::take(self)
    }

    /// For the garbage collector. Bytes hold no references, but subclasses may.
    pub fn traverse(&self, visit: &mut Visit<'_>) {
        self.chunks.iter().for_each(|chunk| visit.object(chunk));
    }
}
