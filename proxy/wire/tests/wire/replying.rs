//! Responses made here.

use sigbox_wire::{HeaderId, Index, Limits, Message, Reply, reason_phrase};

use super::{INVITE, index, with};

fn reply(raw: &[u8], reply: Reply<'_>) -> String {
    let mut index = Index::default();
    // What is at fault is answered too.
    let _ = index.parse(raw, &Limits::default());
    let mut out = Vec::new();
    reply.write(
        Message::new(raw, &index),
        "192.0.2.9:40000".parse().unwrap(),
        &mut out,
    );
    String::from_utf8(out).unwrap()
}

const BUSY: Reply<'_> = Reply {
    status: 486,
    reason: "Busy Here",
    to_tag: Some(b"t1"),
    server: None,
    extra: b"Retry-After: 5\r\n",
};

/// RFC 3261 §8.2.6
#[test]
fn a_response_has_what_rfc_3261_8_2_6_says_and_nothing_else() {
    insta::assert_snapshot!(reply(INVITE.as_bytes(), BUSY).replace("\r\n", "\n"), @r#"
    SIP/2.0 486 Busy Here
    Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK-proxy-1;received=192.0.2.9, SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKnashds8;rport
    From: "Alice" <sip:alice@example.com>;tag=1928301774
    To: <sip:+4930123@example.com;user=phone>;tag=t1
    Call-ID: a84b4c76e66710@pc33.example.com
    CSeq: 314159 INVITE
    Retry-After: 5
    Content-Length: 0
    "#);
}

#[test]
fn all_vias_come_back_in_order_and_only_the_topmost_is_stamped() {
    let raw = with(&[
        "Via: SIP/2.0/UDP a;branch=1;rport",
        "v: SIP/2.0/UDP b;branch=2;rport",
    ]);
    let out = reply(&raw, BUSY);
    let index = index(out.as_bytes());
    let vias: Vec<_> = Message::new(out.as_bytes(), &index)
        .vias()
        .map(|via| via.unwrap().raw)
        .collect();
    assert_eq!(
        vias,
        [
            &b"SIP/2.0/UDP a;branch=1;rport=40000;received=192.0.2.9"[..],
            b"SIP/2.0/UDP b;branch=2;rport"
        ]
    );
}

#[test]
fn a_tag_is_added_only_where_there_is_none() {
    let out = reply(&with(&["To:\r\n sip:bob@example.com\r\n ;x=y  "]), BUSY);
    assert!(
        out.contains("\r\nTo: sip:bob@example.com\r\n ;x=y;tag=t1\r\n"),
        "{out}"
    );
    let out = reply(&with(&["To: <sip:bob@example.com>;TAG=theirs"]), BUSY);
    assert!(
        out.contains("TAG=theirs\r\n") && !out.contains("t1"),
        "{out}"
    );
    let out = reply(
        &with(&[]),
        Reply {
            to_tag: None,
            ..BUSY
        },
    );
    assert!(out.contains("\r\nTo: <sip:bob@example.com>\r\n"), "{out}");
}

#[test]
fn a_timestamp_goes_into_a_100_only() {
    let raw = with(&["Timestamp: 54.1"]);
    let trying = Reply {
        status: 100,
        reason: "Trying",
        to_tag: None,
        server: None,
        extra: b"",
    };
    assert!(reply(&raw, trying).contains("\r\nTimestamp: 54.1\r\n"));
    assert!(!reply(&raw, BUSY).contains("Timestamp"));
}

#[test]
fn a_reason_cannot_break_out_of_its_line() {
    let out = reply(
        &with(&[]),
        Reply {
            reason: "No\r\nVia: x\0y ü",
            ..BUSY
        },
    );
    assert!(out.starts_with("SIP/2.0 486 No  Via: x y ü\r\n"), "{out}");
}

/// An element once crashed while building the answer to a message it had just refused.
#[test]
fn what_is_refused_is_answered_with_what_there_is() {
    for lines in [
        [
            "Via: SIP/2.0/UDP 192.0.2.15;;,;,,",
            "To: \"Mr. J. User <sip:j.user@example.com>",
        ],
        ["Via: ", "To: <sip:a@b>;tag=\"x"],
        ["X: a\nVia: forged", "To: "],
        ["Content-Length: 9999", "To: <sip:a@b"],
        ["Call-ID: 1", "Call-ID: 2"],
    ] {
        let raw = with(&lines);
        let out = reply(&raw, BUSY);
        assert!(out.ends_with("Content-Length: 0\r\n\r\n"), "{out}");
        let index = index(out.as_bytes());
        let response = Message::new(out.as_bytes(), &index);
        assert_eq!(response.status(), 486);
        for id in [
            HeaderId::Via,
            HeaderId::From,
            HeaderId::To,
            HeaderId::CallId,
            HeaderId::CSeq,
        ] {
            assert_eq!(response.all(id).count(), 1, "{}", id.name());
        }
        assert!(!out.contains("forged"));
    }
    assert!(reply(b"", BUSY).starts_with("SIP/2.0 486 Busy Here\r\nRetry-After"));
}

#[test]
fn every_status_has_a_phrase() {
    assert_eq!(reason_phrase(483), "Too Many Hops");
    for (status, class) in [
        (199, "Early Dialog Terminated"),
        (299, "Success"),
        (499, "Request Failure"),
    ] {
        assert_eq!(reason_phrase(status), class);
    }
    assert!((100..=699).all(|status| !reason_phrase(status).is_empty()));
}
