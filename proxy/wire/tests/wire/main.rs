//! Whole messages, as they come off the wire.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what the tests share fails the test that uses it"
)]

mod ask;
mod kept;
mod malformed;
mod other_parser;
mod properties;
mod reading;
mod replying;
mod torture;

use sigbox_wire::{Index, Limits, Malformed, Message, Reason};

/// An ordinary INVITE: 15 headers and a session description.
const INVITE: &str = "INVITE sip:+4930123@example.com;user=phone SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK-proxy-1;received=192.0.2.7, SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKnashds8;rport\r\n\
    Max-Forwards: 69\r\n\
    Record-Route: <sip:192.0.2.7:5062;lr>\r\n\
    From: \"Alice\" <sip:alice@example.com>;tag=1928301774\r\n\
    To: <sip:+4930123@example.com;user=phone>\r\n\
    Call-ID: a84b4c76e66710@pc33.example.com\r\n\
    CSeq: 314159 INVITE\r\n\
    Contact: <sip:alice@10.0.0.5:5060>\r\n\
    Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE\r\n\
    Supported: replaces, timer\r\n\
    Session-Expires: 1800;refresher=uac\r\n\
    User-Agent: phone/1.2\r\n\
    X-Account: 4711\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 23\r\n\
    \r\n\
    v=0\r\no=- 1 1 IN IP4 a\r\n";

fn index(raw: &[u8]) -> Index {
    let mut index = Index::default();
    index
        .parse(raw, &Limits::default())
        .unwrap_or_else(|fault| panic!("{fault} in {}", raw.escape_ascii()));
    index
}

/// The verdict of indexing, then of validating.
fn verdict(raw: &[u8]) -> Result<(), Malformed> {
    let mut index = Index::default();
    index.parse(raw, &Limits::default())?;
    Message::new(raw, &index).validate().map(|_| ())
}

fn reason(raw: &[u8]) -> Option<Reason> {
    verdict(raw).err().map(|fault| fault.reason)
}

/// A request with these lines in the place of those that start with the same name, or added.
fn with(lines: &[&str]) -> Vec<u8> {
    let mut header: Vec<&str> = vec![
        "OPTIONS sip:bob@example.com SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        "From: <sip:alice@example.com>;tag=1",
        "To: <sip:bob@example.com>",
        "Call-ID: 1@192.0.2.1",
        "CSeq: 1 OPTIONS",
    ];
    for line in lines {
        let name = line.split(':').next().unwrap_or_default();
        header.retain(|kept| !kept.starts_with(&format!("{name}:")));
    }
    header.extend(lines);
    format!("{}\r\n\r\n", header.join("\r\n")).into_bytes()
}
