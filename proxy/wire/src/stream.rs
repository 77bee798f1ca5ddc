//! Messages in a byte stream: TCP and TLS (RFC 3261 §18.3, RFC 5626 §3.5.1).

use memchr::memchr_iter;

use crate::chars::trim_end;
use crate::grammar::{number, skip_sws};
use crate::header_id::HeaderId;
use crate::index::split;
use crate::limits::Limits;
use crate::lines::Line;
use crate::malformed::{Malformed, Reason};

/// Says where messages start and end in the bytes of one connection.
///
/// The caller keeps the bytes and shows all it has that no frame has covered yet. When a frame
/// comes back, it takes that many bytes away from the front and asks again; at
/// [`Frame::Incomplete`] it adds what arrives next. The frames are the same however the bytes were
/// split on their way, and each byte is searched once: a peer that sends one at a time costs no
/// more than one that sends all at once.
///
/// ```
/// use sigbox_wire::{Frame, Framer, Limits};
///
/// let mut framer = Framer::new(&Limits::default());
/// let mut buffered = b"\r\nBYE sip:a@b SIP/2.0\r\nl: 0\r\n".to_vec();
/// assert_eq!(framer.next_frame(&buffered), Ok(Frame::Crlf(2)));
/// buffered.drain(..2);
/// assert_eq!(framer.next_frame(&buffered), Ok(Frame::Incomplete));
/// buffered.extend(b"\r\nINVITE");
/// assert_eq!(framer.next_frame(&buffered), Ok(Frame::Message(29)));
/// ```
#[derive(Debug, Clone)]
pub struct Framer {
    /// Bytes of a whole message.
    longest: usize,
    /// Bytes of one header line.
    longest_line: usize,
    /// How many of the bytes were searched for the end of the headers.
    searched: usize,
    /// The length of the message under way, once its headers are there.
    len: Option<usize>,
    /// The frame before was a CRLF that may be half of a ping.
    is_half_ping: bool,
}

/// What stands at the front of the bytes, and how many of them it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Nothing that is whole; more bytes are needed.
    Incomplete,
    /// One message from its first byte to the end of its body, for
    /// [`Index::parse`](crate::Index::parse).
    Message(usize),
    /// The CRLF that completes a keep-alive ping, CRLF CRLF: the answer is one CRLF
    /// (RFC 5626 §3.5.1).
    Ping(usize),
    /// A CRLF by itself: the pong to a ping of ours (RFC 5626 §4.4.1), the first half of a ping of
    /// the peer, or one to be ignored before a message (RFC 3261 §7.5).
    Crlf(usize),
    /// A CR or LF without the other, ignored before a message as it is in a datagram.
    Stray(usize),
}

impl Framer {
    /// A framer at the start of a connection. Of the limits, `message` and `header` count here; a
    /// caller never has to keep more than `message` bytes.
    pub fn new(limits: &Limits) -> Self {
        Self {
            longest: limits.message.min(u16::MAX.into()),
            longest_line: limits.header,
            searched: 0,
            len: None,
            is_half_ping: false,
        }
    }

    /// The frame at the front of `buffered`: all bytes that were received and are in no frame yet.
    ///
    /// # Errors
    ///
    /// Where the message ends cannot be told for certain, so that the connection has to be closed:
    ///
    /// - [`Reason::MissingContentLength`]: on a stream it must be there (RFC 3261 §20.14);
    /// - [`Reason::ContentLength`]: not a number below 2^32, or [`Reason::Duplicate`]: there twice;
    /// - [`Reason::MessageTooLarge`]: headers and body together, or the headers alone so far, exceed
    ///   the limit;
    /// - [`Reason::BareCr`], [`Reason::BareLf`], [`Reason::Nul`], [`Reason::Fold`],
    ///   [`Reason::HeaderName`], [`Reason::HeaderTooLong`]: a line of the headers that another
    ///   element might read as two, or as a Content-Length.
    ///
    /// [`Index::parse`](crate::Index::parse) refuses each of them as well but the first, and reads
    /// from the same bytes what a 400 needs. A message with any other fault is a frame.
    pub fn next_frame(&mut self, buffered: &[u8]) -> Result<Frame, Malformed> {
        let len = match (self.len, buffered) {
            (Some(len), _) => len,
            (None, [] | [b'\r']) => return Ok(Frame::Incomplete),
            (None, [b'\r', b'\n', ..]) => {
                let completes_ping = std::mem::replace(&mut self.is_half_ping, false);
                self.is_half_ping = !completes_ping;
                return Ok(if completes_ping {
                    Frame::Ping(2)
                } else {
                    Frame::Crlf(2)
                });
            }
            (None, [b'\r' | b'\n', ..]) => {
                self.is_half_ping = false;
                return Ok(Frame::Stray(1));
            }
            (None, _) => match self.message_len(buffered)? {
                Some(len) => len,
                None => return Ok(Frame::Incomplete),
            },
        };
        if buffered.len() < len {
            self.len = Some(len);
            return Ok(Frame::Incomplete);
        }
        self.searched = 0;
        self.len = None;
        self.is_half_ping = false;
        Ok(Frame::Message(len))
    }

    /// The length of the message whose headers are at the front; `None` when they are not whole.
    fn message_len(&mut self, buffered: &[u8]) -> Result<Option<usize>, Malformed> {
        let within = &buffered[..buffered.len().min(self.longest)];
        let unseen = within.get(self.searched..).unwrap_or_default();
        let end = memchr_iter(b'\n', unseen)
            .map(|distance| within.len() - unseen.len() + distance + 1)
            .find(|end| within[..*end].ends_with(b"\r\n\r\n"));
        let too_large = Malformed::new(Reason::MessageTooLarge, self.longest);
        let Some(end) = end else {
            if within.len() == self.longest {
                return Err(too_large);
            }
            self.searched = within.len();
            return Ok(None);
        };
        let body = content_length(&within[..end], self.longest_line)?;
        let len = end.saturating_add(body);
        if len > self.longest {
            return Err(too_large);
        }
        Ok(Some(len))
    }
}

/// The Content-Length of a head, which ends with its empty line. Finds the lines as
/// [`Index::parse`](crate::Index::parse) does.
fn content_length(head: &[u8], longest_line: usize) -> Result<usize, Malformed> {
    let start_line = Line::physical(head, 0);
    if let Some(fault) = start_line.fault {
        return Err(fault);
    }
    let mut at = start_line.next;
    if let Some(b' ' | b'\t') = head.get(at) {
        return Err(Malformed::new(Reason::Fold, at));
    }
    let mut said = None;
    loop {
        if let [] | [b'\r', b'\n', ..] = &head[at..] {
            return said.ok_or(Malformed::new(Reason::MissingContentLength, at));
        }
        let line = Line::logical(head, at);
        if let Some(fault) = line.fault {
            return Err(fault);
        }
        let text = &head[at..line.end];
        if text.len() > longest_line {
            return Err(Malformed::new(Reason::HeaderTooLong, at));
        }
        let Some((id, _, value)) = split(text) else {
            return Err(Malformed::new(Reason::HeaderName, at));
        };
        if id == HeaderId::ContentLength {
            if said.is_some() {
                return Err(Malformed::new(Reason::Duplicate, at));
            }
            let value = skip_sws(value);
            let length = number(trim_end(value)).and_then(|length| usize::try_from(length).ok());
            let value_start = line.end - value.len();
            said = Some(length.ok_or(Malformed::new(Reason::ContentLength, value_start))?);
        }
        at = line.next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{Frame, Framer};
    use crate::index::Index;
    use crate::limits::Limits;
    use crate::malformed::Reason;
    use crate::message::Message;

    const LIMITS: Limits = Limits {
        message: 200,
        headers: 20,
        header: 100,
        vias: 5,
    };

    /// All frames with their bytes, when the stream arrives in chunks of these sizes, and the fault
    /// that ends it.
    fn frames(
        stream: &[u8],
        chunks: impl IntoIterator<Item = usize>,
    ) -> (Vec<(Frame, Vec<u8>)>, Option<Reason>) {
        let mut framer = Framer::new(&LIMITS);
        let (mut buffered, mut unsent, mut frames) = (Vec::new(), stream, Vec::new());
        for chunk in chunks.into_iter().chain([usize::MAX]) {
            let (sent, rest) = unsent.split_at(chunk.min(unsent.len()));
            unsent = rest;
            buffered.extend_from_slice(sent);
            loop {
                let frame = match framer.next_frame(&buffered) {
                    Ok(Frame::Incomplete) => break,
                    Ok(frame) => frame,
                    Err(fault) => return (frames, Some(fault.reason)),
                };
                let (Frame::Message(len) | Frame::Ping(len) | Frame::Crlf(len) | Frame::Stray(len)) =
                    frame
                else {
                    unreachable!()
                };
                frames.push((frame, buffered.drain(..len).collect()));
            }
            assert!(buffered.len() < LIMITS.message);
        }
        (frames, None)
    }

    fn fault(head: &str) -> Option<Reason> {
        frames(
            format!("BYE sip:a@b SIP/2.0\r\n{head}\r\n\r\n").as_bytes(),
            [],
        )
        .1
    }

    fn message() -> impl Strategy<Value = Vec<u8>> {
        let name = prop::sample::select(vec!["l", "L", "Content-Length", "CONTENT-length"]);
        let before = prop::sample::select(vec!["", " ", "\t "]);
        let after = prop::sample::select(vec!["", " ", "\r\n ", "\r\n\t 0"]);
        let others = "(X: [a-z]{0,5}(\r\n [a-z]{0,5})?\r\n){0,2}";
        let body = vec(prop::sample::select(b"\r\n :l0BYE".to_vec()), 0..20);
        (name, before, after, others, others, body).prop_map(
            |(name, before, after, above, below, body)| {
                let head = format!(
                    "BYE sip:a@b SIP/2.0\r\n{above}{name}{before}:{after}{}\r\n{below}\r\n",
                    body.len()
                );
                [head.as_bytes(), &body].concat()
            },
        )
    }

    proptest! {
        /// P2: split at every byte and anywhere else, the frames are the messages.
        #[test]
        fn p2_the_frames_are_the_messages_however_they_were_split(
            messages in vec(message(), 1..5),
            chunks in vec(1_usize..40, 0..40),
        ) {
            let stream = messages.concat();
            for chunks in [vec![], vec![1; stream.len()], chunks] {
                let (frames, fault) = frames(&stream, chunks);
                prop_assert_eq!(fault, None);
                for (frame, bytes) in &frames {
                    prop_assert_eq!(*frame, Frame::Message(bytes.len()));
                    let mut index = Index::default();
                    prop_assert_eq!(index.parse(bytes, &LIMITS), Ok(()));
                    prop_assert_eq!(Message::new(bytes, &index).raw(), &bytes[..]);
                }
                let bytes: Vec<_> = frames.into_iter().map(|(_, bytes)| bytes).collect();
                prop_assert_eq!(&bytes, &messages);
            }
        }

        #[test]
        fn p2_frames_and_faults_do_not_depend_on_how_the_bytes_were_split(
            stream in "(\r|\n|\r\n|\r\n\r\n|BYE sip:a@b SIP/2.0\r\n|l: 0\r\n|l: 2\r\n|Xy: z\r\n|[ -~]{0,9}){0,30}",
            chunks in vec(1_usize..9, 0..60),
        ) {
            let whole = frames(stream.as_bytes(), []);
            prop_assert_eq!(&frames(stream.as_bytes(), vec![1; stream.len()]), &whole);
            prop_assert_eq!(&frames(stream.as_bytes(), chunks), &whole);
        }
    }

    #[test]
    fn p2_a_byte_is_searched_once() {
        let head = b"BYE sip:a@b SIP/2.0\r\nX: y\r\n";
        let mut framer = Framer::new(&LIMITS);
        for end in 1..=head.len() {
            assert_eq!(framer.next_frame(&head[..end]), Ok(Frame::Incomplete));
            assert_eq!(framer.searched, end);
        }
        let whole = [&head[..], b"l: 100\r\n\r\n"].concat();
        assert_eq!(framer.next_frame(&whole), Ok(Frame::Incomplete));
        // From here on only the length counts, whatever the bytes.
        assert_eq!(framer.len, Some(whole.len() + 100));
    }

    #[test]
    fn p2_a_length_that_is_not_certain_ends_the_stream() {
        for (head, reason) in [
            ("X: y", Reason::MissingContentLength),
            ("X: y\r\n l: 0", Reason::MissingContentLength),
            ("l: 0\r\nContent-Length: 0", Reason::Duplicate),
            ("l: 0\r\nX: y\r\nl : 5", Reason::Duplicate),
            ("l: -1", Reason::ContentLength),
            ("l: +1", Reason::ContentLength),
            ("l:", Reason::ContentLength),
            ("l: 0, 0", Reason::ContentLength),
            ("l: 0x0", Reason::ContentLength),
            ("l: 1\r\n 2", Reason::ContentLength),
            ("l: 4294967296", Reason::ContentLength),
            ("l: 18446744073709551616", Reason::ContentLength),
            ("l: 4294967295", Reason::MessageTooLarge),
            ("l: 200", Reason::MessageTooLarge),
            ("X: y\nl: 0", Reason::BareLf),
            ("X: y\rl: 0", Reason::BareCr),
            ("l: 0\0", Reason::Nul),
            (" l: 0", Reason::Fold),
            ("l: 0\r\nno colon", Reason::HeaderName),
            ("l: 0\r\nX\x0b: y", Reason::HeaderName),
        ] {
            assert_eq!(fault(head), Some(reason), "{head:?}");
        }
        assert_eq!(fault("l:\r\n 000"), None);
        let long = format!("l: 0\r\nX: {}", "y".repeat(98));
        assert_eq!(fault(&long), Some(Reason::HeaderTooLong));
    }

    #[test]
    fn p2_no_more_than_the_limit_is_ever_asked_for() {
        let head = format!("BYE sip:a@b SIP/2.0\r\nl: 0\r\n{}", "X: y\r\n".repeat(40));
        let mut framer = Framer::new(&LIMITS);
        for end in 0..LIMITS.message {
            assert_eq!(
                framer.next_frame(&head.as_bytes()[..end]),
                Ok(Frame::Incomplete)
            );
        }
        let fault = framer.next_frame(&head.as_bytes()[..LIMITS.message]);
        assert_eq!(fault.unwrap_err().reason, Reason::MessageTooLarge);
        let (start, end) = ("BYE sip:a@b SIP/2.0\r\nl: ", "\r\n\r\n");
        let room = LIMITS.message - start.len() - end.len() - 3;
        let largest = format!("{start}{room}{end}{}", "x".repeat(room));
        assert_eq!(
            frames(largest.as_bytes(), []).0[0].0,
            Frame::Message(LIMITS.message)
        );
    }

    #[test]
    fn p2_keep_alives_between_messages() {
        let bye = "BYE sip:a@b SIP/2.0\r\nl: 0\r\n\r\n";
        let stream = format!("\r\n\r\n\r\n{bye}\r\n\n\r\r\n\r\n\r\n\r\n{bye}");
        let (frames, fault) = frames(stream.as_bytes(), []);
        assert_eq!(fault, None);
        let frames: Vec<_> = frames.into_iter().map(|(frame, _)| frame).collect();
        let message = Frame::Message(bye.len());
        let (crlf, ping, stray) = (Frame::Crlf(2), Frame::Ping(2), Frame::Stray(1));
        assert_eq!(
            frames,
            [
                crlf, ping, crlf, message, crlf, stray, stray, crlf, ping, crlf, ping, message
            ]
        );
    }
}
