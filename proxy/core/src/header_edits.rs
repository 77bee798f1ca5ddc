//! Changes that a plan makes to the headers of one branch, or of a response made here.

use sigbox_wire::Limits;

use crate::plan::{PlanError, Target};

/// The most bytes that the header changes of one branch or response may write, so that what is
/// sent still fits into a datagram.
pub(crate) const MAX_HEADER_BYTES: usize = 16 * 1024;

/// The longest header name that a parser like ours reads.
pub(crate) const MAX_NAME_BYTES: usize = 255;

/// Changes to the headers of one branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    from: Option<Party>,
    to: Option<Party>,
    extra: Box<[u8]>,
    set: Vec<(Box<str>, Box<str>)>,
    remove: Vec<Box<str>>,
}

/// A new display name or URI for From or To; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// The display name, without quotes.
    pub display: Option<Box<str>>,
    /// The URI.
    pub uri: Option<Box<str>>,
}

/// Headers that only the proxy writes.
const PROTECTED: [&str; 11] = [
    "via",
    "v",
    "route",
    "record-route",
    "call-id",
    "i",
    "cseq",
    "content-length",
    "l",
    "max-forwards",
    "max-breadth",
];

impl HeaderEdits {
    /// No change yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rewrites the From header's display name or URI; the tag stays.
    pub fn from(&mut self, party: Party) -> Result<(), PlanError> {
        self.from = Some(party.checked()?);
        Ok(())
    }

    /// Rewrites the To header's display name or URI; a tag stays.
    pub fn to(&mut self, party: Party) -> Result<(), PlanError> {
        self.to = Some(party.checked()?);
        Ok(())
    }

    /// Replaces every header of that name by one with this value, or adds it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), PlanError> {
        check_name(name)?;
        check_value(value)?;
        self.make_room(name, value)?;
        self.set.push((name.into(), value.into()));
        Ok(())
    }

    /// Adds a header line.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), PlanError> {
        check_name(name)?;
        check_value(value)?;
        self.make_room(name, value)?;
        let mut lines = std::mem::take(&mut self.extra).into_vec();
        for part in [name, ": ", value, "\r\n"] {
            lines.extend_from_slice(part.as_bytes());
        }
        self.extra = lines.into_boxed_slice();
        Ok(())
    }

    /// Refuses a line that is longer than a parser like ours reads, or that would not fit beside those there are.
    fn make_room(&self, name: &str, value: &str) -> Result<(), PlanError> {
        if name.len() + ": ".len() + value.len() > Limits::default().header {
            return Err(PlanError::TooLong);
        }
        let set = self
            .set
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4);
        let written = set.sum::<usize>() + self.extra.len();
        if written + name.len() + value.len() + 4 > MAX_HEADER_BYTES {
            return Err(PlanError::TooLong);
        }
        Ok(())
    }

    /// Takes every header of that name away.
    pub fn remove(&mut self, name: &str) -> Result<(), PlanError> {
        check_name(name)?;
        self.remove.push(name.into());
        Ok(())
    }

    /// The new From, if any.
    pub fn from_party(&self) -> Option<&Party> {
        self.from.as_ref()
    }

    /// The new To, if any.
    pub fn to_party(&self) -> Option<&Party> {
        self.to.as_ref()
    }

    /// Complete header lines to add, each ended by CRLF.
    pub fn extra(&self) -> &[u8] {
        &self.extra
    }

    /// Names and values to set.
    pub fn sets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Names to take away.
    pub fn removals(&self) -> impl Iterator<Item = &str> {
        self.remove.iter().map(|name| &**name)
    }
}

impl Party {
    fn checked(self) -> Result<Self, PlanError> {
        if let Some(display) = &self.display {
            check_value(display)?;
        }
        if let Some(uri) = &self.uri {
            Target::parse(uri)?;
        }
        Ok(self)
    }
}

fn check_name(name: &str) -> Result<(), PlanError> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
    if !(1..=MAX_NAME_BYTES).contains(&name.len()) || !name.bytes().all(token) {
        return Err(PlanError::HeaderName);
    }
    // From and To have edits of their own, which keep the tag.
    let own = ["from", "f", "to", "t"];
    if PROTECTED
        .iter()
        .chain(&own)
        .any(|protected| protected.eq_ignore_ascii_case(name))
    {
        return Err(PlanError::ProtectedHeader);
    }
    Ok(())
}

fn check_value(value: &str) -> Result<(), PlanError> {
    if value.bytes().any(|b| b != b'\t' && b.is_ascii_control()) {
        return Err(PlanError::HeaderValue);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d5_headers_that_no_datagram_has_room_for_are_refused() {
        let mut edits = HeaderEdits::new();
        edits.set("X-A", &"a".repeat(8_000)).unwrap();
        edits.add("X-B", &"b".repeat(8_000)).unwrap();
        assert_eq!(
            edits.add("X-C", &"c".repeat(8_000)),
            Err(PlanError::TooLong)
        );
        edits.add("X-D", "small").unwrap();
    }

    #[test]
    fn d5_headers_that_no_peer_would_read_are_refused() {
        let mut edits = HeaderEdits::new();
        edits.set(&"n".repeat(255), "v").unwrap();
        for name in ["n".repeat(256), String::new()] {
            assert_eq!(edits.set(&name, "v"), Err(PlanError::HeaderName));
            assert_eq!(edits.add(&name, "v"), Err(PlanError::HeaderName));
        }
        edits.add("X-A", &"a".repeat(8_187)).unwrap();
        assert_eq!(
            edits.add("X-A", &"a".repeat(8_188)),
            Err(PlanError::TooLong)
        );
    }
}
