//! A message: bytes and their index.

mod typed;

use std::ops::Range;

use crate::header_id::HeaderId;
use crate::index::Index;
use crate::method::Method;

/// A SIP message as it was received, with the index of its lines.
///
/// All offsets and ranges are relative to [`raw`](Self::raw), and all slices are parts of it.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    raw: &'a [u8],
    index: &'a Index,
}

/// One logical header line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// Which header it is.
    pub id: HeaderId,
    /// The name as written. Empty for a line that [`Index::parse`] found at fault.
    pub name: &'a [u8],
    /// The value, trimmed and still folded.
    pub value: &'a [u8],
    /// Where the line is, its CRLF included.
    pub line: Range<usize>,
    /// Where the value is.
    pub value_range: Range<usize>,
}

impl<'a> Message<'a> {
    /// Reads `raw` by the index made from it. With an index of other bytes the answers are wrong,
    /// but nothing panics.
    pub fn new(raw: &'a [u8], index: &'a Index) -> Self {
        let message = raw.get(index.start..).unwrap_or_default();
        let len = message.len().min(index.len.into());
        Self {
            raw: &message[..len],
            index,
        }
    }

    /// Exactly the message: without CRLFs before it, and without what follows its Content-Length in
    /// the datagram (RFC 3261 §18.3).
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    pub(crate) const fn index(&self) -> &'a Index {
        self.index
    }

    fn part(&self, range: Range<usize>) -> &'a [u8] {
        self.raw.get(range).unwrap_or_default()
    }

    /// Whether it starts with a request line.
    pub const fn is_request(&self) -> bool {
        !self.index.is_response
    }

    /// The method of the request line; for a response that of CSeq, empty when there is none.
    pub fn method(&self) -> Method<'a> {
        if self.is_request() {
            return Method::from_bytes(self.part(0..self.index.method_end.into()));
        }
        self.cseq().map_or(Method::Other(b""), |cseq| cseq.method)
    }

    /// The Request-URI as written; empty for a response.
    pub fn request_uri(&self) -> &'a [u8] {
        self.part(self.request_uri_range())
    }

    /// Where the Request-URI is; empty for a response.
    pub fn request_uri_range(&self) -> Range<usize> {
        if self.index.is_response {
            return 0..0;
        }
        let end = self.index.uri_end.into();
        (usize::from(self.index.method_end) + 1).min(end)..end
    }

    /// The status code; 0 for a request.
    pub const fn status(&self) -> u16 {
        self.index.status
    }

    /// The reason phrase; empty for a request.
    pub fn reason(&self) -> &'a [u8] {
        if self.is_request() {
            return &[];
        }
        let end = usize::from(self.index.headers_start).saturating_sub(2);
        self.part(self.index.uri_end.into()..end)
    }

    /// The header lines in order.
    pub fn headers(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let message = *self;
        (0..self.index.lines.len()).map_while(move |number| message.line(number))
    }

    /// The first header with this id; in constant time.
    pub fn header(&self, id: HeaderId) -> Option<Header<'a>> {
        let number = self.index.position(id)?;
        self.line(number)
    }

    /// Whether there is a header with this id.
    pub fn has(&self, id: HeaderId) -> bool {
        self.index.position(id).is_some()
    }

    /// The headers with this id in order. All headers without an id are [`HeaderId::Other`].
    pub fn all(&self, id: HeaderId) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let message = *self;
        let mut next = self.index.position(id);
        std::iter::from_fn(move || {
            let number = next?;
            next = message.index.position_after(number, id);
            message.line(number)
        })
    }

    /// The headers with this name in order, in any case, long or compact.
    pub fn named<'b>(&self, name: &'b [u8]) -> impl Iterator<Item = Header<'a>> + use<'a, 'b> {
        let id = HeaderId::from_name(name);
        self.all(id).filter(move |header| {
            id != HeaderId::Other || header.name.eq_ignore_ascii_case(name) && !name.is_empty()
        })
    }

    /// The line with this number.
    #[inline]
    fn line(&self, number: usize) -> Option<Header<'a>> {
        let line = self.index.lines.get(number)?;
        let end = match self.index.lines.get(number + 1) {
            Some(next) => next.start,
            None => self.index.headers_end,
        };
        let start = usize::from(line.start);
        let value_range = line.value_start.into()..line.value_end.into();
        Some(Header {
            id: line.id,
            name: self.part(start..start + usize::from(line.name_len)),
            value: self.part(value_range.clone()),
            line: start..end.into(),
            value_range,
        })
    }

    /// Right after the start line: where a new Via goes.
    pub fn headers_start(&self) -> usize {
        self.index.headers_start.into()
    }

    /// At the CRLF of the empty line: where a new header is appended.
    pub fn headers_end(&self) -> usize {
        self.index.headers_end.into()
    }

    /// What follows the empty line.
    pub fn body(&self) -> &'a [u8] {
        self.part(self.headers_end() + 2..self.raw.len())
    }

    /// Where `part`, a slice of [`raw`](Self::raw), starts in it. Anything else counts as its end.
    pub fn offset_of(&self, part: &'a [u8]) -> usize {
        let offset = (part.as_ptr() as usize).wrapping_sub(self.raw.as_ptr() as usize);
        offset.min(self.raw.len())
    }
}
