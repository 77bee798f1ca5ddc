//! `audit.ndjson`, which does not grow for good.

use std::fs::{File, rename};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file of this size is put aside, in the place of the one before.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The present file; beside it there is at most `audit.1.ndjson`, the one before.
#[derive(Debug)]
pub(super) struct LogFile {
    dir: PathBuf,
    file: File,
    size: u64,
    largest: u64,
}

impl LogFile {
    /// Goes on with the file of `dir`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        Self::bounded(dir, LARGEST)
    }

    fn bounded(dir: &Path, largest: u64) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let file = appended(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            size: file.metadata()?.len(),
            file,
            largest,
        })
    }

    /// Appends `line`.
    ///
    /// # Errors
    /// What the system says. When the file cannot be put aside it grows on.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let length = line.len() as u64;
        if self.size > 0 && self.size + length > self.largest {
            rename(
                self.dir.join("audit.ndjson"),
                self.dir.join("audit.1.ndjson"),
            )
            .and_then(|()| appended(&self.dir))
            .map(|file| {
                self.file = file;
                self.size = 0;
            })
            .unwrap_or_else(|error| tracing::error!(%error, "the audit log cannot be put aside"));
        }
        self.file.write_all(line)?;
        self.size += length;
        Ok(())
    }
}

fn appended(dir: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(dir.join("audit.ndjson"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_of_bounded_size_are_all_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let mut log = LogFile::bounded(dir.path(), 12).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            log.write(line.as_bytes()).unwrap();
        }
        assert_eq!(read("audit.1.ndjson"), "one\ntwo\n");
        assert_eq!(read("audit.ndjson"), "three\nfour\n");
        // What was there before counts.
        let mut log = LogFile::bounded(dir.path(), 12).unwrap();
        log.write(b"five\n").unwrap();
        assert_eq!(read("audit.1.ndjson"), "three\nfour\n");
        assert_eq!(read("audit.ndjson"), "five\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
