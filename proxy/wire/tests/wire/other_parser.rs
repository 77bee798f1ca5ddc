//! The same values to another parser, written by others: `ezk-sip-types`. Both read them alike.
//!
//! Only what both take is generated: that one refuses escapes that are no UTF-8, and much that RFC 4475 has.

use ezk_sip_types::header::typed::{CSeq, FromTo, Via as OtherVia};
use ezk_sip_types::host::{Host as OtherHost, HostPort};
use ezk_sip_types::msg::{Line, MessageLine, PullParser};
use ezk_sip_types::uri::{SipUri, SipUriUserPart};
use ezk_sip_types::{Headers, Name};
use proptest::prelude::*;
use sigbox_wire::{Host, Index, Limits, Message, NameAddr, Scheme, Uri, Via};

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9]{0,5}(\\.[a-z][a-z0-9-]{0,3}[a-z0-9]){0,3}",
        any::<[u8; 4]>().prop_map(|ip| std::net::Ipv4Addr::from(ip).to_string()),
        any::<[u16; 8]>().prop_map(|ip| format!("[{}]", std::net::Ipv6Addr::from(ip))),
    ]
}

fn uri() -> impl Strategy<Value = String> {
    let user = "([a-zA-Z0-9_.!~*'()&=+$,/-]|%[2-7][0-9A-E]){1,12}(:[a-z0-9]{1,4})?@";
    let params = "(;(lr|transport=(udp|tcp)|user=phone|[a-z]{1,6}(=[a-z0-9+-]{1,6})?)){0,3}";
    let user = prop_oneof![Just(String::new()), user];
    let port = prop_oneof![
        Just(String::new()),
        (1..=u16::MAX).prop_map(|port| format!(":{port}"))
    ];
    ("(sip|sips)", user, host(), port, params).prop_map(|(scheme, user, host, port, params)| {
        format!("{scheme}:{user}{host}{port}{params}")
    })
}

fn name_addr() -> impl Strategy<Value = String> {
    let display = prop_oneof![
        Just(String::new()),
        "[A-Za-z0-9.]{1,6}( [A-Za-z0-9]{1,6}){0,2} ",
        "\"[a-zA-Z<>,;:@ ]{1,12}\" ",
    ];
    let params = "(;[a-z]{4,6}(=[a-z0-9]{1,6})?){0,2}";
    (display, uri(), "[a-zA-Z0-9.-]{1,10}", params)
        .prop_map(|(display, uri, tag, params)| format!("{display}<{uri}>;tag={tag}{params}"))
}

fn same_host(ours: Host<'_>, other: &OtherHost) -> bool {
    match (ours, other) {
        (Host::V4(ours), OtherHost::IP4(other)) => ours == *other,
        (Host::V6(ours), OtherHost::IP6(other)) => ours == *other,
        (Host::Name(ours), OtherHost::Name(other)) => ours == other.as_bytes(),
        _ => false,
    }
}

fn same_uri(ours: &Uri<'_>, other: &SipUri) -> Result<(), TestCaseError> {
    prop_assert_eq!(ours.scheme == Scheme::Sips, other.sips);
    let (user, password) = match &other.user_part {
        SipUriUserPart::Empty => (None, None),
        SipUriUserPart::User(user) => (Some(user.as_bytes()), None),
        SipUriUserPart::UserPw(both) => {
            (Some(both.user.as_bytes()), Some(both.password.as_bytes()))
        }
    };
    // Theirs are unescaped.
    let plain = |text: Option<&[u8]>| text.map(|text| Uri::unescape(text).into_owned());
    prop_assert_eq!(plain(ours.user), user.map(<[u8]>::to_vec));
    prop_assert_eq!(plain(ours.password), password.map(<[u8]>::to_vec));
    let HostPort { host, port } = &other.host_port;
    prop_assert!(
        ours.host.is_some_and(|ours| same_host(ours, host)),
        "{:?} {:?}",
        ours.host,
        host
    );
    prop_assert_eq!(ours.port, *port);
    for name in ["lr", "transport", "user"] {
        let other = other
            .uri_params
            .get(name)
            .map(|param| param.value.as_ref().map(|value| value.as_bytes()));
        prop_assert_eq!(ours.param(name), other, "{}", name);
    }
    Ok(())
}

/// Reads a header value as the other parser does.
macro_rules! read_by_other {
    ($name:expr, $value:expr, $header:ty) => {{
        let mut headers = Headers::new();
        headers.insert($name, $value);
        headers.get::<$header>($name)
    }};
}

proptest! {
    #[test]
    fn uris_are_read_alike(text in uri()) {
        let ours = Uri::parse(text.as_bytes());
        let other = text.parse::<SipUri>();
        prop_assert!(other.is_ok(), "{}: {:?}", text, other);
        same_uri(ours.as_ref().unwrap(), &other.unwrap())?;
        prop_assert!(ours.is_ok(), "{}: {:?}", text, ours);
    }

    #[test]
    fn addresses_are_read_alike(text in name_addr()) {
        let ours = NameAddr::parse(text.as_bytes());
        prop_assert!(ours.is_ok(), "{}: {:?}", text, ours);
        let other = read_by_other!(Name::FROM, text.as_str(), FromTo);
        prop_assert!(other.is_ok(), "{}: {:?}", text, other);
        let (Ok(ours), Ok(other)) = (ours, other) else {
            return Ok(());
        };
        prop_assert_eq!(ours.tag(), other.tag.as_ref().map(|tag| tag.as_bytes()));
        let display = ours.display_unquoted().map(|display| display.into_owned());
        let others = other.uri.name.as_ref().map(|name| name.as_bytes());
        // Theirs trims what is in quotes.
        let trimmed = display.as_ref().map(|display| display.trim_ascii());
        prop_assert_eq!(trimmed.filter(|text| !text.is_empty()), others.filter(|text| !text.is_empty()));
        same_uri(&ours.parsed_uri().unwrap(), &other.uri.uri)?;
    }

    #[test]
    fn vias_are_read_alike(
        transport in "(UDP|TCP|TLS|WS)",
        host in host(),
        port in proptest::option::of(1..=u16::MAX),
        branch in "z9hG4bK[a-zA-Z0-9.-]{1,20}",
        params in "(;rport|;received=192\\.0\\.2\\.1|;ttl=5|;x=[a-z]{1,4}){0,3}",
    ) {
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        let text = format!("SIP/2.0/{transport} {host}{port};branch={branch}{params}");
        let ours = Via::parse(text.as_bytes());
        prop_assert!(ours.is_ok(), "{}: {:?}", text, ours);
        let other = read_by_other!(Name::VIA, text.as_str(), OtherVia);
        prop_assert!(other.is_ok(), "{}: {:?}", text, other);
        if let (Ok(ours), Ok(other)) = (ours, other) {
            prop_assert_eq!(ours.branch(), other.params.get_val("branch").map(|value| value.as_bytes()));
            prop_assert_eq!(ours.port, other.sent_by.port);
            prop_assert_eq!(transport.as_bytes(), other.transport.as_bytes());
            let others = other.sent_by.host.to_string();
            prop_assert_eq!(String::from_utf8_lossy(ours.host).to_ascii_lowercase(), others);
        }
    }

    #[test]
    fn heads_are_read_alike(
        method in "(INVITE|REGISTER|OPTIONS|MESSAGE|X[A-Z]{1,6})",
        uri in uri(),
        from in name_addr(),
        number in any::<u32>().prop_map(|number| number >> 1),
        others in proptest::collection::vec("(Subject|X-[a-z]{1,8}):  ?[!-~]{1,10}(( |\r\n )[!-~]{1,10}){0,2}", 0..8),
        body in "[a-z\r\n]{0,20}",
    ) {
        let mut lines = vec![
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa".to_owned(),
            format!("From: {from}"),
            "To: <sip:b@c>".to_owned(),
            "Call-ID: 1@a".to_owned(),
            format!("CSeq: {number} {method}"),
        ];
        lines.extend(others);
        let text = format!("{method} {uri} SIP/2.0\r\n{}\r\n\r\n{body}", lines.join("\r\n"));
        let mut index = Index::default();
        prop_assert_eq!(index.parse(text.as_bytes(), &Limits::default()), Ok(()));
        let ours = Message::new(text.as_bytes(), &index);

        // Its lines must lie in the buffer that it keeps.
        let source = bytes::Bytes::copy_from_slice(text.as_bytes());
        let mut parser = PullParser::new(&source, 0);
        let head = parser.by_ref().map(|line| line.unwrap()).collect::<Vec<_>>();
        let (first, headers) = head.split_first().unwrap();
        let first = std::str::from_utf8(first).unwrap();
        if let Ok(MessageLine::Request(other)) = first.parse() {
            let name = other.method.to_string();
            prop_assert_eq!(ours.method().as_bytes(), name.as_bytes());
            same_uri(&ours.uri().unwrap(), &other.uri)?;
        }
        prop_assert_eq!(ours.headers().count(), headers.len());
        for (ours, line) in ours.headers().zip(headers) {
            let line = std::str::from_utf8(line).unwrap();
            let (_, other) = Line::parse(&source, line).unwrap();
            prop_assert_eq!(ours.value, other.value.trim().as_bytes());
        }
        let cseq = read_by_other!(Name::CSEQ, format!("{number} {method}").as_str(), CSeq);
        if let Ok(other) = cseq {
            prop_assert_eq!(ours.cseq().unwrap().number, other.cseq);
        }
        prop_assert_eq!(ours.body(), body.as_bytes());
        prop_assert_eq!(parser.head_end(), text.len() - body.len());
    }
}
