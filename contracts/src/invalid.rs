//! Why a document was refused.

use std::fmt;

/// A refused document: what is wrong, where, and a sentence for the person who wrote the decider.
///
/// A refused decision is never half applied: it counts as no decision, and local rules decide.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at {}: {detail}", if pointer.is_empty() { "the document" } else { pointer })]
pub struct Invalid {
    /// What is wrong, as a metrics label.
    pub reason: InvalidReason,
    /// JSON pointer (RFC 6901) to the offending value; empty for the whole document.
    pub pointer: String,
    /// What was expected and what was found. One line, printable, at most [`Invalid::MAX_DETAIL`] characters.
    pub detail: String,
}

impl Invalid {
    /// Longest `detail`, in characters; longer text is cut with an ellipsis.
    pub const MAX_DETAIL: usize = 240;

    /// A refusal of the value at `pointer`. Control characters in `detail` are escaped and long text is cut,
    /// because the detail quotes what a decider sent and ends up in logs and events.
    pub fn new(reason: InvalidReason, pointer: impl Into<String>, detail: impl AsRef<str>) -> Self {
        let mut printable = String::new();
        for (count, c) in detail.as_ref().chars().enumerate() {
            if count >= Self::MAX_DETAIL - 1 {
                printable.push('…');
                break;
            }
            if c.is_control() {
                printable.extend(c.escape_default());
            } else {
                printable.push(c);
            }
        }
        Self {
            reason,
            pointer: pointer.into(),
            detail: printable,
        }
    }

    /// The same refusal for a document that sits inside another one, at `prefix`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.pointer.insert_str(0, prefix);
        self
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)*) => {
        /// What is wrong with a document. The label is the same in metrics, events, logs, SDKs and the manifest of
        /// the golden examples.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum InvalidReason {
            $($(#[$doc])* $name,)*
        }

        impl InvalidReason {
            /// Every reason, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The metrics label.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

reasons! {
    /// The bytes are not one JSON document in UTF-8.
    NotJson = "not_json",
    /// More bytes than [`crate::Limits::max_bytes`].
    TooLarge = "too_large",
    /// A value has another JSON type than its field.
    WrongType = "wrong_type",
    /// A field that the action needs is absent or empty.
    MissingField = "missing_field",
    /// A field is there twice (letter case does not count).
    DuplicateField = "duplicate_field",
    /// A field that belongs to another action and would have no effect.
    UnexpectedField = "unexpected_field",
    /// `version` has a major number other than 1.
    UnknownVersion = "unknown_version",
    /// `action` is not an action of this version.
    UnknownAction = "unknown_action",
    /// `routing` is neither `serial` nor `parallel`.
    UnknownRouting = "unknown_routing",
    /// The action is `route` (or absent) and there is no route.
    NoRoutes = "no_routes",
    /// More routes than [`crate::Limits::max_routes`].
    TooManyRoutes = "too_many_routes",
    /// More contacts than [`crate::Limits::max_contacts`].
    TooManyContacts = "too_many_contacts",
    /// A SIP status outside the range of its field.
    BadStatus = "bad_status",
    /// A number that is negative, fractional, zero where zero means nothing, or out of range.
    BadNumber = "bad_number",
    /// A name that is not a slug (`[a-z0-9_-]+`) or a key of the wrong length.
    BadName = "bad_name",
    /// A header name that is not a token, or an `extra` line without a colon.
    BadHeader = "bad_header",
    /// Text that would break out of its line: CR, LF, NUL or another control character.
    HeaderInjection = "header_injection",
    /// A header that only the proxy may write.
    ProtectedHeader = "protected_header",
    /// A URI that does not parse.
    BadUri = "bad_uri",
    /// A URI that is neither sip, sips nor tel.
    BadScheme = "bad_scheme",
    /// The target is the proxy itself. Seen by the proxy only.
    SelfTarget = "self_target",
    /// `socket` names no listener of the proxy. Seen by the proxy only.
    UnknownSocket = "unknown_socket",
    /// `gateways` names no gateway set of the proxy. Seen by the proxy only.
    UnknownGateways = "unknown_gateways",
}

impl InvalidReason {
    /// The reason with this label.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.label() == label)
    }
}

impl fmt::Display for InvalidReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique_and_readable_back() {
        for &reason in InvalidReason::ALL {
            assert_eq!(InvalidReason::from_label(reason.label()), Some(reason));
        }
    }

    #[test]
    fn detail_is_one_printable_line() {
        let invalid = Invalid::new(
            InvalidReason::WrongType,
            "/routes/0",
            format!("a\r\n\u{1b}[31m{}", "x".repeat(1_000)),
        );
        assert!(!invalid.to_string().chars().any(char::is_control));
        assert_eq!(invalid.detail.chars().last(), Some('…'));
        assert!(
            invalid
                .to_string()
                .starts_with("wrong_type at /routes/0: a\\r\\n\\u{1b}[31m")
        );
        assert_eq!(invalid.under("/rtjson").pointer, "/rtjson/routes/0");
    }
}
