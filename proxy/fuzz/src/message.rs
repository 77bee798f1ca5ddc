//! Whole messages, as a datagram brings them.

use sigbox_wire::{
    Begins, Frame, Framer, HeaderId, Index, Limits, Message, Method, Peek, Reason, Reply, Splicer,
    Stored, peek,
};

use crate::ask::{ask_everything, ask_values, source};
use crate::within::is_within;

/// One datagram:
///
/// - every accessor answers, whatever the bytes, and every header is a piece of the message;
/// - the lines of an accepted message cover its header section without a gap, and forwarding it
///   changes nothing but what was meant to be changed (P4);
/// - what a first look tells is what parsing tells;
/// - whatever can be answered is answered with a response that parses;
/// - the bytes as a stream hold the same message, or are refused.
pub fn message(bytes: &[u8]) {
    let mut index = Index::default();
    let parsed = index.parse(bytes, &Limits::default());
    ask_everything(bytes, &index);
    ask_values(bytes);
    let (_, _) = (peek(bytes), Begins::of(bytes));
    let message = Message::new(bytes, &index);
    for header in message.headers() {
        assert!(is_within(header.name, bytes) && is_within(header.value, bytes));
    }
    if message.answerable() {
        is_answered(message);
    }
    match parsed {
        Ok(()) => {
            is_covered(message);
            is_forwarded(message);
            if message.validate().is_ok() {
                looks_the_same(bytes, message);
            }
        }
        Err(fault) => assert!(fault.at <= bytes.len(), "{fault}"),
    }
    is_framed(bytes, message, parsed.err().map(|fault| fault.reason));
}

/// The lines follow one another from the start line to the empty line.
fn is_covered(message: Message<'_>) {
    let mut end = message.headers_start();
    for header in message.headers() {
        assert_eq!(header.line.start, end);
        assert!(header.value_range.end + 2 <= header.line.end);
        assert!(message.raw()[header.line.clone()].ends_with(b"\r\n"));
        end = header.line.end;
    }
    assert_eq!(end, message.headers_end());
    assert!(message.raw()[end..].starts_with(b"\r\n"));
    let body = &message.raw()[end + 2..];
    assert_eq!(message.body(), body);
    if message.has(HeaderId::ContentLength) {
        assert_eq!(message.content_length(), Some(body.len()));
    }
    let kept = Stored::new(message);
    assert!(kept.view().headers().eq(message.headers()));
    assert_eq!(kept.view().body(), body);
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Names and values, as the next hop reads them.
fn read(raw: &[u8]) -> (Index, Fields) {
    let mut index = Index::default();
    let parsed = index.parse(raw, &Limits::default());
    assert_eq!(parsed, Ok(()), "{}", raw.escape_ascii());
    let message = Message::new(raw, &index);
    let headers = message
        .headers()
        .map(|header| (header.name.to_vec(), header.value.to_vec()))
        .collect();
    (index, headers)
}

fn is_forwarded(message: Message<'_>) {
    // A Via more than came, and other headers that a proxy adds, may be one too many.
    let vias: usize = message
        .all(HeaderId::Via)
        .map(|via| 1 + via.value.iter().filter(|byte| **byte == b',').count())
        .sum();
    if message.headers().count() > 250 || vias > 68 || message.raw().len() > 60_000 {
        return;
    }
    let mut splicer = Splicer::default();
    splicer.insert(message.headers_start(), |out| {
        out.extend_from_slice(b"Via: SIP/2.0/UDP proxy;branch=z9hG4bKnew\r\n");
    });
    splicer.insert(message.headers_end(), |out| {
        out.extend_from_slice(b"X-Last: 1\r\n");
    });
    if message.is_request() {
        splicer.replace(message.request_uri_range(), |out| {
            out.extend_from_slice(b"sip:next@example.net");
        });
    }
    let mut sent = Vec::new();
    splicer.finish(message.raw(), &mut sent);
    let (index, headers) = read(&sent);
    let forwarded = Message::new(&sent, &index);
    let (_, mut expected) = read(message.raw());
    let first = &b"SIP/2.0/UDP proxy;branch=z9hG4bKnew"[..];
    expected.insert(0, (b"Via".to_vec(), first.to_vec()));
    expected.push((b"X-Last".to_vec(), b"1".to_vec()));
    assert_eq!(headers, expected);
    assert_eq!(forwarded.body(), message.body());
    assert_eq!(
        (forwarded.status(), forwarded.reason()),
        (message.status(), message.reason())
    );
    if message.is_request() {
        assert_eq!(forwarded.method(), message.method());
        assert_eq!(forwarded.request_uri(), b"sip:next@example.net");
    }

    // The way back: our Via goes, and what is left is what came.
    let mut splicer = Splicer::default();
    splicer.remove(forwarded.first_value_range(HeaderId::Via).unwrap());
    let mut back = Vec::new();
    splicer.finish(forwarded.raw(), &mut back);
    let (_, headers) = read(&back);
    assert_eq!(headers, expected[1..]);
}

/// `message` is valid: whoever only looks sees the same.
fn looks_the_same(bytes: &[u8], message: Message<'_>) {
    match peek(bytes) {
        Peek::Request(request) => {
            assert!(message.is_request());
            assert_eq!(request.call_id(), message.call_id());
        }
        Peek::Response(response) => {
            assert!(!message.is_request());
            let branch = message.via().unwrap().branch().unwrap_or_default();
            assert_eq!(response.branch(), branch);
        }
        other => panic!("{other:?}"),
    }
    let goes_on = !message.is_request()
        || message.to().unwrap().tag().is_some()
        || matches!(
            message.method(),
            Method::Ack | Method::Bye | Method::Cancel | Method::Prack
        );
    assert_eq!(Begins::of(bytes) == Begins::Nothing, goes_on);
}

/// A 400, which nobody may read as anything else, whatever it answers.
fn is_answered(message: Message<'_>) {
    let reply = Reply {
        status: 400,
        reason: "Bad Request",
        to_tag: Some(b"t"),
        server: None,
        extra: b"",
    };
    let mut out = Vec::new();
    reply.write(message, source(), &mut out);
    let mut index = Index::default();
    // A line at the limit may get longer by what the receiver adds.
    let limits = Limits {
        header: 10_000,
        ..Limits::default()
    };
    let parsed = index.parse(&out, &limits);
    assert_eq!(parsed, Ok(()), "{}", out.escape_ascii());
    let response = Message::new(&out, &index);
    assert_eq!((response.status(), response.body()), (400, &b""[..]));
    assert_eq!(response.call_id(), message.call_id());
    for id in [
        HeaderId::From,
        HeaderId::To,
        HeaderId::CallId,
        HeaderId::CSeq,
    ] {
        // What it has twice is copied once, and what it lacks not at all.
        let came = message.all(id).count().min(1);
        assert_eq!(response.all(id).count(), came, "{}", id.name());
    }
    if message.validate().is_ok() {
        assert_eq!(response.validate().map(|_| ()), Ok(()));
        assert_eq!(response.vias().count(), message.vias().count());
        assert_eq!(response.cseq(), message.cseq());
    }
}

/// The framer's verdict beside the parser's.
fn is_framed(bytes: &[u8], message: Message<'_>, refused: Option<Reason>) {
    let start = bytes
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    let stream = &bytes[start..];
    let has_length = message.has(HeaderId::ContentLength);
    match (Framer::new(&Limits::default()).next_frame(stream), refused) {
        (Ok(Frame::Message(len)), None) => assert_eq!(len, message.raw().len()),
        (Err(fault), None) => {
            assert_eq!(fault.reason, Reason::MissingContentLength);
            assert!(!has_length);
        }
        (Ok(Frame::Message(_)), Some(reason)) => assert!(
            !matches!(
                reason,
                Reason::BareCr
                    | Reason::BareLf
                    | Reason::Nul
                    | Reason::Fold
                    | Reason::HeaderName
                    | Reason::HeaderTooLong
                    | Reason::ContentLength
                    | Reason::Unterminated
            ),
            "{reason:?}"
        ),
        (Ok(Frame::Incomplete), refused) => assert!(refused.is_some()),
        (Err(_), Some(_)) => {}
        (Ok(other), _) => panic!("{other:?} at the start of a message"),
    }
}
