//! HTML as it is written: the fixed text of this crate goes in as it is, all other text escaped.

use std::fmt::{Display, Write};

/// Markup under construction.
#[derive(Default)]
pub(super) struct Markup(String);

impl Markup {
    /// Markup of this crate; the lifetime keeps out what comes with a report.
    pub(super) fn fixed(&mut self, html: &'static str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    /// Text of any origin.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Self {
        // Writing into a `String` cannot fail.
        let _ = write!(Escaping(&mut self.0), "{text}");
        self
    }

    /// Text of any origin, with what it has in backticks as code.
    pub(super) fn prose(&mut self, text: &str) -> &mut Self {
        if text.matches('`').count() % 2 == 1 {
            return self.text(text);
        }
        for (index, part) in text.split('`').enumerate() {
            match index % 2 {
                0 => self.text(part),
                _ => self.element("code", &[], part),
            };
        }
        self
    }

    /// An opening tag; the values of its attributes may be of any origin.
    pub(super) fn open(
        &mut self,
        tag: &'static str,
        attributes: &[(&'static str, &str)],
    ) -> &mut Self {
        self.0.push('<');
        self.0.push_str(tag);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.text(value);
            self.0.push('"');
        }
        self.0.push('>');
        self
    }

    /// The closing tag of `tag`.
    pub(super) fn close(&mut self, tag: &'static str) -> &mut Self {
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
        self
    }

    /// An element that holds nothing but text.
    pub(super) fn element(
        &mut self,
        tag: &'static str,
        attributes: &[(&'static str, &str)],
        text: impl Display,
    ) -> &mut Self {
        self.open(tag, attributes).text(text).close(tag)
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Replaces the characters that could end a text or an attribute value.
struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // HTML has no way to write this one.
                '\0' => self.0.push('\u{fffd}'),
                _ => self.0.push(character),
            }
        }
        Ok(())
    }
}

/// JSON that may stand in a `<script>`: without `<`, nothing in it can end or comment out the
/// element. In JSON, `<` stands in strings only, where the escape means the same.
pub(super) fn json_in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let mut page = Markup::default();
        page.open("p", &[("title", "\" onclick='x'")]).text("<b>&\0").close("p");
        assert_eq!(
            page.into_string(),
            "<p title=\"&quot; onclick=&#39;x&#39;\">&lt;b&gt;&amp;\u{fffd}</p>"
        );
    }

    #[test]
    fn what_stands_in_backticks_is_code() {
        let mut page = Markup::default();
        page.prose("`a<b` or `c`").prose("; a ` alone");
        let shown = "<code>a&lt;b</code> or <code>c</code>; a ` alone";
        assert_eq!(page.into_string(), shown);
    }

    #[test]
    fn json_cannot_end_its_script() {
        let json = json_in_script(r#"{"a": "</script><!--"}"#);
        assert_eq!(json, r#"{"a": "\u003c/script>\u003c!--"}"#);
    }
}
