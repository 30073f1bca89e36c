//! The report for a terminal: a table to read in ten seconds, and the verdict.

mod fit;
mod head;
mod style;
mod sweep;
mod table;
mod verdict;

#[cfg(test)]
mod tests;

use crate::Report;
use style::Paper;

pub(crate) use head::parts;
pub(crate) use verdict::{headline, sampler, second};

/// How the text is to look.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Whether to set colours, by ANSI sequences.
    pub color: bool,
    /// Columns of the terminal; fewer than 40 are taken as 40.
    pub width: usize,
}

impl Default for Text {
    fn default() -> Self {
        Text { color: false, width: 100 }
    }
}

/// The narrowest table that can be read.
const NARROWEST: usize = 40;

/// The report as text: what was compared, a line for each form, throughput over concurrency, the
/// verdict. No line is wider than `options.width`.
pub fn text(report: &Report, options: Text) -> String {
    let mut paper = Paper::new(options.color, options.width.max(NARROWEST));
    head::write(&mut paper, report);
    paper.blank();
    table::write(&mut paper, report);
    sweep::write(&mut paper, report);
    paper.blank();
    verdict::write(&mut paper, report);
    paper.into_string()
}
