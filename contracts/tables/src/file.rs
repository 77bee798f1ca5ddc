//! A version as it is stored on disk, kept in JetStream, and read by SDKs: NDJSON, rows by key and their fields by
//! name, compressed with gzip. The SHA-256 of the NDJSON is the version's name; the same rows have the same name
//! however they were pushed.

use std::fmt;
use std::io::{self, BufWriter, Read, Write};
use std::str::FromStr;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::builder::{Builder, Limits};
use crate::fault::Faults;
use crate::kind::Kind;
use crate::read::{Format, read};
use crate::table::Table;

/// The SHA-256 of a version's rows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 in hexadecimal")]
pub struct NoDigest;

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NoDigest);
        }
        let mut digest = [0; 32];
        for (at, byte) in digest.iter_mut().enumerate() {
            let pair = text.get(2 * at..2 * at + 2).ok_or(NoDigest)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NoDigest)?;
        }
        Ok(Self(digest))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Writes `table`. The digest, and how long the NDJSON is, in bytes.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(table: &Table, out: impl Write) -> io::Result<(Digest, u64)> {
    let encoder = GzEncoder::new(out, Compression::fast());
    let mut hashed = BufWriter::with_capacity(1 << 16, Hashed::new(encoder));
    let mut line = Vec::new();
    for row in table.rows() {
        line.clear();
        row.write(&mut line);
        line.push(b'\n');
        hashed.write_all(&line)?;
    }
    let hashed = hashed
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    let (digest, length) = hashed.state();
    hashed.inner.finish()?.flush()?;
    Ok((digest, length))
}

/// The digest of a table, and how long its NDJSON is, without writing it anywhere.
pub fn digest(table: &Table) -> (Digest, u64) {
    let mut hashed = Hashed::new(io::sink());
    let mut line = Vec::new();
    for row in table.rows() {
        line.clear();
        row.write(&mut line);
        line.push(b'\n');
        // A sink takes everything.
        let _ = hashed.write_all(&line);
    }
    hashed.state()
}

/// Why a stored version cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A row is wrong, which none was when it was written.
    #[error("is not what was written: {0}")]
    Rows(#[from] Faults),
    /// It holds something else than its name says.
    #[error("has the SHA-256 {found}, not {wanted}")]
    Digest {
        /// What it is called.
        wanted: Digest,
        /// What it is.
        found: Digest,
    },
}

/// Reads what [`write`] wrote and sees that it is what `wanted` names.
///
/// # Errors
/// [`FileError`]
pub fn load(kind: Kind, wanted: Digest, input: impl Read) -> Result<Table, FileError> {
    let mut hashed = Hashed::new(GzDecoder::new(input));
    // Its rows were within the limits that held when it was pushed.
    let limits = Limits {
        max_rows: usize::MAX - 1,
        max_row_bytes: 1 << 30,
    };
    let mut builder = Builder::new(kind, limits);
    read(Format::Ndjson, &mut hashed, &mut builder)?;
    let (found, _) = hashed.state();
    if found != wanted {
        return Err(FileError::Digest { wanted, found });
    }
    Ok(builder.finish()?)
}

/// Hashes what goes through.
struct Hashed<T> {
    inner: T,
    hasher: Sha256,
    length: u64,
}

impl<T> Hashed<T> {
    fn new(inner: T) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            length: 0,
        }
    }

    fn saw(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
    }

    fn state(&self) -> (Digest, u64) {
        (Digest(self.hasher.clone().finalize().into()), self.length)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.saw(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let seen = buffer.get(..read).unwrap_or_default();
        self.hasher.update(seen);
        self.length += read as u64;
        Ok(read)
    }
}
