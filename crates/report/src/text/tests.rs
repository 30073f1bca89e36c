use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::*;
use crate::arbitrary::any_report;
use crate::fixture::{failed, judged, row};
use crate::{Status, judge};

fn sweep() -> Report {
    judged(vec![
        row("plain", 1, 2.025).shares(0.01, 0.0, "net", 0.99).cpu(0.03),
        row("coroutines", 64, 0.035).shares(0.6, 0.01, "net", 0.39).memory(1100.0).cpu(0.021),
        row("coroutines", 256, 0.012).shares(0.6, 0.01, "net", 0.39).memory(1100.0).cpu(0.009),
        row("threads", 64, 0.042).shares(0.2, 0.02, "net", 0.71).also("gil", 0.05).memory(19e3),
        failed("threads", 256, Status::Failed, "OSError"),
        failed("interpreters", 2, Status::Skipped, "ImportError"),
    ])
}

fn plain(report: &Report) -> String {
    text(report, Text::default())
}

#[track_caller]
fn line<'a>(text: &'a str, start: &str) -> &'a str {
    let found = text.lines().find(|line| line.trim_start().starts_with(start));
    found.unwrap_or_else(|| panic!("no line begins with {start:?} in\n{text}"))
}

#[test]
fn the_table_has_a_line_for_each_form_at_its_best_concurrency() {
    let text = plain(&sweep());
    let winner = line(&text, "▸");
    for cell in ["coroutines (256)", "12.0 ms ±0.2", "1.00x", "16667", "60+1", "net 39", "1.07 KiB"]
    {
        assert!(winner.contains(cell), "{cell} is not in {winner}");
    }
    let threads = line(&text, "threads (64)");
    for cell in ["42.0 ms ±0.8", "3.50x", "4762", "20+2", "net 71 gil 5", "18.6 KiB"] {
        assert!(threads.contains(cell), "{cell} is not in {threads}");
    }
    assert!(!text.contains("coroutines (64)"), "{text}");
    assert!(
        line(&text, "interpreters (2)").contains("skipped: ImportError: it broke (work.py:12)")
    );
}

#[test]
fn the_heading_says_what_ran_where() {
    let text = plain(&sweep());
    let head = text.lines().next().unwrap_or_default();
    for part in
        ["work.py:fetch,afetch", "200 items", "python 3.13.0", "2 cpus, 1.90 effective", "5 rounds"]
    {
        assert!(head.contains(part), "{part} is not in {head}");
    }
}

#[test]
fn throughput_over_concurrency_is_shown_with_the_best_one_marked() {
    let text = plain(&sweep());
    let cells = |start: &str| -> Vec<String> {
        let from = text.find("items/s at").unwrap();
        line(&text[from..], start).split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(cells("items/s at"), ["items/s", "at", "64", "256"]);
    assert_eq!(cells("coroutines"), ["coroutines", "5714", "16667*"]);
    assert_eq!(cells("threads"), ["threads", "4762*", "failed"]);
}

#[test]
fn the_verdict_follows_the_table() {
    let text = plain(&sweep());
    let from = text.find("VERDICT").unwrap();
    assert!(from > text.find("threads (64)").unwrap());
    let verdict = &text[from..];
    assert!(verdict.starts_with("VERDICT   coroutines at 256 (`afetch`), confidence high"));
    for label in ["why", "second", "flips", "for you", "limits", "sampler"] {
        line(verdict, label);
    }
    assert_eq!(line(verdict, "second").trim(), "second   threads at 64, 3.50x the time");
}

#[test]
fn a_predicted_row_stands_apart_from_the_numbers() {
    let report = judged(vec![
        row("plain", 1, 2.0).shares(0.02, 0.0, "net", 0.98),
        row("threads", 8, 0.3).shares(0.02, 0.0, "net", 0.98),
    ]);
    let text = plain(&report);
    assert!(line(&text, "~").contains("coroutines (8)  ~300 ms (250–444 ms) predicted"), "{text}");
}

#[test]
fn colour_is_set_only_where_it_is_asked_for() {
    let report = sweep();
    let colored = text(&report, Text { color: true, width: 100 });
    assert!(colored.contains("\x1b[1;32m▸ coroutines (256)"));
    let mut stripped = colored.clone();
    for sequence in ["\x1b[0m", "\x1b[1m", "\x1b[1;32m", "\x1b[31m", "\x1b[33m", "\x1b[2m"] {
        stripped = stripped.replace(sequence, "");
    }
    assert_eq!(stripped, plain(&report));
}

#[test]
fn a_narrow_terminal_keeps_names_and_times() {
    let report = sweep();
    let text = text(&report, Text { color: false, width: 48 });
    assert!(line(&text, "▸").contains("coroutines (256)"));
    assert!(line(&text, "▸").contains("12.0 ms ±0.2"));
    assert!(text.lines().all(|line| line.width() <= 48), "{text}");
}

#[test]
fn a_withheld_verdict_says_so_first() {
    let mut report = judged(vec![
        row("plain", 1, 2.0).shares(0.98, 0.02, "net", 0.0),
        row("processes", 2, 1.3).shares(0.98, 0.02, "net", 0.0),
    ]);
    report.machine.effective_cores = Some(1.1);
    judge(&mut report);
    let text = plain(&report);
    assert!(line(&text, "VERDICT").contains("withheld; measured as best: processes at 2"));
}

#[test]
fn without_a_verdict_there_is_the_table() {
    let mut report = sweep();
    report.verdict = None;
    let text = plain(&report);
    assert!(text.contains("coroutines (256)") && !text.contains("VERDICT"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_is_wider_than_the_terminal(mut report in any_report(), width in 0..160usize) {
        judge(&mut report);
        let text = text(&report, Text { color: false, width });
        for line in text.lines() {
            prop_assert!(line.width() <= width.max(40), "{} columns: {}", line.width(), line);
            prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
        }
    }
}
