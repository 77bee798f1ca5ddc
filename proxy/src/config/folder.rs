//! Paths in the file.

use std::path::{Path, PathBuf};

use super::diagnostic::Diagnostic;
use super::value::Value;

/// The folder of the configuration file: where relative paths begin, from wherever the program is started. A link to
/// the file is not followed.
#[derive(Clone, Copy)]
pub(super) struct Folder<'a>(&'a Path);

impl<'a> Folder<'a> {
    pub(super) fn of(file: &'a Path) -> Self {
        Self(file.parent().unwrap_or(Path::new("")))
    }

    /// The path that a value means.
    pub(super) fn path(self, value: &Value<'_>) -> Option<PathBuf> {
        match value.text()? {
            "" => value.fault(format!("`{}` must be a path", value.key), "empty", None),
            text => Some(self.0.join(text)),
        }
    }

    /// What to do about a value whose path leads to nothing, when it would lead somewhere from the working directory.
    pub(super) fn help(self, value: &Value<'_>) -> Option<String> {
        let text = value.text()?;
        if self.0.join(text).exists() || !Path::new(text).exists() {
            return None;
        }
        let there = std::path::absolute(text).ok()?;
        Some(format!(
            "a relative path begins in the folder of this file; there is a {}",
            there.display()
        ))
    }

    /// Says that a folder which is not there, and would be made, is there from the working directory.
    pub(super) fn warn(self, value: &Value<'_>) {
        if let Some(help) = self.help(value) {
            let message = format!("`{}` is a folder that is not there yet", value.key);
            value.faults.push(
                Diagnostic::warning(Some(value.span()), message)
                    .label("is made at the start")
                    .help(help),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use toml::Spanned;
    use toml::de::DeValue;

    use super::super::reader::Faults;
    use super::*;

    fn path(file: &str, text: &str) -> Option<PathBuf> {
        let faults = Faults::default();
        let value = Spanned::new(0..0, DeValue::String(text.into()));
        let value = Value {
            key: "data.dir".to_owned(),
            value: &value,
            faults: &faults,
        };
        Folder::of(Path::new(file)).path(&value)
    }

    #[test]
    fn a_relative_path_begins_in_the_folder_of_the_file() {
        for (file, text, meant) in [
            ("/etc/sigbox/sigbox.toml", "data", "/etc/sigbox/data"),
            ("/etc/sigbox/sigbox.toml", "../data", "/etc/sigbox/../data"),
            ("/etc/sigbox/sigbox.toml", "/var/lib/x", "/var/lib/x"),
            ("conf/sigbox.toml", "data", "conf/data"),
            ("sigbox.toml", "data", "data"),
        ] {
            assert_eq!(path(file, text).as_deref(), Some(Path::new(meant)));
        }
        assert_eq!(path("sigbox.toml", ""), None);
    }
}
