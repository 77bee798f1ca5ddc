//! What several commands print.

use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;

use anyhow::Result;

use super::exit;
use crate::phone::terminal::show;

/// Prints what a command found, or why it did not. 0 or 1.
pub(super) fn outcome(result: Result<String>) -> ExitCode {
    done(result.and_then(|text| line(&text)))
}

/// Says why a command that has printed by itself did not do it. 0 or 1.
pub(super) fn done(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            exit::FAILED.into()
        }
    }
}

/// Prints text. Whoever reads only the first lines of it has read enough.
pub(super) fn line(text: &str) -> Result<()> {
    let _ = show(&(text.trim_end().to_owned() + "\n"));
    Ok(())
}

/// Asks, and waits for an answer; anything but yes is no.
pub(super) fn agreed(question: &str) -> Result<bool> {
    write!(io::stderr(), "{question} [y/N] ")?;
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

/// Columns as wide as what is in them.
pub(super) fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let heads = heads.iter().map(|head| (*head).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(heads).chain(rows).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Unix milliseconds as RFC 3339 has it, in UTC.
pub(super) fn time(unix_ms: Option<u64>) -> String {
    let at = unix_ms.and_then(|ms| jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok());
    at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default()
}
