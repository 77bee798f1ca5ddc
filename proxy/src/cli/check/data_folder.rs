//! Whether the data folder can be used, found out without leaving anything there.

use std::fmt;
use std::io;
use std::path::Path;

/// How it is.
#[derive(Debug)]
pub(super) enum DataFolder {
    /// This user can write there.
    Writable,
    /// It is not there, and this user can make it.
    ToBeMade,
    /// It cannot be used, by this user.
    Unusable(io::Error),
}

impl DataFolder {
    /// Writes a file without a name into it, or into the folder in which it would be made.
    pub(super) fn look(dir: &Path) -> Self {
        let there = dir.ancestors().find(|folder| folder.exists());
        // What is left of a relative path in the end is the working directory.
        let there = there.unwrap_or(Path::new("."));
        match tempfile::tempfile_in(there) {
            Ok(_) if there == dir => Self::Writable,
            Ok(_) => Self::ToBeMade,
            Err(error) => Self::Unusable(error),
        }
    }
}

impl fmt::Display for DataFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Writable => f.write_str("can be written"),
            Self::ToBeMade => f.write_str("is made at the start"),
            Self::Unusable(error) => write!(f, "this user cannot write there: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(dir: &Path) -> usize {
        std::fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn a_folder_is_looked_at_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let look = |path: &Path| DataFolder::look(path).to_string();
        assert_eq!(look(dir.path()), "can be written");
        assert_eq!(look(&dir.path().join("a/b")), "is made at the start");
        assert_eq!(entries(dir.path()), 0);
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            let said = look(&path);
            assert!(said.starts_with("this user cannot write there"), "{said}");
        }
        assert_eq!(entries(dir.path()), 1);
    }
}
