//! What is wrong with a file, shown the way rustc shows it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but probably does not do what was meant.
    Warning,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, one line.
    pub message: String,
    /// The bytes of the file it is about; `None` is the whole file.
    pub span: Option<Range<usize>>,
    /// What stands under the bytes: what was found, or expected there.
    pub label: String,
    /// Other places of the file that belong to it, with what they are.
    pub related: Vec<(Range<usize>, String)>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A fault that makes the file unusable.
    pub fn error(span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            span,
            label: String::new(),
            related: Vec::new(),
            help: None,
        }
    }

    /// Something odd.
    pub fn warning(span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(span, message)
        }
    }

    /// Writes `label` under the bytes.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Points at another place, too.
    #[must_use]
    pub fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }
}

/// Everything that is wrong with one file, in the order of its lines. Prints itself.
#[derive(Clone, Debug)]
pub struct Report {
    path: PathBuf,
    text: Arc<str>,
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// `secrets` are the places of `text` that are never shown.
    pub(super) fn new(
        path: &Path,
        text: &str,
        mut diagnostics: Vec<Diagnostic>,
        secrets: &[Range<usize>],
    ) -> Self {
        // Stable: what is about the whole file comes last, in the order it was found.
        diagnostics.sort_by_key(|found| found.span.as_ref().map_or(usize::MAX, |span| span.start));
        Self {
            path: path.to_owned(),
            text: masked(text, secrets).into(),
            diagnostics,
        }
    }

    /// All of them.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// How many are of that severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics
            .iter()
            .filter(|found| found.severity == severity)
            .count()
    }

    /// One line per fault, `12:13: message: label`, for a log.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.diagnostics.iter().map(|found| {
            let mut line = String::new();
            if let Some(span) = &found.span {
                let place = Place::of(&self.text, span);
                line = format!("{}:{}: ", place.line, place.column);
            }
            line.push_str(&found.message);
            if found.severity == Severity::Error && !found.label.is_empty() {
                line.push_str(": ");
                line.push_str(&found.label);
            }
            line
        })
    }
}

impl std::error::Error for Report {}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in &self.diagnostics {
            self.write_one(f, found)?;
            writeln!(f)?;
        }
        let count = |severity, one: &str| match self.count(severity) {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {one}s")),
        };
        let counts: Vec<_> = [
            count(Severity::Error, "error"),
            count(Severity::Warning, "warning"),
        ]
        .into_iter()
        .flatten()
        .collect();
        match counts.as_slice() {
            [] => Ok(()),
            counts => write!(f, "{}: {}", self.path.display(), counts.join(", ")),
        }
    }
}

impl Report {
    fn write_one(&self, f: &mut fmt::Formatter<'_>, found: &Diagnostic) -> fmt::Result {
        let severity = match found.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{severity}: {}", printable(&found.message))?;
        let Some(span) = &found.span else {
            writeln!(f, " --> {}", self.path.display())?;
            return match &found.help {
                Some(help) => writeln!(f, "  = help: {}", printable(help)),
                None => Ok(()),
            };
        };
        let place = Place::of(&self.text, span);
        let related: Vec<_> = found
            .related
            .iter()
            .map(|(span, label)| (Place::of(&self.text, span), label.as_str()))
            .collect();
        let widest = related
            .iter()
            .map(|(place, _)| place.line)
            .fold(place.line, usize::max);
        let gutter = widest.to_string().len();
        let pad = " ".repeat(gutter);
        writeln!(
            f,
            "{pad}--> {}:{}:{}",
            self.path.display(),
            place.line,
            place.column
        )?;
        writeln!(f, "{pad} |")?;
        let mut shown = vec![(place, '^', found.label.as_str())];
        shown.extend(
            related
                .into_iter()
                .map(|(place, label)| (place, '-', label)),
        );
        shown.sort_by_key(|(place, ..)| place.line);
        let mut last = None;
        for (place, mark, label) in shown {
            if last.is_some_and(|line| line + 1 < place.line) {
                writeln!(f, "{pad}...")?;
            }
            last = Some(place.line);
            writeln!(f, "{:>gutter$} | {}", place.line, place.text)?;
            let (indent, marks) = (
                " ".repeat(place.indent),
                mark.to_string().repeat(place.width),
            );
            let line = format!("{pad} | {indent}{marks} {}", printable(label));
            writeln!(f, "{}", line.trim_end())?;
        }
        if let Some(help) = &found.help {
            writeln!(f, "{pad} = help: {}", printable(help))?;
        }
        Ok(())
    }
}

/// Where a span is, and the line it is in, ready to be printed.
struct Place {
    /// From 1.
    line: usize,
    /// From 1, in characters.
    column: usize,
    /// The line with tabs as spaces and nothing that moves a terminal's cursor.
    text: String,
    /// Where the marks begin in `text`, in characters.
    indent: usize,
    /// How many marks; at least one. A span over several lines is marked to the end of its first.
    width: usize,
}

impl Place {
    fn of(text: &str, span: &Range<usize>) -> Self {
        let at = floor_boundary(text, span.start);
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[at..]
            .find('\n')
            .map_or(text.len(), |newline| at + newline);
        let until = floor_boundary(text, span.end).clamp(at, end);
        let before = shown(&text[start..at]);
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: text[start..at].chars().count() + 1,
            indent: before.chars().count(),
            width: shown(&text[at..until]).chars().count().max(1),
            text: before + shown(&text[at..end]).trim_end(),
        }
    }
}

/// The text with every byte of the secrets an asterisk, so that places stay what they are.
fn masked(text: &str, secrets: &[Range<usize>]) -> String {
    let mut masked = text.to_owned();
    for secret in secrets {
        let (start, end) = (
            floor_boundary(text, secret.start),
            floor_boundary(text, secret.end),
        );
        masked.replace_range(start..end, &"*".repeat(end - start));
    }
    masked
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn shown(text: &str) -> String {
    printable(&text.replace('\t', "    ").replace('\r', ""))
}

/// A configuration file can hold terminal escapes as well as a SIP message can.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// The text of the file at `path`.
pub(super) fn read(path: &Path) -> Result<String, Report> {
    let failed = |message: String, help: &str| {
        Report::new(
            path,
            "",
            vec![Diagnostic::error(None, message).help(help)],
            &[],
        )
    };
    let bytes = std::fs::read(path).map_err(|error| {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => {
                "name the file with -c FILE; proxy/sigbox.example.toml is one to start from"
            }
            _ => "check that the file can be read by this user",
        };
        failed(format!("cannot read the configuration: {error}"), help)
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        failed(
            format!("line {} is not UTF-8", line + 1),
            "save the file in UTF-8",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(text: &str, found: Diagnostic) -> String {
        Report::new(Path::new("sigbox.toml"), text, vec![found], &[]).to_string()
    }

    #[test]
    fn marks_stand_under_what_they_are_about() {
        let text = "# ü\n[decision]\n\tbudget_ms = \"200\"\n";
        let at = text.find("\"200\"").unwrap();
        let found = Diagnostic::error(Some(at..at + 5), "`budget_ms` must be a number")
            .label("found a string")
            .help("write 200 without quotes");
        assert_eq!(
            print(text, found),
            "\
error: `budget_ms` must be a number
 --> sigbox.toml:3:14
  |
3 |     budget_ms = \"200\"
  |                 ^^^^^ found a string
  = help: write 200 without quotes

sigbox.toml: 1 error"
        );
    }

    #[test]
    fn spans_beyond_the_text_or_inside_a_character_are_survived() {
        for span in [0..0, 1..2, 2..900, 900..901] {
            let printed = print("aü\nb", Diagnostic::warning(Some(span), "x"));
            assert!(printed.ends_with("sigbox.toml: 1 warning"), "{printed}");
        }
    }

    #[test]
    fn escapes_are_defused() {
        let printed = print(
            "a = '\u{1b}[2J'",
            Diagnostic::error(Some(0..1), "bad \u{1b}[31m"),
        );
        assert!(!printed.contains('\u{1b}'), "{printed}");
    }

    #[test]
    fn secrets_are_masked_and_places_stay() {
        let text = "token = 'hünter2' # ü";
        let found = Diagnostic::error(Some(20..23), "odd");
        let report = Report::new(
            Path::new("sigbox.toml"),
            text,
            vec![found],
            std::slice::from_ref(&(8..18)),
        );
        let printed = report.to_string();
        assert!(printed.contains("token = ********** # ü"), "{printed}");
    }
}
