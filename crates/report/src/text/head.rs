//! What was compared, where, and how.

use super::fit::{self, columns};
use super::style::{Paper, Style};
use crate::quantity::{digits, seconds};
use crate::{Report, label};

const BETWEEN: &str = " · ";

/// The first line; more lines where it is too long.
pub(super) fn write(paper: &mut Paper, report: &Report) {
    let mut line = String::new();
    for part in parts(report) {
        let wider = columns(&line) + columns(BETWEEN) + columns(&part) > paper.width;
        if !line.is_empty() && wider {
            paper.line(Style::Strong, &line);
            line.clear();
        }
        if !line.is_empty() {
            line.push_str(BETWEEN);
        }
        line.push_str(&fit::clip(&part, paper.width));
    }
    paper.line(Style::Strong, &line);
}

/// The parts of the heading; the Markdown has the same.
pub(crate) fn parts(report: &Report) -> Vec<String> {
    let (work, machine, python) = (&report.work, &report.machine, &report.python);
    let mut parts = vec![label::printable(&work.target)];
    parts.extend(work.items.0.map(|items| counted(items, "item")));
    let free = if python.free_threaded == Some(true) { " free-threaded" } else { "" };
    parts.push(format!("python {}{free}", label::printable(&python.version)));
    let cores = machine.effective_cores.map(|cores| format!(", {} effective", digits(cores)));
    let cores = cores.unwrap_or_default();
    parts.extend(machine.cpus.0.map(|cpus| format!("{}{cores}", counted(cpus, "cpu"))));
    let rounds = report.forms.iter().filter(|row| row.measured).filter_map(|row| row.rounds.0);
    let (least, most) = rounds.fold((u64::MAX, 0), |(a, b), n| (a.min(n), b.max(n)));
    if most > 0 {
        let range =
            if least == most { counted(most, "round") } else { format!("{least}–{most} rounds") };
        parts.push(format!("{range}, interleaved"));
    }
    parts.extend(work.took_s.map(seconds));
    parts
}

fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
