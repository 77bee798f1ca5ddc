//! What holds for every message, and for bytes that are none.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sigbox_wire::{HeaderId, Index, Limits, Message, Peek, Reply, Splicer, peek};

use crate::ask::{ask_everything, ask_values, source};

/// A header name with the spellings a peer may use for it, and a value. In values, `\r\n` comes only
/// as a fold.
fn header() -> impl Strategy<Value = (String, String)> {
    let name = select(vec![
        "Route",
        "RECORD-ROUTE",
        "m",
        "Supported",
        "X-Custom",
        "Subject",
        "p",
    ]);
    let value = "([!-~]{1,12}|é|\"[a-z<>,;]{0,6}\")(([ \t]|\r\n[ \t])[!-~]{1,12}){0,3}";
    let before_colon = select(vec!["", " ", "\t "]);
    let after_colon = select(vec!["", " ", "  ", "\r\n "]);
    (name, before_colon, after_colon, value)
        .prop_map(|(name, before, after, value)| (format!("{name}{before}:{after}"), value))
}

#[derive(Debug, Clone)]
struct Sent {
    raw: Vec<u8>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A valid INVITE with any headers among those it must have.
fn message() -> impl Strategy<Value = Sent> {
    let body = vec(any::<u8>(), 0..60);
    let must = Just(vec![
        (
            "Via: ".to_owned(),
            "SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bKa;rport".to_owned(),
        ),
        ("v: ".to_owned(), "SIP/2.0/UDP b;branch=z9hG4bKb".to_owned()),
        ("f: ".to_owned(), "\"A, B\" <sip:a@b>;tag=1".to_owned()),
        ("To: ".to_owned(), "<sip:c@d>".to_owned()),
        ("Call-ID: ".to_owned(), "abc@d".to_owned()),
        ("CSeq: ".to_owned(), "1 INVITE".to_owned()),
        ("Max-Forwards: ".to_owned(), "70".to_owned()),
    ])
    .prop_shuffle();
    (must, vec(header(), 0..40), body, any::<bool>()).prop_map(|(must, extra, body, has_length)| {
        let mut headers: Vec<_> = extra.into_iter().chain(must).collect();
        let middle = headers.len() / 2;
        if has_length {
            headers.insert(middle, ("l : ".to_owned(), format!("{:03}", body.len())));
        }
        headers.rotate_left(middle);
        let mut raw = b"INVITE sip:callee@example.com SIP/2.0\r\n".to_vec();
        for (name, value) in &headers {
            raw.extend_from_slice(format!("{name}{value} \r\n").as_bytes());
        }
        raw.extend_from_slice(b"\r\n");
        raw.extend_from_slice(&body);
        Sent { raw, headers, body }
    })
}

/// The index, and the header lines as a peer would tell them apart.
fn parsed(raw: &[u8]) -> (Index, Vec<(String, Vec<u8>)>) {
    let index = super::index(raw);
    let message = Message::new(raw, &index);
    let headers = message
        .headers()
        .map(|h| {
            (
                String::from_utf8_lossy(h.name).into_owned(),
                h.value.to_vec(),
            )
        })
        .collect();
    (index, headers)
}

/// Bytes with what parsers stumble over more often than by chance.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        vec(any::<u8>(), 0..4),
        select(vec![
            "\r\n",
            "\r",
            "\n",
            "\0",
            "\r\n ",
            ":",
            ";",
            ",",
            "=",
            "\"",
            "\\",
            "<",
            ">",
            "%",
            "@",
            "[",
            "]",
            "?",
            "/",
            "*",
            "SIP/2.0",
            "INVITE ",
            "sip:",
            "tel:",
            "Via: ",
            "SIP/2.0/UDP ",
            "To: ",
            "CSeq: ",
            "l: ",
            "Digest ",
            "realm=",
            "rport",
            ";tag",
            "200 ",
            "%41",
            "::1",
            "a",
            "0",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_index_finds_what_was_put_in(sent in message()) {
        let (index, found) = parsed(&sent.raw);
        let message = Message::new(&sent.raw, &index);
        prop_assert_eq!(message.validate().map(|_| ()), Ok(()));
        prop_assert_eq!(message.body(), &sent.body[..]);
        let put: Vec<_> = sent
            .headers
            .iter()
            .map(|(name, value)| {
                let name = name.trim_end_matches(|c: char| c.is_whitespace() || c == ':');
                (name.to_owned(), value.clone().into_bytes())
            })
            .collect();
        prop_assert_eq!(&found, &put);
        for (name, _) in &put {
            let same = put.iter().filter(|(other, _)| {
                let id = HeaderId::from_name(name.as_bytes());
                other.eq_ignore_ascii_case(name)
                    || id != HeaderId::Other && HeaderId::from_name(other.as_bytes()) == id
            });
            prop_assert_eq!(message.named(name.as_bytes()).count(), same.count());
        }
        let peeked = match peek(&sent.raw) {
            Peek::Request(request) => request.call_id(),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(peeked, message.call_id());
    }

    /// P4: `parse(forward(x))` is `parse(x)` but for what was meant to change.
    /// RFC 3261 §16.6 step 1
    #[test]
    fn p4_forwarding_changes_only_what_it_means_to(sent in message()) {
        let (index, before) = parsed(&sent.raw);
        let message = Message::new(&sent.raw, &index);
        let mut splicer = Splicer::default();
        splicer.insert(message.headers_start(), |out| out.extend(b"Via: SIP/2.0/UDP p;branch=new\r\n"));
        splicer.insert(message.headers_end(), |out| out.extend(b"X-Last: 1\r\n"));
        splicer.replace(message.request_uri_range(), |out| out.extend(b"sip:next@example.net"));
        let hops = message.header(HeaderId::MaxForwards).unwrap();
        splicer.replace(hops.value_range, |out| out.extend(b"69"));
        let mut out = Vec::new();
        splicer.finish(message.raw(), &mut out);

        let (index, after) = parsed(&out);
        let forwarded = Message::new(&out, &index);
        prop_assert_eq!(forwarded.request_uri(), b"sip:next@example.net");
        prop_assert_eq!(forwarded.body(), message.body());
        prop_assert_eq!(forwarded.via().unwrap().branch(), Some(&b"new"[..]));
        let mut expected = before;
        for (name, value) in &mut expected {
            if name == "Max-Forwards" {
                *value = b"69".to_vec();
            }
        }
        expected.insert(0, ("Via".to_owned(), b"SIP/2.0/UDP p;branch=new".to_vec()));
        expected.push(("X-Last".to_owned(), b"1".to_vec()));
        prop_assert_eq!(after, expected);
    }

    #[test]
    fn splicing_is_byte_exact_outside_the_edits(
        raw in vec(any::<u8>(), 0..80),
        edits in vec((0_usize..90, 0_usize..20, vec(any::<u8>(), 0..5)), 0..12),
    ) {
        let mut splicer = Splicer::default();
        let mut accepted: Vec<(usize, usize, &[u8])> = Vec::new();
        for (start, len, text) in &edits {
            if splicer.replace(*start..start + len, |out| out.extend_from_slice(text)) {
                accepted.push((*start, start + len, text));
            }
        }
        let mut out = Vec::new();
        splicer.finish(&raw, &mut out);
        // The slow and obvious way: byte by byte.
        let mut expected = Vec::new();
        for at in 0..=95 {
            for (start, _, text) in &accepted {
                if *start == at {
                    expected.extend_from_slice(text);
                }
            }
            let is_cut = accepted.iter().any(|(start, end, _)| (*start..*end).contains(&at));
            if let (Some(byte), false) = (raw.get(at), is_cut) {
                expected.push(*byte);
            }
        }
        prop_assert_eq!(out, expected);
    }

    /// RFC 3261 §16.7 step 3
    #[test]
    fn taking_away_the_first_value_leaves_the_others(sent in message()) {
        let (index, _) = parsed(&sent.raw);
        let message = Message::new(&sent.raw, &index);
        for id in [HeaderId::Via, HeaderId::Route, HeaderId::Contact, HeaderId::Supported] {
            let before: Vec<_> = message.tokens(id).collect();
            let Some(range) = message.first_value_range(id) else { continue };
            let first_is_empty = message.header(id).is_some_and(|h| h.value.starts_with(b","));
            let mut splicer = Splicer::default();
            splicer.remove(range);
            let mut out = Vec::new();
            splicer.finish(message.raw(), &mut out);
            let (index, _) = parsed(&out);
            let cut = Message::new(&out, &index);
            let after: Vec<_> = cut.tokens(id).collect();
            let gone = usize::from(!first_is_empty && !before.is_empty());
            prop_assert_eq!(&after[..], &before[gone..]);
        }
    }

    #[test]
    fn a_reply_parses_and_matches_its_request(sent in message()) {
        let (index, _) = parsed(&sent.raw);
        let request = Message::new(&sent.raw, &index);
        let mut out = Vec::new();
        let reply = Reply {
            status: 503,
            reason: "No",
            to_tag: Some(b"t"),
            server: None,
            extra: b"",
        };
        reply.write(request, source(), &mut out);
        let (index, _) = parsed(&out);
        let response = Message::new(&out, &index);
        prop_assert_eq!(response.validate().map(|_| ()), Ok(()));
        prop_assert_eq!(response.vias().count(), request.vias().count());
        prop_assert_eq!(response.call_id(), request.call_id());
        prop_assert_eq!(response.cseq(), request.cseq());
        prop_assert_eq!(response.to().unwrap().tag(), Some(&b"t"[..]));
        let branch = request.via().unwrap().branch();
        let peeked = match peek(&out) {
            Peek::Response(response) => response.branch(),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(peeked, branch.unwrap());
    }

    /// P4, P5
    #[test]
    fn p4_bytes_that_are_no_message_never_panic(noise in noise()) {
        let mut index = Index::default();
        let _ = index.parse(&noise, &Limits::default());
        ask_everything(&noise, &index);
        ask_values(&noise);
        let _ = peek(&noise);
    }

    #[test]
    fn p4_a_message_with_a_hole_in_it_never_panics(
        sent in message(),
        at in any::<prop::sample::Index>(),
        len in 0_usize..20,
        noise in noise(),
    ) {
        let mut raw = sent.raw;
        let start = at.index(raw.len());
        let end = (start + len).min(raw.len());
        raw.splice(start..end, noise);
        let mut index = Index::default();
        let fault = index.parse(&raw, &Limits::default()).err();
        ask_everything(&raw, &index);
        prop_assert!(fault.is_none_or(|fault| fault.at <= raw.len()));
    }

    #[test]
    fn p4_an_index_of_other_bytes_never_panics(sent in message(), noise in noise()) {
        let (index, _) = parsed(&sent.raw);
        let message = Message::new(&noise, &index);
        let _ = (message.validate(), message.body(), message.uri(), message.headers().count());
        let _ = message.first_value_range(HeaderId::Via);
    }
}
