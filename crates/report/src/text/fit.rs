//! Text and the columns that it takes.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that `text` takes.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// `text`, cut to `width` columns; what is cut shows by an ellipsis.
pub(super) fn clip(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for letter in text.chars() {
        kept.push(letter);
        if columns(&kept) >= width {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

/// `text`, filled with blanks on the right.
pub(super) fn left(text: &str, width: usize) -> String {
    let text = clip(text, width);
    let blanks = width - columns(&text).min(width);
    format!("{text}{}", " ".repeat(blanks))
}

/// `text`, filled with blanks on the left.
pub(super) fn right(text: &str, width: usize) -> String {
    let text = clip(text, width);
    let blanks = width - columns(&text).min(width);
    format!("{}{text}", " ".repeat(blanks))
}

/// `text` in lines of at most `width` columns, broken between words; a word that is wider is broken
/// inside.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        for (index, piece) in pieces(word, width).into_iter().enumerate() {
            let line = lines.last_mut().filter(|line| {
                index == 0 && (line.is_empty() || columns(line) + 1 + columns(&piece) <= width)
            });
            match line {
                Some(line) if line.is_empty() => line.push_str(&piece),
                Some(line) => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                None => lines.push(piece),
            }
        }
    }
    lines
}

/// A word in pieces of at most `width` columns.
fn pieces(word: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for letter in word.chars() {
        let wide = letter.width().unwrap_or(0);
        if used + wide > width {
            pieces.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(piece) = pieces.last_mut() {
            piece.push(letter);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_with_an_ellipsis() {
        assert_eq!(clip("threads", 7), "threads");
        assert_eq!(clip("threads", 6), "threa…");
        assert_eq!(clip("날실날실", 5), "날실…");
        assert_eq!(right("날실", 6), "  날실");
        assert_eq!(left("ab", 4), "ab  ");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("a abcdefghij b", 4), ["a", "abcd", "efgh", "ij b"]);
        assert_eq!(wrap("", 4), [""]);
    }
}
