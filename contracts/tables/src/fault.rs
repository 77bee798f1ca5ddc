use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing wrong with a push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// Line of the upload, from 1; in a JSON array the line on which the row ends.
    pub line: u64,
    /// JSON pointer (RFC 6901) into the row; empty for the row as a whole. For CSV the name of the column.
    pub pointer: String,
    /// What kind of fault it is.
    pub code: Code,
    /// A sentence for the person who made the file.
    pub detail: String,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)*) => {
        /// What kind of fault a [`Fault`] is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// The text in documents.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

codes! {
    /// The bytes are not of the format that was announced.
    Syntax = "syntax",
    /// A field that every row of this kind has is not there, or empty.
    MissingField = "missing_field",
    /// A field has another JSON type than it should.
    WrongType = "wrong_type",
    /// The key cannot be one.
    BadKey = "bad_key",
    /// The same key is there twice.
    DuplicateKey = "duplicate_key",
    /// A column or field is there twice.
    DuplicateField = "duplicate_field",
    /// A field has a value it cannot have.
    BadValue = "bad_value",
    /// What the row says about routing cannot be carried out.
    BadRoute = "bad_route",
    /// More rows, or a larger row, than the limits allow.
    TooLarge = "too_large",
    /// The operation of a patch is none, or its key is not there.
    BadOperation = "bad_operation",
}

/// The faults of one push: the first [`Faults::KEPT`] of them, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{total} {}, the first: line {}: {}",
    if *total == 1 { "fault" } else { "faults" },
    self.kept.first().map_or(0, |fault| fault.line),
    self.kept.first().map_or("", |fault| fault.detail.as_str()))]
pub struct Faults {
    /// In the order of the file, but for keys that are there twice, which come last.
    pub kept: Vec<Fault>,
    /// All of them.
    pub total: u64,
}

impl Faults {
    /// How many are kept.
    pub const KEPT: usize = 100;

    /// Longest `detail`, in characters.
    const MAX_DETAIL: usize = 240;

    /// Takes note of one. What it quotes is made printable.
    pub fn add(&mut self, line: u64, pointer: impl Into<String>, code: Code, detail: &str) {
        self.total += 1;
        if self.kept.len() == Self::KEPT {
            return;
        }
        let mut printable = String::new();
        for (count, c) in detail.chars().enumerate() {
            if count == Self::MAX_DETAIL {
                printable.push('…');
                break;
            }
            match c.is_control() {
                true => printable.extend(c.escape_default()),
                false => printable.push(c),
            }
        }
        self.kept.push(Fault {
            line,
            pointer: pointer.into(),
            code,
            detail: printable,
        });
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.total == 0
    }
}
