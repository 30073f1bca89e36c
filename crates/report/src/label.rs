//! What rows are called.

use std::collections::BTreeSet;

use crate::Form;

/// What runs a form's units; decides which is simpler and what it asks of its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The caller itself, one unit after the other.
    Plain,
    /// Tasks on one loop.
    Coroutines,
    /// Threads of one process.
    Threads,
    /// Processes.
    Processes,
    /// Interpreters of one process, each with a GIL of its own.
    Interpreters,
    /// An executor that the user named.
    Executor,
    /// The standard library's loop.
    StockLoop,
    /// The standard library's threads.
    StockThreads,
}

impl Kind {
    /// The kind of a form, by its name in the JSON.
    pub(crate) fn of(form: &str) -> Kind {
        match form {
            "plain" => Kind::Plain,
            "coroutines" => Kind::Coroutines,
            "threads" => Kind::Threads,
            "processes" => Kind::Processes,
            "interpreters" => Kind::Interpreters,
            "asyncio" => Kind::StockLoop,
            "stock threads" => Kind::StockThreads,
            _ => Kind::Executor,
        }
    }

    /// Whether its units run on one thread, the loop's.
    pub(crate) fn is_loop(self) -> bool {
        matches!(self, Kind::Coroutines | Kind::StockLoop)
    }

    /// Whether its units share the memory, and the GIL, of one interpreter from several threads.
    pub(crate) fn is_threads(self) -> bool {
        matches!(self, Kind::Threads | Kind::StockThreads)
    }

    /// Whether each worker has an interpreter of its own on this machine.
    pub(crate) fn is_apart(self) -> bool {
        matches!(self, Kind::Processes | Kind::Interpreters)
    }

    /// The order of a tie: less is simpler. Threads and coroutines are equally simple.
    pub(crate) fn simplicity(self) -> u8 {
        match self {
            Kind::Plain => 0,
            Kind::Coroutines | Kind::Threads => 1,
            Kind::Processes => 2,
            Kind::Interpreters => 3,
            Kind::Executor => 4,
            Kind::StockLoop | Kind::StockThreads => 5,
        }
    }
}

/// The name of a row's form, with its function where the form ran several.
pub(crate) fn name(row: &Form, rows: &[Form]) -> String {
    let functions: BTreeSet<&str> = rows
        .iter()
        .filter(|other| other.form == row.form)
        .filter_map(|other| other.function.as_deref())
        .collect();
    printable(&match &row.function {
        Some(function) if functions.len() > 1 => format!("{} of {function}", row.form),
        _ => row.form.clone(),
    })
}

/// A row in a sentence: `threads at 64`. Plain code has no concurrency to speak of.
pub(crate) fn at(row: &Form, rows: &[Form]) -> String {
    match row.concurrency.0 {
        Some(concurrency) if Kind::of(&row.form) != Kind::Plain => {
            format!("{} at {concurrency}", name(row, rows))
        }
        _ => name(row, rows),
    }
}

/// A row in a table: `threads (64)`.
pub(crate) fn in_table(row: &Form, rows: &[Form]) -> String {
    match row.concurrency.0 {
        Some(concurrency) if Kind::of(&row.form) != Kind::Plain => {
            format!("{} ({concurrency})", name(row, rows))
        }
        _ => name(row, rows),
    }
}

/// The line about a row that has no numbers: what happened, the first error and its line.
pub(crate) fn reason(row: &Form) -> String {
    let mut parts = vec![row.state().as_str().to_owned()];
    parts.extend(row.note.clone().filter(|note| !note.is_empty()));
    if let Some(fault) = row.errors.first() {
        let mut text = fault.kind.clone();
        if let Some(message) = fault.message.as_deref().filter(|message| !message.is_empty()) {
            text = format!("{text}: {message}");
        }
        if let Some(place) = &fault.place {
            text = format!("{text} ({place})");
        }
        // A note often is the error's own text.
        if parts.get(1).is_none_or(|note| !note.contains(&fault.kind)) {
            parts.push(text);
        } else if let Some(place) = &fault.place
            && !parts[1].contains(place.as_str())
        {
            parts.push(format!("at {place}"));
        }
    }
    let line = parts.split_first().map(|(state, rest)| match rest {
        [] => state.clone(),
        rest => format!("{state}: {}", rest.join("; ")),
    });
    printable(&line.unwrap_or_default())
}

/// Text of others in one line that a terminal takes as text: no control characters.
pub(crate) fn printable(text: &str) -> String {
    let clean: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fault;

    fn row(form: &str, function: &str) -> Form {
        Form {
            form: form.into(),
            function: Some(function.into()),
            concurrency: 8.into(),
            ..Form::default()
        }
    }

    #[test]
    fn the_function_is_named_where_the_form_does_not_say_it() {
        let one = [row("threads", "a"), row("coroutines", "b"), row("plain", "a")];
        assert_eq!(at(&one[0], &one), "threads at 8");
        assert_eq!(in_table(&one[2], &one), "plain");
        let two = [row("threads", "a"), row("threads", "b")];
        assert_eq!(in_table(&two[1], &two), "threads of b (8)");
    }

    #[test]
    fn a_reason_names_the_first_error_and_its_line_once() {
        let mut failed = row("threads", "a");
        failed.errors = vec![Fault {
            kind: "ValueError".into(),
            message: Some("bad\n\u{1b}[31mitem".into()),
            place: Some("work.py:12".into()),
            ..Fault::default()
        }];
        assert_eq!(reason(&failed), "failed: ValueError: bad [31mitem (work.py:12)");
        failed.note = Some("`a` raised ValueError".into());
        assert_eq!(reason(&failed), "failed: `a` raised ValueError; at work.py:12");
    }
}
