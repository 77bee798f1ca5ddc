//! What is refused, and that it can still be answered.

use sigbox_wire::{HeaderId, Index, Limits, Message, Method, Reason};

use super::{reason, verdict, with};

/// Indexes bytes that must be refused and hands them to `look`.
fn refused(raw: &[u8], limits: &Limits, look: impl FnOnce(Message<'_>)) -> Reason {
    let mut index = Index::default();
    let fault = index
        .parse(raw, limits)
        .expect_err(&raw.escape_ascii().to_string());
    look(Message::new(raw, &index));
    fault.reason
}

#[test]
fn p4_line_breaks_and_nul_within_a_header_are_refused_and_never_copied() {
    for (line, expected) in [
        ("X: a\nVia: b", Reason::BareLf),
        ("X: a\rVia: b", Reason::BareCr),
        ("X: a\r\rVia: b", Reason::BareCr),
        ("X: a\0", Reason::Nul),
        ("\0", Reason::Nul),
    ] {
        let raw = with(&[line]);
        let seen = refused(&raw, &Limits::default(), |message| {
            assert!(message.answerable(), "{line:?}");
            assert_eq!(message.all(HeaderId::Via).count(), 1);
            assert_eq!(message.named(b"X").count(), 0);
        });
        assert_eq!(seen, expected, "{line:?}");
    }
}

#[test]
fn p4_a_header_that_may_stand_once_stands_once_in_either_form() {
    for lines in [
        ["From: <sip:a@b>;tag=1", "f: <sip:c@d>;tag=2"],
        ["To: <sip:a@b>", "T: <sip:a@b>"],
        ["Call-ID: 1", "i: 1"],
        ["CSeq: 1 OPTIONS", "cseq: 2 OPTIONS"],
        ["Max-Forwards: 70", "max-forwards: 70"],
        ["Content-Length: 0", "l: 0"],
    ] {
        let raw = with(&lines);
        let seen = refused(&raw, &Limits::default(), |message| {
            assert!(message.answerable())
        });
        assert_eq!(seen, Reason::Duplicate, "{lines:?}");
    }
}

/// Two To headers, one with an empty tag, once crashed a proxy.
#[test]
fn two_to_headers_with_an_empty_tag() {
    let raw = with(&["To: <sip:a@b>;tag=", "To: <sip:a@b>;tag=1"]);
    assert_eq!(reason(&raw), Some(Reason::Duplicate));
    assert_eq!(
        reason(&with(&["To: <sip:a@b>;tag="])),
        Some(Reason::Address)
    );
}

/// RFC 3261 §18.3
#[test]
fn p4_a_content_length_is_a_number_of_bytes_that_came() {
    for value in [
        "1",
        "-1",
        "+0",
        "0x0",
        "",
        "4294967296",
        "18446744073709551616",
        "0, 0",
        "1 2",
        "a",
    ] {
        let raw = with(&[&format!("Content-Length: {value}")]);
        let seen = refused(&raw, &Limits::default(), |message| {
            assert!(message.answerable())
        });
        assert_eq!(seen, Reason::ContentLength, "{value}");
    }
    assert_eq!(verdict(&with(&["Content-Length: 000"])), Ok(()));
}

#[test]
fn p4_header_names_are_tokens_before_a_colon() {
    for line in [
        "no colon",
        ": no name",
        "a b: c",
        "a\u{e4}: b",
        "a(b): c",
        &format!("{}: x", "n".repeat(256)),
    ] {
        let seen = refused(&with(&[line]), &Limits::default(), |message| {
            assert!(message.answerable());
        });
        assert_eq!(seen, Reason::HeaderName, "{line}");
    }
    let spaced = with(&["CSeq \t : 1 OPTIONS", &format!("{}: x", "n".repeat(255))]);
    assert_eq!(
        reason(&spaced),
        Some(Reason::Duplicate),
        "a space before the colon hides nothing"
    );
}

#[test]
fn p4_a_continuation_line_continues_something() {
    let raw = b"OPTIONS sip:a@b SIP/2.0\r\n Via: x\r\nCall-ID: 1\r\n\r\n";
    let seen = refused(raw, &Limits::default(), |message| {
        assert_eq!(message.call_id(), b"1")
    });
    assert_eq!(seen, Reason::Fold);
}

#[test]
fn p4_bytes_that_end_early_are_refused() {
    let whole = with(&[]);
    for end in 0..whole.len() {
        assert!(
            verdict(&whole[..end]).is_err(),
            "{end} of {} bytes",
            whole.len()
        );
    }
    let cut = &whole[..whole.len() - 2];
    let seen = refused(cut, &Limits::default(), |message| {
        assert!(message.answerable())
    });
    assert_eq!(seen, Reason::Unterminated);
}

#[test]
fn p4_limits_hold_and_say_which() {
    let limits = Limits {
        message: 400,
        headers: 8,
        header: 60,
        vias: 3,
    };
    for (lines, expected) in [
        (vec!["X: y"; 4], Reason::TooManyHeaders),
        (
            vec!["X: 012345678901234567890123456789012345678901234567890123456789"],
            Reason::HeaderTooLong,
        ),
        (
            vec!["v: SIP/2.0/UDP a,SIP/2.0/UDP b", "v: SIP/2.0/UDP c"],
            Reason::TooManyVias,
        ),
    ] {
        let seen = refused(&with(&lines), &limits, |message| {
            assert!(message.answerable())
        });
        assert_eq!(seen, expected);
    }
    let mut long = with(&["Content-Length: 300"]);
    long.extend([b'x'; 300]);
    let seen = refused(&long, &limits, |message| assert!(message.answerable()));
    assert_eq!(seen, Reason::MessageTooLarge);
    assert_eq!(verdict(&with(&["v: SIP/2.0/UDP a", "X: y"])), Ok(()));
}

#[test]
fn p4_floods_are_refused_within_the_limits() {
    let request = String::from_utf8(with(&[])).unwrap();
    let (start, _) = request.split_at(request.len() - 2);
    let flood = |line: &str, times: usize| format!("{start}{}\r\n", line.repeat(times));
    for (raw, expected) in [
        (flood("X: y\r\n", 10_000), Reason::TooManyHeaders),
        (flood("Via: SIP/2.0/UDP a\r\n", 1_000), Reason::TooManyVias),
        (
            flood("Via: SIP/2.0/UDP a,,,,,,,,,,,,,,,,,,,,\r\n", 5),
            Reason::TooManyVias,
        ),
        (
            flood(&format!("X: {}\r\n", "y".repeat(60_000)), 1),
            Reason::HeaderTooLong,
        ),
        (
            flood(&format!("X: {}\r\n", "y".repeat(8_000)), 9),
            Reason::MessageTooLarge,
        ),
        (
            flood(&format!("X:{}y\r\n", "\r\n ".repeat(10_000)), 1),
            Reason::HeaderTooLong,
        ),
    ] {
        let seen = refused(raw.as_bytes(), &Limits::default(), |message| {
            assert!(message.answerable());
        });
        assert_eq!(seen, expected);
    }
}

/// RFC 3261 §16.3 step 1
#[test]
fn what_every_request_must_have() {
    let request = String::from_utf8(with(&[])).unwrap();
    for (name, expected, answerable) in [
        ("Via", Reason::MissingVia, false),
        ("From", Reason::MissingFrom, true),
        ("To", Reason::MissingTo, true),
        ("Call-ID", Reason::MissingCallId, true),
        ("CSeq", Reason::MissingCSeq, false),
    ] {
        let raw = request.replace(&format!("\r\n{name}:"), "\r\nX-Gone:");
        assert_eq!(reason(raw.as_bytes()), Some(expected));
        let mut index = Index::default();
        index.parse(raw.as_bytes(), &Limits::default()).unwrap();
        let message = Message::new(raw.as_bytes(), &index);
        assert_eq!(message.answerable(), answerable, "{name}");
    }
}

/// RFC 3261 §16.3 step 1
#[test]
fn what_validate_finds_and_where() {
    for (line, expected, at) in [
        ("CSeq: 1 INVITE", Reason::CSeqMethod, "INVITE"),
        ("CSeq: 4294967296 OPTIONS", Reason::CSeq, "4294967296"),
        ("Call-ID:", Reason::CallId, "\r\n\r\n"),
        ("Call-ID: a b", Reason::CallId, " b"),
        ("Via: SIP/2.0/UDP a:0", Reason::Port, ":0"),
        ("From: <sip:a@b>;tag=\"x", Reason::Quote, "\r\n\r\n"),
        ("To: <sip:a@b>;;", Reason::Param, ";\r\n\r\n"),
    ] {
        let raw = String::from_utf8(with(&[line])).unwrap();
        let fault = verdict(raw.as_bytes()).unwrap_err();
        assert_eq!(fault.reason, expected, "{line}");
        assert_eq!(Some(fault.at), raw.find(at), "{line}: {fault}");
    }
    let raw = b"OPTIONS sip:a@b:0 SIP/2.0\r\nv: SIP/2.0/UDP a\r\nf: <sip:a@b>\r\nt: <sip:a@b>\r\n\
        i: 1\r\nCSeq: 1 OPTIONS\r\n\r\n";
    let fault = verdict(raw).unwrap_err();
    assert_eq!((fault.reason, fault.at), (Reason::Port, 15));
}

#[test]
fn t11_max_forwards_is_a_number_from_0_to_255() {
    for (value, hops) in [("0", 0), ("70", 70), ("0068", 68), ("255", 255)] {
        let raw = with(&[&format!("Max-Forwards: {value}")]);
        let index = super::index(&raw);
        assert_eq!(Message::new(&raw, &index).max_forwards(), Ok(Some(hops)));
    }
    for value in ["256", "300", "-1", "", "7 0", "70, 70", "4294967297"] {
        let raw = with(&[&format!("Max-Forwards: {value}")]);
        assert_eq!(reason(&raw), Some(Reason::MaxForwards), "{value}");
    }
    let raw = with(&[]);
    assert_eq!(
        Message::new(&raw, &super::index(&raw)).max_forwards(),
        Ok(None)
    );
}

#[test]
fn t8_a_status_out_of_range_is_no_response() {
    let raw = b"SIP/2.0 4294967301 better not break the receiver\r\nCall-ID: 1\r\n\r\n";
    let seen = refused(raw, &Limits::default(), |message| {
        assert!(!message.is_request());
        assert_eq!(message.status(), 0);
        assert_eq!(message.call_id(), b"1");
    });
    assert_eq!(seen, Reason::Status);
}

#[test]
fn t9_an_ack_is_never_answerable() {
    let raw = String::from_utf8(with(&[]))
        .unwrap()
        .replace("OPTIONS", "ACK");
    let index = super::index(raw.as_bytes());
    let ack = Message::new(raw.as_bytes(), &index);
    assert_eq!(ack.method(), Method::Ack);
    assert!(!ack.answerable());
    // Nor one that is malformed in its first line.
    let raw = raw.replace("SIP/2.0\r\nVia", "SIP/2.0 \r\nVia");
    refused(raw.as_bytes(), &Limits::default(), |ack| {
        assert!(!ack.answerable())
    });
}

/// A method of 400 bytes in CSeq once overran a buffer.
#[test]
fn a_cseq_method_of_400_bytes_is_not_the_requests() {
    let raw = with(&[&format!("CSeq: 1 {}", "M".repeat(400))]);
    assert_eq!(reason(&raw), Some(Reason::CSeqMethod));
}

#[test]
fn every_reason_has_a_label_of_its_own() {
    let mut labels: Vec<_> = Reason::ALL.iter().map(|reason| reason.label()).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), Reason::ALL.len());
    let fault = verdict(b"x").unwrap_err();
    assert!(fault.to_string().starts_with("expected "), "{fault}");
}
