//! What the accessors say of an ordinary message.

use sigbox_wire::{HeaderId, Index, Limits, Message, Method};

use super::{INVITE, index, with};

#[test]
fn a_request_is_read() {
    let index = index(INVITE.as_bytes());
    let invite = Message::new(INVITE.as_bytes(), &index);
    invite.validate().unwrap();
    assert!(invite.is_request() && invite.answerable());
    assert_eq!(
        (invite.method(), invite.status(), invite.reason()),
        (Method::Invite, 0, &b""[..])
    );
    assert_eq!(invite.request_uri(), b"sip:+4930123@example.com;user=phone");
    assert_eq!(
        &INVITE[invite.request_uri_range()].as_bytes(),
        &invite.request_uri()
    );
    assert_eq!(invite.uri().unwrap().user, Some(&b"+4930123"[..]));
    assert_eq!(invite.headers().count(), 15);
    assert_eq!(invite.call_id(), b"a84b4c76e66710@pc33.example.com");
    let cseq = invite.cseq().unwrap();
    assert_eq!((cseq.number, cseq.method), (314_159, Method::Invite));
    assert_eq!(invite.max_forwards(), Ok(Some(69)));
    assert_eq!(invite.expires(), Ok(None));
    assert_eq!(invite.content_length(), Some(23));
    assert_eq!(invite.body(), b"v=0\r\no=- 1 1 IN IP4 a\r\n");
    assert_eq!(invite.from().unwrap().tag(), Some(&b"1928301774"[..]));
    assert_eq!(invite.to().unwrap().tag(), None);
    assert_eq!(
        invite.via().unwrap().branch(),
        Some(&b"z9hG4bK-proxy-1"[..])
    );
    let branches: Vec<_> = invite
        .vias()
        .map(|via| via.unwrap().branch().unwrap())
        .collect();
    assert_eq!(branches, [&b"z9hG4bK-proxy-1"[..], b"z9hG4bKnashds8"]);
    let allowed: Vec<_> = invite.tokens(HeaderId::Allow).collect();
    assert_eq!(allowed.len(), 6);
    assert_eq!(allowed[5], b"UPDATE");
}

#[test]
fn a_response_is_read() {
    let raw =
        b"SIP/2.0 183 Session  Progress\r\nv: SIP/2.0/UDP a;branch=b\r\nf: <sip:a@b>;tag=1\r\n\
        t: <sip:c@d>;tag=2\r\ni: x\r\nCSeq: 7 PRACK\r\nExpires: 0060\r\n\r\n";
    let index = index(raw);
    let response = Message::new(raw, &index);
    response.validate().unwrap();
    assert!(!response.is_request() && !response.answerable());
    assert_eq!(
        (response.status(), response.reason()),
        (183, &b"Session  Progress"[..])
    );
    assert_eq!(
        (response.method(), response.request_uri()),
        (Method::Prack, &b""[..])
    );
    assert!(response.request_uri_range().is_empty() && response.uri().is_err());
    assert_eq!(response.expires(), Ok(Some(60)));
    assert_eq!(response.max_forwards(), Ok(None));
}

#[test]
fn offsets_are_where_things_go() {
    let index = index(INVITE.as_bytes());
    let invite = Message::new(INVITE.as_bytes(), &index);
    assert!(INVITE[invite.headers_start()..].starts_with("Via: "));
    assert!(INVITE[invite.headers_end()..].starts_with("\r\nv=0"));
    assert_eq!(
        invite.offset_of(invite.request_uri()),
        invite.request_uri_range().start
    );
    let account = invite.named(b"x-account").next().unwrap();
    assert_eq!(&INVITE[account.line.clone()], "X-Account: 4711\r\n");
    assert_eq!(&INVITE[account.value_range], "4711");
    let last = invite.headers().last().unwrap();
    assert_eq!(last.line.end, invite.headers_end());
}

#[test]
fn headers_are_found_by_either_name() {
    let raw = with(&[
        "m: <sip:a@b>",
        "Contact: <sip:c@d>, <sip:e@f>",
        "X-a: 1",
        "x-A: 2",
        "y: 3",
    ]);
    let index = index(&raw);
    let message = Message::new(&raw, &index);
    let contacts = message
        .addresses(HeaderId::Contact)
        .map(|contact| contact.unwrap().uri);
    assert_eq!(
        contacts.collect::<Vec<_>>(),
        [b"sip:a@b", b"sip:c@d", b"sip:e@f"]
    );
    assert_eq!(message.named(b"CONTACT").count(), 2);
    assert_eq!(message.named(b"M").count(), 2);
    assert_eq!(
        message.named(b"X-A").map(|h| h.value).collect::<Vec<_>>(),
        [b"1", b"2"]
    );
    assert_eq!(message.named(b"Identity").count(), 1);
    assert_eq!(message.named(b"").count(), 0);
    assert_eq!(message.header(HeaderId::Route), None);
}

#[test]
fn a_contact_may_be_a_star_and_nothing_else_may() {
    let raw = with(&["Contact: *", "Route: *"]);
    let index = index(&raw);
    let message = Message::new(&raw, &index);
    assert_eq!(
        message
            .addresses(HeaderId::Contact)
            .next()
            .unwrap()
            .unwrap()
            .uri,
        b"*"
    );
    assert!(message.addresses(HeaderId::Route).next().unwrap().is_err());
}

#[test]
fn the_first_value_is_cut_with_its_line_when_it_is_alone() {
    for (route, left) in [
        ("Route: <sip:a;lr>", ""),
        ("Route: <sip:a,b;lr>", ""),
        (
            "Route: <sip:a;lr>;x=\"1,2\", <sip:b;lr>",
            "Route: <sip:b;lr>\r\n",
        ),
        ("Route: <sip:a;lr>,<sip:b;lr>", "Route: <sip:b;lr>\r\n"),
        (
            "Route:   <sip:a;lr>  ,\r\n\t<sip:b;lr>,<sip:c>",
            "Route:   <sip:b;lr>,<sip:c>\r\n",
        ),
        ("Route:\r\n <sip:a;lr>\r\n ", ""),
    ] {
        let raw = with(&[route]);
        let index = index(&raw);
        let message = Message::new(&raw, &index);
        let cut = message.first_value_range(HeaderId::Route).unwrap();
        let line = message.header(HeaderId::Route).unwrap().line;
        let mut rest = raw[line.start..cut.start].to_vec();
        rest.extend_from_slice(&raw[cut.end..line.end]);
        assert_eq!(rest, left.as_bytes(), "{route}");
    }
    let raw = with(&[]);
    assert_eq!(
        Message::new(&raw, &index(&raw)).first_value_range(HeaderId::Route),
        None
    );
}

/// RFC 3261 §7.5, §18.3
#[test]
fn what_surrounds_the_message_in_its_datagram_is_not_part_of_it() {
    let request = with(&["Content-Length: 2"]);
    let raw = [b"\r\n\r\n", &request[..], b"okINVITE sip:x SIP/2.0\r\n"].concat();
    let index = index(&raw);
    let message = Message::new(&raw, &index);
    assert_eq!(message.raw(), [&request[..], b"ok"].concat());
    assert_eq!(message.body(), b"ok");
    assert_eq!(message.request_uri(), b"sip:bob@example.com");
    assert_eq!(message.offset_of(message.request_uri()), 8);
}

#[test]
fn an_index_is_used_again_without_a_trace_of_the_message_before() {
    let mut index = index(INVITE.as_bytes());
    let raw = b"SIP/2.0 200 OK\r\nX: y\r\n\r\n";
    index.parse(raw, &Limits::default()).unwrap();
    let response = Message::new(raw, &index);
    assert!(!response.is_request());
    assert_eq!(response.headers().count(), 1);
    for id in [
        HeaderId::Via,
        HeaderId::From,
        HeaderId::Contact,
        HeaderId::ContentLength,
    ] {
        assert_eq!(response.header(id), None);
    }
    assert_eq!(response.body(), b"");
    let short = with(&[]);
    index.parse(INVITE.as_bytes(), &Limits::default()).unwrap();
    index.parse(&short, &Limits::default()).unwrap();
    Message::new(&short, &index).validate().unwrap();
}

#[test]
fn a_header_beyond_line_254_is_found() {
    let many = "X-a: y\r\n".repeat(300);
    let raw = format!(
        "OPTIONS sip:a@b SIP/2.0\r\n{many}Route: <sip:r1>\r\nRoute: <sip:r2>\r\nPath: <sip:p>\r\n\r\n"
    );
    let mut index = Index::default();
    index
        .parse(
            raw.as_bytes(),
            &Limits {
                headers: 400,
                ..Limits::default()
            },
        )
        .unwrap();
    let message = Message::new(raw.as_bytes(), &index);
    assert_eq!(message.addresses(HeaderId::Route).count(), 2);
    assert_eq!(message.header(HeaderId::Path).unwrap().value, b"<sip:p>");
    assert_eq!(message.all(HeaderId::Other).count(), 300);
}

#[test]
fn credentials_are_read_one_a_line() {
    let raw = with(&[
        "Proxy-Authorization: Digest realm=\"a, b\", nonce=\"1\"",
        "Proxy-Authorization: Digest realm=\"c\"",
    ]);
    let index = index(&raw);
    let message = Message::new(&raw, &index);
    let realms: Vec<_> = message
        .credentials(HeaderId::ProxyAuthorization)
        .map(|digest| digest.unwrap().get("realm").unwrap().into_owned())
        .collect();
    assert_eq!(realms, [&b"a, b"[..], b"c"]);
}
