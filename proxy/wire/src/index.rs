//! Offsets of one message.

use memchr::{memchr, memchr_iter, memchr3};
use smallvec::SmallVec;

use crate::chars::{is_token, trim_end};
use crate::grammar::{number, skip_sws};
use crate::header_id::HeaderId;
use crate::limits::Limits;
use crate::lines::Line;
use crate::malformed::{Malformed, Reason};
use crate::scan::first_equal;
use crate::start_line::StartLine;

/// Offsets of one message: reusable, and without a lifetime, so that it can be kept beside the bytes
/// it was made from.
///
/// Eight bytes for each header line, the first 32 lines inline; parsing into an index that has been
/// used before allocates nothing.
#[derive(Debug, Clone)]
pub struct Index {
    /// Where the message starts in the bytes received, after the CRLFs that RFC 3261 §7.5 ignores.
    pub(crate) start: usize,
    /// Length of the message: what follows its Content-Length in a datagram is not part of it.
    pub(crate) len: u16,
    pub(crate) is_response: bool,
    pub(crate) status: u16,
    /// End of the method; the Request-URI starts one byte later. 0 in a response.
    pub(crate) method_end: u16,
    /// End of the Request-URI, or start of the reason phrase.
    pub(crate) uri_end: u16,
    pub(crate) headers_start: u16,
    pub(crate) headers_end: u16,
    pub(crate) lines: SmallVec<[HeaderLine; 32]>,
    /// For each header the number of its first line: `ABSENT`, or where to start looking.
    first: [u8; HeaderId::COUNT],
}

const ABSENT: u8 = u8::MAX;

/// Offsets of one logical header line. It ends where the next starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeaderLine {
    pub(crate) start: u16,
    pub(crate) value_start: u16,
    pub(crate) value_end: u16,
    pub(crate) name_len: u8,
    pub(crate) id: HeaderId,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            start: 0,
            len: 0,
            is_response: false,
            status: 0,
            method_end: 0,
            uri_end: 0,
            headers_start: 0,
            headers_end: 0,
            lines: SmallVec::new(),
            first: [ABSENT; HeaderId::COUNT],
        }
    }
}

/// The first fault is the one reported; the rest of the message is still indexed for the answer.
#[derive(Default)]
struct Faults(Option<Malformed>);

impl Faults {
    fn note(&mut self, reason: Reason, at: usize) {
        self.0 = self.0.or(Some(Malformed::new(reason, at)));
    }
}

impl Index {
    /// Finds the lines of the message in `raw`, replacing what was indexed before.
    ///
    /// Strict where two hops could read two different messages: line breaks and NUL, names, headers
    /// that may stand once ([`Reason::Duplicate`]), Content-Length. Values are not looked at further;
    /// that is what [`Message::validate`](crate::Message::validate) and the typed accessors are for.
    ///
    /// # Errors
    ///
    /// The first fault. The index then still has what could be told apart, so that a 400 can be built
    /// if [`Message::answerable`](crate::Message::answerable) says so; nothing of it is to be
    /// forwarded.
    pub fn parse(&mut self, raw: &[u8], limits: &Limits) -> Result<(), Malformed> {
        self.clear();
        self.start = raw
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        let mut faults = Faults::default();
        let mut message = raw.get(self.start..).unwrap_or_default();
        let longest = limits.message.min(usize::from(u16::MAX));
        if message.len() > longest {
            faults.note(Reason::MessageTooLarge, longest);
            message = &message[..longest];
        }

        let mut at = self.start_line(message, &mut faults);
        if matches!(message.get(at), Some(b' ' | b'\t')) {
            faults.note(Reason::Fold, at);
            at = Line::logical(message, at).next;
        }
        self.headers_start = offset(at);
        let body = self.headers(message, at, limits, &mut faults);
        self.body(message, body, &mut faults);
        faults.0.map_or(Ok(()), Err)
    }

    fn clear(&mut self) {
        // In place: a fresh index would move the inline lines. What is not named here, `parse` sets.
        self.lines.clear();
        self.first.fill(ABSENT);
        self.is_response = false;
        self.status = 0;
        self.method_end = 0;
    }

    fn start_line(&mut self, message: &[u8], faults: &mut Faults) -> usize {
        let line = Line::physical(message, 0);
        let text = &message[..line.end];
        if let Some(fault) = line.fault {
            faults.note(fault.reason, fault.at);
        }
        let parsed = StartLine::parse(text).unwrap_or_else(|fault| {
            faults.note(fault.reason, fault.at);
            StartLine::salvage(text)
        });
        match parsed {
            StartLine::Request { method, uri } => {
                self.method_end = offset(method.len());
                self.uri_end = offset((method.len() + 1 + uri.len()).min(text.len()));
            }
            StartLine::Response { status, reason } => {
                self.is_response = true;
                self.status = status;
                self.uri_end = offset(text.len() - reason.len());
            }
        }
        line.next
    }

    /// Indexes the header lines from `at` on and says where the body starts.
    fn headers(
        &mut self,
        message: &[u8],
        mut at: usize,
        limits: &Limits,
        faults: &mut Faults,
    ) -> usize {
        let mut vias = 0;
        // A request at the limit is forwarded with our own Via, and its response comes back so.
        let most_vias = limits.vias + usize::from(self.is_response);
        loop {
            self.headers_end = offset(at);
            if let [b'\r', b'\n', ..] = &message[at..] {
                return at + 2;
            }
            let usual = usual(message, at, limits.header);
            let (header, next) = match usual {
                Some(line) if self.lines.len() < limits.headers => line,
                _ => {
                    let line = Line::logical(message, at);
                    if !line.is_terminated {
                        faults.note(Reason::Unterminated, message.len());
                        return message.len();
                    }
                    if self.lines.len() >= limits.headers {
                        faults.note(Reason::TooManyHeaders, at);
                        return message.len();
                    }
                    (self.header(message, &line, limits, faults), line.next)
                }
            };
            if header.id == HeaderId::Via {
                let value = &message[header.value_start.into()..header.value_end.into()];
                vias += 1;
                if let Some(comma) = memchr(b',', value) {
                    vias += memchr_iter(b',', &value[comma..]).count();
                }
                if vias > most_vias {
                    faults.note(Reason::TooManyVias, at);
                    return message.len();
                }
            }
            self.push(header, faults);
            at = next;
        }
    }

    fn push(&mut self, header: HeaderLine, faults: &mut Faults) {
        let first = &mut self.first[header.id as usize];
        if *first == ABSENT {
            // Beyond line 254 the number only says where to start looking.
            *first = u8::try_from(self.lines.len())
                .unwrap_or(ABSENT)
                .min(ABSENT - 1);
        } else if header.id.is_single() {
            faults.note(Reason::Duplicate, header.start.into());
        }
        self.lines.push(header);
    }

    /// A line with a fault is kept under no name: it is never found, copied or trusted.
    fn header(
        &self,
        message: &[u8],
        line: &Line,
        limits: &Limits,
        faults: &mut Faults,
    ) -> HeaderLine {
        let text = &message[line.start..line.end];
        let nameless = HeaderLine {
            start: offset(line.start),
            value_start: offset(line.start),
            value_end: offset(line.end),
            name_len: 0,
            id: HeaderId::Other,
        };
        if let Some(fault) = line.fault {
            faults.note(fault.reason, fault.at);
            return nameless;
        }
        if text.len() > limits.header {
            faults.note(Reason::HeaderTooLong, line.start);
            return nameless;
        }
        let Some((id, name_len, value)) = split(text) else {
            faults.note(Reason::HeaderName, line.start);
            return nameless;
        };
        let value = skip_sws(value);
        let value_start = line.end - value.len();
        HeaderLine {
            value_start: offset(value_start),
            value_end: offset(value_start + trim_end(value).len()),
            name_len,
            id,
            ..nameless
        }
    }

    /// Cuts the message where its Content-Length says (RFC 3261 §18.3).
    fn body(&mut self, message: &[u8], start: usize, faults: &mut Faults) {
        let there = message.len() - start;
        let mut len = there;
        if let Some(number_of_line) = self.position(HeaderId::ContentLength) {
            let header = self.lines[number_of_line];
            let value = &message[header.value_start.into()..header.value_end.into()];
            match number(value).map(usize::try_from) {
                Some(Ok(said)) if said <= there => len = said,
                _ => faults.note(Reason::ContentLength, header.value_start.into()),
            }
        }
        self.len = offset(start + len);
    }

    /// The number of the first line with this header, in constant time unless it is beyond line 254.
    #[inline]
    pub(crate) fn position(&self, id: HeaderId) -> Option<usize> {
        match self.first[id as usize] {
            ABSENT => None,
            first => {
                let first = usize::from(first);
                let is_there = self.lines.get(first)?.id == id;
                if is_there {
                    Some(first)
                } else {
                    self.position_after(first, id)
                }
            }
        }
    }

    /// The number of the next line with this header after the one with this number.
    pub(crate) fn position_after(&self, number: usize, id: HeaderId) -> Option<usize> {
        let later = self.lines.get(number + 1..)?;
        let distance = later.iter().position(|line| line.id == id)?;
        Some(number + 1 + distance)
    }

    /// Bytes allocated beside the index itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        if self.lines.spilled() {
            self.lines.capacity() * size_of::<HeaderLine>()
        } else {
            0
        }
    }
}

/// The header line at `at` and where the next one starts, if it is one physical line without a fault;
/// whatever else it is, is found out more slowly.
#[inline]
fn usual(message: &[u8], at: usize, longest: usize) -> Option<(HeaderLine, usize)> {
    let rest = message.get(at..)?;
    let len = memchr3(b'\r', b'\n', 0, rest)?;
    match &rest[len..] {
        [b'\r', b'\n', b' ' | b'\t', ..] => return None,
        [b'\r', b'\n', ..] if len <= longest => {}
        _ => return None,
    }
    let line = &rest[..len];
    let (id, name_len, value) = split(line)?;
    let value = skip_sws(value);
    let end = at + len;
    let header = HeaderLine {
        start: offset(at),
        value_start: offset(end - value.len()),
        value_end: offset(end - value.len() + trim_end(value).len()),
        name_len,
        id,
    };
    Some((header, end + 2))
}

/// A header line in front of its colon and behind it: which header it is and the length of its name,
/// and what follows. `None` when the name is not a token of at most 255 bytes.
#[inline(always)]
pub(crate) fn split(line: &[u8]) -> Option<(HeaderId, u8, &[u8])> {
    let colon = first_equal(b':', line)?;
    let (name, value) = (trim_blanks(&line[..colon]), &line[colon + 1..]);
    let id = HeaderId::from_name(name);
    // Known names are tokens, and short.
    let is_name = id != HeaderId::Other
        || (1..=255).contains(&name.len()) && name.iter().all(|byte| is_token(*byte));
    is_name.then_some((id, name.len() as u8, value))
}

fn trim_blanks(mut name: &[u8]) -> &[u8] {
    while let [shorter @ .., b' ' | b'\t'] = name {
        name = shorter;
    }
    name
}

/// Offsets are of messages no longer than `u16::MAX`, which [`Index::parse`] sees to.
const fn offset(at: usize) -> u16 {
    debug_assert!(at <= u16::MAX as usize);
    at as u16
}
