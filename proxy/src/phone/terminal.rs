//! What the terminal can show.

use std::env;
use std::io::{self, IsTerminal, Write, stdout};

/// Width when standard output is not a terminal.
const DEFAULT_WIDTH: usize = 100;

/// How to draw on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Columns.
    pub width: usize,
    /// Draw with box characters; otherwise with `|`, `-` and `>`.
    pub unicode: bool,
    /// Use colours.
    pub colour: bool,
}

impl Terminal {
    /// Asks the environment.
    ///
    /// Unicode unless the locale (`LC_ALL`, `LC_CTYPE`, `LANG`, the first one set) names another
    /// encoding; where none is set, as in many containers, UTF-8 is the better guess. Colour only on
    /// a terminal, and never with `NO_COLOR` or `TERM=dumb`.
    pub fn detect(ascii: bool) -> Self {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(variable);
        let dumb = variable("TERM").is_some_and(|term| term == "dumb");
        let is_terminal = stdout().is_terminal();
        let width = variable("COLUMNS")
            .and_then(|columns| columns.parse().ok())
            .or_else(|| is_terminal.then(terminal_width).flatten())
            .unwrap_or(DEFAULT_WIDTH);
        Self {
            width: width.clamp(60, 140),
            unicode: !ascii && is_utf8(locale.as_deref()),
            colour: is_terminal && !dumb && variable("NO_COLOR").is_none(),
        }
    }

    /// The first when Unicode can be shown, else the second.
    pub fn either<T>(&self, unicode: T, ascii: T) -> T {
        if self.unicode { unicode } else { ascii }
    }

    /// `text` in `tone`.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        match tone.code().filter(|_| self.colour) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }
}

/// Prints `text`, and whatever waits in the buffer.
///
/// # Errors
/// When nobody reads any more, as in `sigbox demo | head`.
pub fn show(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn terminal_width() -> Option<usize> {
    rustix::termios::tcgetwinsize(stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
}

fn is_utf8(locale: Option<&str>) -> bool {
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// What a piece of text means; the colour follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Lanes, plain text.
    Plain,
    /// Addresses, times.
    Faint,
    /// Headings.
    Strong,
    /// Requests.
    Request,
    /// Provisional responses.
    Progress,
    /// 2xx, PASS.
    Good,
    /// 3xx, withdrawals.
    Notice,
    /// 4xx and up, FAIL.
    Bad,
    /// Queries and decisions.
    Decider,
}

impl Tone {
    /// The SGR parameters.
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Faint => Some("2"),
            Self::Strong => Some("1"),
            Self::Request => Some("36"),
            Self::Progress => Some("34"),
            Self::Good => Some("32"),
            Self::Notice => Some("33"),
            Self::Bad => Some("31"),
            Self::Decider => Some("35"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_locale_of_another_encoding_forbids_box_characters() {
        assert!(is_utf8(None));
        assert!(is_utf8(Some("de_DE.UTF-8")));
        assert!(is_utf8(Some("C.utf8")));
        assert!(!is_utf8(Some("C")));
        assert!(!is_utf8(Some("en_US.ISO-8859-1")));
    }

    #[test]
    fn paint_is_the_text_itself_without_colour() {
        let plain = Terminal {
            width: 80,
            unicode: true,
            colour: false,
        };
        assert_eq!(plain.paint(Tone::Bad, "x"), "x");
        assert_eq!(
            Terminal {
                colour: true,
                ..plain
            }
            .paint(Tone::Bad, "x"),
            "\x1b[31mx\x1b[0m"
        );
        assert_eq!(
            Terminal {
                colour: true,
                ..plain
            }
            .paint(Tone::Plain, "x"),
            "x"
        );
    }
}
