//! P1: messages after RFC 4475 (the section is in each test's name or comment) and RFC 5118. What is
//! valid there is read, what is invalid there is refused.

use sigbox_wire::{HeaderId, Message, Method, Reason, Scheme};

use super::{index, reason, verdict, with};

/// Lines joined with CRLF, and the empty line after them.
fn lines(lines: &[&str]) -> Vec<u8> {
    format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes()
}

#[test]
fn p1_3_1_1_1_a_short_tortuous_invite() {
    let raw = [
        lines(&[
            "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0",
            "TO :",
            " sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n",
            "from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>",
            "  ;",
            "  tag = 98asjd8",
            "MaX-fOrWaRdS: 0068",
            "Call-ID: wsinv.ndaksdj@192.0.2.1",
            "Content-Length   : 5",
            "cseq: 0009",
            "  INVITE",
            "Via  : SIP  /   2.0",
            " /UDP",
            "    192.0.2.2;branch=390skdjuw",
            "s :",
            "NewFangledHeader:   newfangled value",
            " continued newfangled value",
            "UnknownHeaderWithUnusualValue: ;;,,;;,;",
            "Content-Type: application/sdp",
            "Route:",
            " <sip:services.example.com;lr;unknownwith=value;unknown-no-value>",
            "v:  SIP  / 2.0  / TCP     spindle.example.com   ;",
            "  branch  =   z9hG4bK9ikj8  ,",
            " SIP  /    2.0   / UDP  192.168.255.111   ; branch=",
            " z9hG4bK30239",
            "m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =",
            "      newvalue ;",
            "  secondparam ; q = 0.33",
        ]),
        b"v=0\r\n".to_vec(),
    ]
    .concat();
    let index = index(&raw);
    let invite = Message::new(&raw, &index);
    invite.validate().unwrap();
    assert_eq!(invite.to().unwrap().tag(), Some(&b"1918181833n"[..]));
    let from = invite.from().unwrap();
    assert_eq!(
        from.display_unquoted().as_deref(),
        Some(&b"J Rosenberg \\\""[..])
    );
    assert_eq!(from.tag(), Some(&b"98asjd8"[..]));
    assert_eq!(invite.max_forwards(), Ok(Some(68)));
    assert_eq!(invite.cseq().unwrap().number, 9);
    let vias: Vec<_> = invite.vias().map(Result::unwrap).collect();
    assert_eq!(vias.len(), 3);
    assert_eq!(vias[0].branch(), Some(&b"390skdjuw"[..]));
    assert_eq!(
        (vias[1].transport, vias[1].host),
        (&b"TCP"[..], &b"spindle.example.com"[..])
    );
    assert_eq!(vias[2].branch(), Some(&b"z9hG4bK30239"[..]));
    assert_eq!(invite.header(HeaderId::Subject).unwrap().value, b"");
    let contact = invite.addresses(HeaderId::Contact).next().unwrap().unwrap();
    assert_eq!(
        contact.display_unquoted().as_deref(),
        Some(&b"Quoted string \"\""[..])
    );
    assert_eq!(contact.params.value("q"), Some(&b"0.33"[..]));
    assert_eq!(contact.params.value("newparam"), Some(&b"newvalue"[..]));
    assert_eq!(
        invite
            .addresses(HeaderId::Route)
            .filter(Result::is_ok)
            .count(),
        1
    );
    assert_eq!(invite.body(), b"v=0\r\n");
}

#[test]
fn p1_3_1_1_2_a_wide_range_of_valid_characters() {
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    let user = "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.\
                (doesn't-it)@example.com";
    let raw = lines(&[
        &format!("{method} {user} SIP/2.0"),
        "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~",
        &format!("To: \"BEL:\\\x07 NUL:\\\0 DEL:\\\x7f\" <{user}>"),
        "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>\
         ;fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.",
        "Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
        &format!("CSeq: 139122385 {method}"),
        "Max-Forwards: 255",
        "extensionHeader-!.%*+_`'~:\u{feff}大停電",
    ]);
    let index = index(&raw);
    let request = Message::new(&raw, &index);
    request.validate().unwrap();
    assert_eq!(request.method(), Method::Other(method.as_bytes()));
    let display = request
        .to()
        .unwrap()
        .display_unquoted()
        .unwrap()
        .into_owned();
    assert_eq!(display, b"BEL:\x07 NUL:\0 DEL:\x7f");
    assert_eq!(
        request.from().unwrap().tag(),
        Some(&b"_token~1'+`*%!-."[..])
    );
    assert_eq!(
        request.uri().unwrap().password,
        Some(&b"&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"[..])
    );
}

#[test]
fn p1_3_1_1_3_to_5_escapes_are_kept_as_they_are() {
    let raw = with(&[
        "To: sip:%75se%72@example.com",
        "From: \"%Z%45\" <sip:resource@example.com>;tag=f232jadfj23",
        "Contact: <sip:null-%00-%00@host5.example.com>",
        "C%6Fntact: <sip:alias2@host2.example.com>",
    ]);
    let index = index(&raw);
    let request = Message::new(&raw, &index);
    request.validate().unwrap();
    let to = request.to().unwrap().parsed_uri().unwrap();
    assert_eq!(to.user, Some(&b"%75se%72"[..]));
    assert!(to.same_as(&sigbox_wire::Uri::parse(b"sip:user@example.com").unwrap()));
    assert_eq!(
        request.from().unwrap().display_unquoted().as_deref(),
        Some(&b"%Z%45"[..])
    );
    assert_eq!(request.addresses(HeaderId::Contact).count(), 1);
    let escaped = b"RE%47IST%45R sip:registrar.example.com SIP/2.0\r\n\r\n";
    let index = super::index(escaped);
    assert_eq!(
        Message::new(escaped, &index).method(),
        Method::Other(b"RE%47IST%45R")
    );
}

#[test]
fn p1_3_1_1_6_to_9_odd_but_valid() {
    for line in [
        // No space before the bracket, a long value, a semicolon in the user, many transports.
        "From: caller<sip:caller@example.com>;tag=323",
        &format!(
            "Via: SIP/2.0/TCP sip33.example.com;branch=z9hG4bK{}",
            "a".repeat(600)
        ),
        "To: sip:user;par=u%40example.net@example.com",
        "Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKkdjuw",
        "Call-ID: a@b@c<d>",
    ] {
        assert_eq!(verdict(&with(&[line])), Ok(()), "{line}");
    }
}

#[test]
fn p1_3_1_1_7_two_requests_in_one_datagram_are_one() {
    let first = with(&["Content-Length: 0"]);
    let both = [&first[..], &with(&["Call-ID: second"])].concat();
    let index = index(&both);
    let message = Message::new(&both, &index);
    assert_eq!(message.raw(), &first[..]);
}

#[test]
fn p1_3_1_2_1_extraneous_separators() {
    let via = "Via: SIP/2.0/UDP 192.0.2.15;;,;,,";
    assert_eq!(reason(&with(&[via])), Some(Reason::Param));
    let raw = with(&["Contact: \"Joe\" <sip:joe@example.org>;;;;"]);
    let index = index(&raw);
    let mut contacts = Message::new(&raw, &index).addresses(HeaderId::Contact);
    assert_eq!(contacts.next().unwrap().unwrap_err().reason, Reason::Param);
}

#[test]
fn p1_3_1_2_2_to_5_numbers_that_do_not_fit() {
    for (line, expected) in [
        ("Content-Length: 9999", Reason::ContentLength),
        ("Content-Length: -999", Reason::ContentLength),
        ("CSeq: 36893488147419103232 OPTIONS", Reason::CSeq),
        ("Max-Forwards: 300", Reason::MaxForwards),
    ] {
        assert_eq!(reason(&with(&[line])), Some(expected), "{line}");
    }
    let raw = with(&["Expires: 10000000000000000000000000000000000000000000000000000000000000"]);
    let index = index(&raw);
    assert_eq!(
        Message::new(&raw, &index).expires().unwrap_err().reason,
        Reason::Number
    );
}

#[test]
fn p1_3_1_2_6_unterminated_quotes() {
    let to = "To: \"Mr. J. User <sip:j.user@example.com>";
    assert_eq!(reason(&with(&[to])), Some(Reason::Quote));
}

#[test]
fn p1_3_1_2_7_to_10_request_lines() {
    for (uri, expected) in [
        ("<sip:user@example.com>", Reason::Uri),
        ("sip:user@example.com; lr", Reason::StartLine),
        (" sip:user@example.com", Reason::StartLine),
        ("sip:user@example.com ", Reason::StartLine),
    ] {
        let raw = String::from_utf8(with(&[])).unwrap();
        let raw = raw.replacen("sip:bob@example.com", uri, 1);
        assert_eq!(reason(raw.as_bytes()), Some(expected), "{uri}");
    }
}

#[test]
fn p1_3_1_2_11_headers_in_a_request_uri_are_refused() {
    let raw = String::from_utf8(with(&[])).unwrap();
    let raw = raw.replacen(
        "sip:bob@example.com",
        "sip:bob@example.com?Route=%3Csip:example.com%3E",
        1,
    );
    let index = index(raw.as_bytes());
    let request = Message::new(raw.as_bytes(), &index);
    let uri = request.uri().unwrap();
    assert_eq!(uri.headers, Some(&b"Route=%3Csip:example.com%3E"[..]));
    let fault = request.validate().unwrap_err();
    assert_eq!(fault.reason, Reason::Uri);
    assert_eq!(Some(fault.at), raw.find("Route="));
}

#[test]
fn p1_3_1_2_16_to_19_versions_methods_and_statuses() {
    let request = String::from_utf8(with(&[])).unwrap();
    let version = request.replacen("SIP/2.0\r\nVia: SIP/2.0", "SIP/7.0\r\nVia: SIP/7.0", 1);
    assert_eq!(reason(version.as_bytes()), Some(Reason::Version));
    assert_eq!(reason(&with(&["CSeq: 8 INVITE"])), Some(Reason::CSeqMethod));
    let unknown = request.replacen("OPTIONS", "NEWMETHOD", 1);
    assert_eq!(reason(unknown.as_bytes()), Some(Reason::CSeqMethod));
    assert_eq!(
        verdict(unknown.replace("1 OPTIONS", "1 NEWMETHOD").as_bytes()),
        Ok(())
    );
    let status = "SIP/2.0 4294967301 better not break the receiver\r\n\r\n";
    assert_eq!(reason(status.as_bytes()), Some(Reason::Status));
}

#[test]
fn p1_3_3_unknown_schemes_and_elements_pass() {
    let request = String::from_utf8(with(&[])).unwrap();
    for uri in [
        "nobodyKnowsThisScheme:totallyopaquecontent",
        "soap.beep://192.0.2.103:3002",
    ] {
        let raw = request.replace("sip:bob@example.com", uri);
        let index = index(raw.as_bytes());
        let message = Message::new(raw.as_bytes(), &index);
        message.validate().unwrap();
        assert!(matches!(message.uri().unwrap().scheme, Scheme::Other(_)));
    }
    assert_eq!(
        verdict(&with(&[
            "From: isbn:2983792873;tag=1",
            "To: <http://www.example.com>"
        ])),
        Ok(())
    );
    assert_eq!(
        verdict(&with(&[
            "Authorization: NoOneKnowsThisScheme opaque-data=here"
        ])),
        Ok(())
    );
}

#[test]
fn p1_3_3_8_to_10_single_headers_twice() {
    let raw = with(&[
        "Call-ID: multi01.98asdh@192.0.2.1",
        "Call-ID: multi01.98asdh@192.0.2.2",
    ]);
    assert_eq!(reason(&raw), Some(Reason::Duplicate));
    let raw = with(&["Content-Length: 0", "Content-Length: 10"]);
    assert_eq!(reason(&raw), Some(Reason::Duplicate));
}

#[test]
fn p1_3_4_1_a_request_of_rfc_2543() {
    let raw = lines(&[
        "INVITE sip:UserB@example.com SIP/2.0",
        "Via: SIP/2.0/UDP iftgw.example.com",
        "From: <sip:+13035551111@ift.client.example.net;user=phone>",
        "Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>",
        "To: sip:+16505552222@ss1.example.net;user=phone",
        "Call-ID: inv2543.1717@ift.client.example.com",
        "CSeq: 56 INVITE",
    ]);
    assert_eq!(verdict(&raw), Ok(()));
}

#[test]
fn p1_rfc_5118_ipv6() {
    let valid = with(&[
        "Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111",
        "From: <sip:user@[2001:db8::9:1]>;tag=1",
        "Contact: <sip:caller@[2001:db8::20]:5070>",
    ]);
    assert_eq!(verdict(&valid), Ok(()));
    let request = String::from_utf8(with(&[])).unwrap();
    for (uri, expected) in [
        ("sip:2001:db8::10", Some(Reason::Host)),
        ("sip:[2001:db8::10", Some(Reason::Uri)),
        // §4.3: a port inside the brackets is one more group of the address.
        ("sip:[2001:db8::10:5070]", None),
        // §4.10: what the grammar of RFC 3261 has by mistake, and what it means.
        ("sip:user@[2001:db8:::192.0.2.1]", None),
        ("sip:user@[2001:db8::192.0.2.1]", None),
    ] {
        let raw = request.replacen("sip:bob@example.com", uri, 1);
        assert_eq!(reason(raw.as_bytes()), expected, "{uri}");
    }
}
