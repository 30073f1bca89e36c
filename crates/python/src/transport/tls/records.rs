//! Where the records of a TLS stream end.
//!
//! OpenSSL says that it wants more bytes by an exception, which costs more than to decrypt a small
//! record. So it is asked only when it has a whole record to work on.

/// Bytes before the content of a record: its kind, a version, and its length.
const HEADER: usize = 5;
/// The kinds of records that there are.
const KINDS: std::ops::RangeInclusive<u8> = 20..=24;
/// The first byte of every version since SSL 3.
const MAJOR: u8 = 3;
/// Bytes that the content of a record has at most: 16 KiB of data, and what encryption adds.
const LONGEST: usize = 16 * 1024 + 2048;

/// How far a stream of records has been seen.
#[derive(Clone, Default)]
pub struct Records {
    /// Bytes seen.
    seen: u64,
    /// Where the last whole record ends.
    complete: u64,
    header: [u8; HEADER],
    /// Bytes of the header that are there.
    known: usize,
    /// Bytes of the record that are still to come.
    missing: usize,
    /// Whether this is no stream of records. OpenSSL is to see every byte of it at once, and to
    /// say so.
    broken: bool,
}

impl Records {
    /// Takes the next bytes of the stream into account.
    pub fn see(&mut self, mut data: &[u8]) {
        self.seen += data.len() as u64;
        while !data.is_empty() && !self.broken {
            if self.missing == 0 {
                data = self.see_header(data);
                continue;
            }
            let part = self.missing.min(data.len());
            data = &data[part..];
            self.missing -= part;
            if self.missing == 0 {
                self.complete = self.seen - data.len() as u64;
            }
        }
    }

    /// How much of `data`, which comes next, to hand over at a time: through the last record that
    /// ends within `most` bytes, or all of them if none does.
    pub fn slice(&self, data: &[u8], most: usize) -> usize {
        let most = most.min(data.len());
        let mut ahead = self.clone();
        ahead.see(&data[..most]);
        match ahead.complete.saturating_sub(self.seen) {
            0 => most,
            end => end as usize,
        }
    }

    fn see_header<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let part = (HEADER - self.known).min(data.len());
        let (header, rest) = data.split_at(part);
        self.header[self.known..self.known + part].copy_from_slice(header);
        self.known += part;
        if self.known == HEADER {
            self.known = 0;
            let [kind, major, _, high, low] = self.header;
            self.missing = usize::from(u16::from_be_bytes([high, low]));
            self.broken = !KINDS.contains(&kind) || major != MAJOR || self.missing > LONGEST;
            if self.missing == 0 {
                self.complete = self.seen - rest.len() as u64;
            }
        }
        rest
    }

    /// Whether OpenSSL has something to do, when it has `left` bytes of what was seen before it.
    pub fn ready(&self, left: usize) -> bool {
        left > 0 && (self.broken || self.complete > self.seen - left as u64)
    }
}
