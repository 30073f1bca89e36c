use proptest::prelude::*;

use super::*;
use crate::arbitrary::any_report;
use crate::fixture::{failed, judged, row};
use crate::{Status, judge};

#[test]
fn the_table_and_the_verdict_are_there() {
    let report = judged(vec![
        row("plain", 1, 2.0).shares(0.02, 0.0, "net", 0.98),
        row("threads", 8, 0.3).shares(0.02, 0.0, "net", 0.98),
        failed("processes", 2, Status::Failed, "PicklingError"),
    ]);
    let text = markdown(&report);
    assert!(text.starts_with("### `work.py:fetch,afetch`\n"), "{text}");
    assert!(text.contains("| **threads (8)** | **300 ms ±6** | **1.00x** | **667** |"), "{text}");
    assert!(text.contains("| plain | 2.00 s ±0.04 | 6.67x | 100 |"), "{text}");
    assert!(text.contains("| ~ coroutines (8) | ~300 ms (250–444 ms) predicted"), "{text}");
    assert!(text.contains("| processes (2) | failed: PicklingError: it broke (work.py:12) |"));
    assert!(text.contains("**Verdict: threads at 8 (`fetch`), confidence high"), "{text}");
    assert!(text.contains("\n- why: 98 % of a unit is waiting"), "{text}");
}

#[test]
fn words_of_others_cannot_end_a_cell_or_begin_a_tag() {
    let report = judged(vec![failed("threads", 8, Status::Failed, "E | <img src=x>")]);
    let text = markdown(&report);
    assert!(text.contains(r"E \| \<img src=x\>: it broke"), "{text}");
}

/// Cells of a row: its bars that are not escaped, less the one at the end.
fn cells(line: &str) -> usize {
    line.replace(r"\\", "").replace(r"\|", "").matches('|').count() - 1
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_has_all_cells(mut report in any_report()) {
        judge(&mut report);
        for line in markdown(&report).lines().filter(|line| line.starts_with('|')) {
            prop_assert_eq!(cells(line), Column::ALL.len(), "{}", line);
        }
    }
}
