//! Messages, chosen by a program: as phones write them, and as they come out of bad software.

use sigbox_testkit::{Request, response_to};

use super::program::Program;
use super::world::{Incoming, World};

const METHODS: [&str; 16] = [
    "INVITE",
    "INVITE",
    "INVITE",
    "INVITE",
    "MESSAGE",
    "REGISTER",
    "OPTIONS",
    "SUBSCRIBE",
    "BYE",
    "REFER",
    "NOTIFY",
    "INFO",
    "PUBLISH",
    "UPDATE",
    "PRACK",
    "INVENTED",
];

const URIS: [&str; 8] = [
    "sip:+4930123@example.com",
    "sip:bob@192.0.2.20",
    "sip:192.0.2.1",
    "sip:bob@sip.example.com",
    "sip:bob@phone.example.net",
    "sips:bob@192.0.2.20",
    "tel:+4930123",
    "http://example.com",
];

const STATUSES: [u16; 16] = [
    100, 180, 183, 199, 200, 202, 302, 401, 404, 407, 408, 486, 487, 500, 503, 603,
];

/// What a mutation puts in.
const PIECES: [&[u8]; 24] = [
    b"",
    b"\r\n",
    b"\r\n ",
    b"\r",
    b"\n",
    b"\0",
    b",",
    b";",
    b"\"",
    b"<",
    b">",
    b":",
    b"0",
    b"99999999999",
    b"\r\n\r\n",
    b"\r\nVia: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKx",
    b"\r\nRoute: <sip:192.0.2.1;lr>",
    b"\r\nRoute: <sip:192.0.2.1:5060;lr>, <sip:192.0.2.60>",
    b"\r\nMax-Forwards: 1",
    b"\r\nContent-Length: 5",
    b"\r\nTo: <sip:x@y>;tag=1",
    b";tag=2",
    b"SIP/2.0",
    b"\xff\x80",
];

fn written(program: &mut Program<'_>, world: &mut World) -> (Request, Incoming) {
    let method = *program.pick(&METHODS);
    let uri = *program.pick(&URIS);
    let incoming = world.caller(program.below(4));
    let shape = program.byte();
    let number = world.new_number();
    let mut request = Request::new(method, uri, incoming.flow.peer, &number);
    request.sent_by = format!(
        "SIP/2.0/{} {}",
        incoming.flow.transport.via_name(),
        incoming.flow.peer
    );
    if shape & 1 != 0 {
        request = request.with("Route: <sip:192.0.2.1:5060;lr>");
    }
    if shape & 2 != 0 {
        request.to.push_str(";tag=b");
    }
    if shape & 4 != 0 {
        request.sent_by.push_str(";rport");
    }
    if shape & 8 != 0 {
        request = request.with("Route: <sip:192.0.2.70;lr>");
    }
    if shape & 16 != 0 {
        let below = format!("Via: SIP/2.0/UDP 192.0.2.80;branch=z9hG4bKbelow-{number}");
        request = request.with(&below);
    }
    if shape & 32 != 0 {
        request.headers = format!("Max-Forwards: {}\r\n", shape >> 6);
    }
    if shape & 128 != 0 {
        request = request.with("Content-Type: text/plain");
        request.body = "v=0\r\n".repeat(program.below(40));
    }
    (request, incoming)
}

/// A new request.
pub(super) fn request(program: &mut Program<'_>, world: &mut World) {
    let (mut request, mut incoming) = written(program, world);
    match (program.below(16), world.last_request()) {
        (0, _) => incoming.is_excess = true,
        (1, Some(earlier)) => {
            // The same request by another path.
            request.uri = earlier.uri.clone();
            request.call_id = earlier.call_id.clone();
            request.from = earlier.from.clone();
            request.cseq = earlier.cseq;
        }
        _ => {}
    }
    world.send(request, incoming);
}

/// A response to something the core sent.
pub(super) fn answered(program: &mut Program<'_>, world: &mut World) {
    if let Some((text, incoming)) = response(program, world) {
        world.receive(incoming, text.as_bytes());
    }
}

fn response(program: &mut Program<'_>, world: &World) -> Option<(String, Incoming)> {
    let sent = program.recent_of(world.forwarded())?;
    let status = *program.pick(&STATUSES);
    let tag = *program.pick(&["t1", "t2"]);
    let request = String::from_utf8_lossy(&sent.bytes);
    let text = response_to(&request, status, tag, sent.flow.peer);
    Some((text, world.callee(sent.flow)))
}

/// A new request or a response with some bytes changed.
pub(super) fn mutated(program: &mut Program<'_>, world: &mut World) {
    let (text, incoming) = if program.below(2) == 0 {
        let (request, incoming) = written(program, world);
        (request.text(), incoming)
    } else {
        match response(program, world) {
            Some(response) => response,
            None => return,
        }
    };
    let mut bytes = text.clone().into_bytes();
    for _ in 0..=program.below(3) {
        let at = program.position(bytes.len());
        let removed = program.below(24).min(bytes.len() - at);
        let piece = match program.below(PIECES.len() + 4) {
            literal if literal >= PIECES.len() => program.bytes(literal - PIECES.len() + 1),
            piece => PIECES[piece],
        };
        bytes.splice(at..at + removed, piece.iter().copied());
    }
    world.receive_mutated(incoming, text.as_bytes(), &bytes);
}
