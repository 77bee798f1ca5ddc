//! Reading rows from an upload, one at a time: memory does not grow with what is read, only with what is kept.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use serde::de::{Deserializer as _, SeqAccess, Visitor};

use crate::builder::Builder;
use crate::check;
use crate::fault::Code;
use crate::row::Fields;
use crate::strict::{self, StrictFields};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A line of column names, then a line for each row (RFC 4180). Commas, semicolons or tabs, whichever the first
    /// line has. An empty cell is no field. `text/csv`
    Csv,
    /// One JSON object on each line. `application/x-ndjson`
    Ndjson,
    /// A JSON array of objects. `application/json`
    Json,
}

impl Format {
    /// The format of a media type, whose parameters do not matter.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        Some(match essence.to_ascii_lowercase().as_str() {
            "text/csv" | "application/csv" => Self::Csv,
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Self::Ndjson,
            "application/json" => Self::Json,
            _ => return None,
        })
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Ndjson => "application/x-ndjson",
            Self::Json => "application/json",
        }
    }
}

/// Reads all rows of `input` into `builder`. What is wrong with them the builder says when it finishes.
///
/// # Errors
/// When the input itself cannot be read on.
pub fn read(format: Format, input: impl Read, builder: &mut Builder<'_>) -> io::Result<()> {
    match format {
        Format::Csv => csv(input, builder),
        Format::Ndjson => lines(input, builder.limits().max_row_bytes, |line, text| {
            match text {
                Ok(text) => match serde_json::from_slice(text) {
                    Ok(StrictFields(row)) => builder.push(line, row),
                    Err(error) => syntax(builder, line, &error),
                },
                Err(detail) => builder.fault(line, "", Code::TooLarge, detail),
            }
            !builder.is_full()
        }),
        Format::Json => json(input, builder),
    }
}

fn syntax(builder: &mut Builder<'_>, line: u64, error: &serde_json::Error) {
    let (code, detail) = strict::fault(error);
    builder.fault(line, "", code, &detail);
}

/// Hands out lines that are not blank, with their numbers, until one is not wanted any more. One that is too long comes
/// as an error.
pub(crate) fn lines(
    input: impl Read,
    max: usize,
    mut each: impl FnMut(u64, Result<&[u8], &str>) -> bool,
) -> io::Result<()> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let (mut text, mut number) = (Vec::new(), 0);
    loop {
        text.clear();
        // Two more for the end of the line, one more to see that it is too long.
        let most = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(3);
        if input.by_ref().take(most).read_until(b'\n', &mut text)? == 0 {
            return Ok(());
        }
        number += 1;
        let ended = text.last() == Some(&b'\n');
        let mut line = text.trim_ascii();
        if number == 1 {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.len() > max {
            if !ended {
                input.skip_until(b'\n')?;
            }
            if !each(number, Err("the line is too long")) {
                return Ok(());
            }
        } else if !line.is_empty() && !each(number, Ok(line)) {
            return Ok(());
        }
    }
}

fn csv(input: impl Read, builder: &mut Builder<'_>) -> io::Result<()> {
    let room = Rc::new(Cell::new(0));
    // The reader takes its buffer full ahead of the record.
    let most = builder.limits().max_row_bytes.saturating_mul(2) + (1 << 16);
    room.set(most);
    let mut input = BufReader::with_capacity(
        1 << 16,
        Rationed {
            input,
            room: Rc::clone(&room),
        },
    );
    // As much of the first line as a row may have, however it comes in pieces.
    let mut first = Vec::new();
    let longest = builder.limits().max_row_bytes as u64;
    input.by_ref().take(longest).read_until(b'\n', &mut first)?;
    let delimiter = delimiter_of(&first);
    let input = first.as_slice().chain(input);
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(::csv::Trim::All)
        .from_reader(input);
    let kind = builder.kind();
    let columns = match reader.headers() {
        Ok(columns) => columns.clone(),
        Err(error) => return csv_fault(error, 1, builder).map(drop),
    };
    for (position, column) in columns.iter().enumerate() {
        if columns.iter().take(position).any(|other| other == column) {
            let detail = format!("column {column:?} is there twice");
            builder.fault(1, column, Code::DuplicateField, &detail);
            return Ok(());
        }
    }
    for field in kind.key_fields() {
        if !columns.iter().any(|column| column == *field) {
            let detail = format!("there is no column {field}; a table of {kind} needs it");
            builder.fault(1, &format!("/{field}"), Code::MissingField, &detail);
            return Ok(());
        }
    }
    let mut record = ::csv::StringRecord::new();
    loop {
        room.set(most);
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => match csv_fault(error, line, builder)? {
                true => continue,
                false => return Ok(()),
            },
        }
        let line = record.position().map_or(line, ::csv::Position::line);
        let mut row = Fields::new();
        let mut wrong = None;
        for (column, text) in columns.iter().zip(&record) {
            match check::cell(kind, column, text) {
                Ok(Some(value)) => {
                    row.insert(column.to_owned(), value);
                }
                Ok(None) => {}
                Err(fault) => {
                    wrong = Some(fault);
                    break;
                }
            }
        }
        match wrong {
            Some(wrong) => builder.wrong(line, &wrong),
            None => builder.push(line, row),
        }
        if builder.is_full() {
            return Ok(());
        }
    }
}

/// Whether there may be more records behind the fault.
fn csv_fault(error: ::csv::Error, line: u64, builder: &mut Builder<'_>) -> io::Result<bool> {
    let line = error.position().map_or(line, ::csv::Position::line);
    let detail = match error.kind() {
        ::csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} cells; the first line has {expected_len} columns"),
        ::csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        ::csv::ErrorKind::Io(error)
            if error.get_ref().is_some_and(|error| error.is::<Overlong>()) =>
        {
            let detail = "the row does not end; is a quotation mark missing?";
            builder.fault(line, "", Code::TooLarge, detail);
            return Ok(false);
        }
        _ => {
            return match error.into_kind() {
                ::csv::ErrorKind::Io(error) => Err(error),
                other => Err(io::Error::other(format!("{other:?}"))),
            };
        }
    };
    builder.fault(line, "", Code::Syntax, &detail);
    Ok(true)
}

/// What separates the cells of the first line; a comma when nothing does.
fn delimiter_of(start: &[u8]) -> u8 {
    let line = start
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let count = |delimiter: &u8| memchr::memchr_iter(*delimiter, line).count();
    let [comma, others @ ..] = [b',', b';', b'\t'];
    let best = others.into_iter().max_by_key(|delimiter| count(delimiter));
    best.filter(|_| count(&comma) == 0)
        .filter(|best| count(best) > 0)
        .unwrap_or(comma)
}

fn json(input: impl Read, builder: &mut Builder<'_>) -> io::Result<()> {
    let (room, line) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(1)));
    // White space between rows counts too.
    let most = builder.limits().max_row_bytes.saturating_mul(2) + (1 << 16);
    room.set(most);
    let rationed = Rationed {
        input,
        room: Rc::clone(&room),
    };
    let input = CountedLines {
        input: BufReader::with_capacity(1 << 16, rationed),
        line: Rc::clone(&line),
    };
    let mut reader = serde_json::Deserializer::from_reader(input);
    let rows = Array {
        each: |row| {
            room.set(most);
            builder.push(line.get(), row);
            !builder.is_full()
        },
    };
    let result = reader.deserialize_seq(rows).and_then(|whole| match whole {
        true => reader.end(),
        false => Ok(()),
    });
    let Err(error) = result else { return Ok(()) };
    if error.is_io() {
        let error = io::Error::from(error);
        if !error.get_ref().is_some_and(|error| error.is::<Overlong>()) {
            return Err(error);
        }
        builder.fault(line.get(), "", Code::TooLarge, "the row does not end");
        return Ok(());
    }
    syntax(builder, error.line() as u64, &error);
    Ok(())
}

/// Hands out the objects of an array until one is not wanted any more; true at its end.
struct Array<F> {
    each: F,
}

impl<'de, F: FnMut(Fields) -> bool> Visitor<'de> for Array<F> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows, each an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut rows: A) -> Result<bool, A::Error> {
        while let Some(StrictFields(row)) = rows.next_element()? {
            if !(self.each)(row) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// There was more of one row than may be.
#[derive(Debug, thiserror::Error)]
#[error("a row is too long")]
struct Overlong;

/// Reads no more than there is room for; whoever takes a row makes room again.
struct Rationed<R> {
    input: R,
    room: Rc<Cell<usize>>,
}

impl<R: Read> Read for Rationed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = self.room.get();
        if room == 0 {
            return Err(io::Error::other(Overlong));
        }
        let most = buffer.len().min(room);
        let read = self
            .input
            .read(buffer.get_mut(..most).unwrap_or_default())?;
        self.room.set(room - read);
        Ok(read)
    }
}

/// Knows which line it is on; whoever reads takes single bytes.
struct CountedLines<R> {
    input: R,
    line: Rc<Cell<u64>>,
}

impl<R: Read> Read for CountedLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let seen = buffer.get(..read).unwrap_or_default();
        let ends = memchr::memchr_iter(b'\n', seen).count() as u64;
        self.line.set(self.line.get() + ends);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Limits};

    /// Comes a byte at a time, as a network may have it.
    struct Dripping<'a>(&'a [u8]);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(1);
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn what_separates_fields_is_known_by_the_first_line_however_it_comes() {
        for text in [
            "prefix;rate\n49;1\n",
            "prefix\trate\n49\t1",
            "prefix,rate\n49,1\n",
        ] {
            let mut builder = Builder::new(Kind::Prefixes, Limits::default());
            read(Format::Csv, Dripping(text.as_bytes()), &mut builder).unwrap();
            let table = builder.finish().unwrap();
            let row = table.longest_prefix("4930").unwrap();
            assert_eq!(row.fields()["rate"], "1", "{text:?}");
        }
    }
}
