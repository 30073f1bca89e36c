//! Lines, in colour if that is asked for.

use super::fit;

/// How a line or its label stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Normal,
    Strong,
    Winner,
    Bad,
    Doubt,
    Faint,
}

impl Style {
    fn sequence(self) -> &'static str {
        match self {
            Style::Normal => "",
            Style::Strong => "\x1b[1m",
            Style::Winner => "\x1b[1;32m",
            Style::Bad => "\x1b[31m",
            Style::Doubt => "\x1b[33m",
            Style::Faint => "\x1b[2m",
        }
    }
}

/// What is written on.
pub(super) struct Paper {
    text: String,
    color: bool,
    /// Columns of a line.
    pub(super) width: usize,
}

impl Paper {
    pub(super) fn new(color: bool, width: usize) -> Self {
        Paper { text: String::new(), color, width }
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// One line, cut to the width.
    pub(super) fn line(&mut self, style: Style, line: &str) {
        let line = fit::clip(line.trim_end(), self.width);
        let line = self.styled(style, &line);
        self.text.push_str(&line);
        self.text.push('\n');
    }

    /// A label and its text, which is wrapped beside it.
    pub(super) fn labelled(&mut self, style: Style, label: &str, indent: usize, text: &str) {
        for (index, line) in fit::wrap(text, self.width - indent).iter().enumerate() {
            let label = fit::left(if index == 0 { label } else { "" }, indent);
            let line = format!("{}{line}", self.styled(style, &label));
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.color && style != Style::Normal && !text.trim().is_empty() {
            format!("{}{text}\x1b[0m", style.sequence())
        } else {
            text.to_owned()
        }
    }

    pub(super) fn into_string(self) -> String {
        self.text
    }
}
