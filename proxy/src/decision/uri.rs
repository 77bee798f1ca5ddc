//! A URI as queries show it: as it was written, and taken apart.

use serde::ser::{Serialize, SerializeMap, Serializer};
use sigbox_wire::{Host, Scheme, Uri};

use super::query::Shown;
use super::text::{Lower, Text, Unescaped};

/// More parameters than these are not shown; nobody routes by the 33rd.
const MAX_PARAMS: usize = 32;

/// The bytes of a URI, parsed when they can be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UriView<'a> {
    text: &'a [u8],
    parsed: Option<Uri<'a>>,
    clip: Option<usize>,
}

impl<'a> UriView<'a> {
    pub(crate) fn of(text: &'a [u8]) -> Self {
        Self {
            text,
            parsed: Uri::parse(text).ok(),
            clip: None,
        }
    }

    /// The same with every text cut to `clip` bytes, and no parameters.
    pub(crate) fn clipped(self, clip: Option<usize>) -> Self {
        Self { clip, ..self }
    }

    fn cut(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[..bytes.len().min(self.clip.unwrap_or(usize::MAX))]
    }
}

impl Serialize for UriView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("text", &Text(self.cut(self.text)))?;
        let Some(uri) = &self.parsed else {
            let scheme = match memchr::memchr(b':', self.text) {
                Some(colon) => &self.text[..colon],
                None => b"",
            };
            map.serialize_entry("scheme", &Lower(self.cut(scheme)))?;
            return map.end();
        };
        match uri.scheme {
            Scheme::Sip => map.serialize_entry("scheme", "sip")?,
            Scheme::Sips => map.serialize_entry("scheme", "sips")?,
            Scheme::Tel => map.serialize_entry("scheme", "tel")?,
            Scheme::Other(name) => map.serialize_entry("scheme", &Lower(self.cut(name)))?,
        }
        if let Some(user) = uri.user {
            map.serialize_entry("user", &Unescaped(self.cut(user)))?;
        }
        match uri.host {
            Some(Host::V4(ip)) => map.serialize_entry("host", &Shown(ip))?,
            Some(Host::V6(ip)) => map.serialize_entry("host", &Shown(ip))?,
            Some(Host::Name(name)) => map.serialize_entry("host", &Lower(self.cut(name)))?,
            None => {}
        }
        if let Some(port) = uri.port {
            map.serialize_entry("port", &port)?;
        }
        let params = Params::new(uri.params);
        if self.clip.is_none() && !params.is_empty() {
            map.serialize_entry("params", &params)?;
        }
        map.end()
    }
}

/// Parameters as an object: names in lower case, the first of a name counts, no value is `""`.
pub(crate) struct Params<'a> {
    params: sigbox_wire::Params<'a>,
    without: Option<&'static str>,
}

impl<'a> Params<'a> {
    pub(crate) fn new(params: sigbox_wire::Params<'a>) -> Self {
        Self {
            params,
            without: None,
        }
    }

    /// Leaves out the one that is shown elsewhere.
    pub(crate) fn without(self, name: &'static str) -> Self {
        Self {
            without: Some(name),
            ..self
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    fn iter(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + '_ {
        let all = self.params;
        let first = move |position: usize, name: &[u8]| {
            !all.into_iter()
                .take(position)
                .any(|(earlier, _)| earlier.eq_ignore_ascii_case(name))
        };
        self.params
            .into_iter()
            .take(MAX_PARAMS)
            .enumerate()
            .filter(move |(position, (name, _))| {
                let shown_elsewhere = self
                    .without
                    .is_some_and(|own| name.eq_ignore_ascii_case(own.as_bytes()));
                !shown_elsewhere && first(*position, name)
            })
            .map(|(_, param)| param)
    }
}

impl Serialize for Params<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.iter() {
            map.serialize_key(&Lower(name))?;
            match value {
                Some(value) => map.serialize_value(&Unescaped(unquote(value)))?,
                None => map.serialize_value("")?,
            }
        }
        map.end()
    }
}

/// A quoted value without its quotes.
fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        other => other,
    }
}
