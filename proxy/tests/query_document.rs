//! The query that leaves the proxy is the document the contract describes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::sync::Arc;
use std::time::Duration;

use sigbox::decision::{QueryOptions, write_query};
use sigbox_contracts::{Class, Query};
use sigbox_core::{
    Core, Counters, DecisionSettings, Flow, Input, Instant, Listener, ListenerId, Output, Outputs,
    Settings, Transport,
};

fn settings() -> Settings {
    Settings {
        listeners: vec![Listener::new(
            Transport::Udp,
            "192.0.2.1:5060".parse().unwrap(),
            None,
        )],
        decision: DecisionSettings {
            budget: Duration::from_millis(200),
            ..Default::default()
        },
        ..Settings::default()
    }
}

fn options() -> QueryOptions {
    QueryOptions {
        node: "edge-1".into(),
        headers: vec![
            "p-asserted-identity".into(),
            "x-absent".into(),
            "subject".into(),
        ],
        body: true,
        max_bytes: QueryOptions::MAX_BYTES,
    }
}

/// The document that is written about `request`, which must be one that is asked about.
fn document(request: &[u8], options: &QueryOptions) -> Vec<u8> {
    let settings = Arc::new(settings());
    let counters = Arc::new(Counters::default());
    let mut core = Core::new(settings.clone(), 0, [7; 16], 1_700_000_000_000, counters);
    let mut out = Outputs::new();
    let flow = Flow {
        transport: Transport::Udp,
        listener: ListenerId(0),
        connection: None,
        peer: "192.0.2.10:5071".parse().unwrap(),
    };
    let now = Instant::from_micros(5);
    core.handle(
        now,
        Input::Message {
            flow,
            bytes: request,
        },
        &mut out,
    );
    let asked = out.items().iter().find_map(|output| match output {
        Output::Query { token } => Some(*token),
        _ => None,
    });
    let token = asked.unwrap_or_else(|| panic!("nobody was asked: {out:?}"));
    let suspended = core.suspended(now, token).unwrap();
    let mut written = b"left over".to_vec();
    write_query(&suspended, &settings.listeners[0], options, &mut written).unwrap();
    written
}

fn query(request: &[u8], options: &QueryOptions) -> Query {
    let document = document(request, options);
    let json: serde_json::Value = serde_json::from_slice(&document).unwrap();
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let schema = package + "/../contracts/schema/query.json";
    let schema = serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
    let faults: Vec<_> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&json)
        .map(|fault| fault.to_string())
        .collect();
    assert!(faults.is_empty(), "{faults:?} in {json:#}");
    assert!(!json.to_string().contains("null"), "{json:#}");
    Query::parse(&document).unwrap()
}

fn invite(extra: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "INVITE sip:%2B4930123;phone-context=x@Example.COM:5062;User=phone;lr SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.10:5071;branch=z9hG4bKa;rport\r\n\
         Max-Forwards: 70\r\n\
         f: \"Alice \\\"A\\\" L\" <sip:alice@example.com>;tag=1928;x-extra=\"q v\"\r\n\
         To: <tel:+4930123>\r\n\
         Call-ID: a84b4c76e66710@pc33\r\n\
         CSeq: 314159 INVITE\r\n\
         m: <sip:alice@192.0.2.10:5071>;q=0.5, <sips:alice@192.0.2.11>\r\n\
         User-Agent: phone/1\r\n\
         Content-Type: Application/SDP ; x=y\r\n\
         {extra}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn a_query_says_what_the_request_says() {
    let extra = "P-Asserted-Identity: <sip:a@b>\r\nSubject: one\r\n\ttwo\r\nX-Private: no\r\n\
                 P-Asserted-Identity: tel:+4930\r\n";
    let query = query(&invite(extra, b"v=0\r\n"), &options());
    assert_eq!(
        (query.version.as_str(), query.event.as_str()),
        ("1.0", "sip-routing")
    );
    assert_eq!(
        (query.node.as_str(), query.tenant.as_str()),
        ("edge-1", "default")
    );
    assert_eq!(
        (query.class, query.attempt, query.budget_ms),
        (Class::Invite, 1, 200)
    );
    assert_eq!(query.id.len(), 36);
    assert_eq!(
        (query.source.ip.to_string().as_str(), query.source.port),
        ("192.0.2.10", 5071)
    );
    assert_eq!(
        (query.local.ip.to_string().as_str(), query.local.port),
        ("192.0.2.1", 5060)
    );
    assert_eq!(
        (query.method.as_str(), query.cseq, query.max_forwards),
        ("INVITE", 314_159, 69)
    );
    assert_eq!(query.call_id, "a84b4c76e66710@pc33");
    assert_eq!(query.user_agent.as_deref(), Some("phone/1"));

    let uri = &query.request_uri;
    assert_eq!(
        uri.text,
        "sip:%2B4930123;phone-context=x@Example.COM:5062;User=phone;lr"
    );
    assert_eq!(
        (uri.scheme.as_str(), uri.host.as_deref()),
        ("sip", Some("example.com"))
    );
    assert_eq!(
        (uri.user.as_deref(), uri.port),
        (Some("+4930123;phone-context=x"), Some(5062))
    );
    assert_eq!(uri.params["user"], "phone");
    assert_eq!(uri.params["lr"], "");

    assert_eq!(query.from.display.as_deref(), Some("Alice \"A\" L"));
    assert_eq!(query.from.tag.as_deref(), Some("1928"));
    assert_eq!(query.from.params.len(), 1, "{:?}", query.from.params);
    assert_eq!(query.from.params["x-extra"], "q v");
    assert_eq!(
        (query.to.uri.scheme.as_str(), query.to.uri.host.as_deref()),
        ("tel", None)
    );
    assert_eq!(query.to.uri.user.as_deref(), Some("+4930123"));
    assert_eq!(query.contact.len(), 2);
    assert_eq!(query.contact[0].params["q"], "0.5");
    assert_eq!(query.contact[1].uri.scheme, "sips");

    assert_eq!(
        query.headers["p-asserted-identity"],
        ["<sip:a@b>", "tel:+4930"]
    );
    assert_eq!(query.headers["subject"], ["one two"]);
    assert_eq!(
        query.headers.len(),
        2,
        "only what is configured, and only what is there"
    );
    let body = query.body.unwrap();
    assert_eq!(
        (body.content_type.as_str(), body.text.as_str()),
        ("application/sdp", "v=0\r\n")
    );
    assert!(!body.truncated && query.cut.is_empty() && query.tried.is_empty());
}

#[test]
fn headers_and_bodies_stay_unless_they_are_configured() {
    let options = QueryOptions {
        headers: Vec::new(),
        body: false,
        ..options()
    };
    let query = query(&invite("Subject: secret\r\n", b"v=0\r\n"), &options);
    assert!(query.headers.is_empty() && query.body.is_none() && query.cut.is_empty());
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let mut request = invite("Subject: caf\u{e9} X\r\n", b"\xff\xfe\x00");
    let at = request
        .windows(2)
        .position(|pair| pair == "\u{e9}".as_bytes())
        .unwrap();
    request[at] = 0xff;
    let query = query(&request, &options());
    assert!(
        query.headers["subject"][0].contains('\u{fffd}'),
        "{:?}",
        query.headers
    );
    assert_eq!(query.body.unwrap().text, "\u{fffd}\u{fffd}\u{0}");
}

#[test]
fn what_does_not_fit_is_cut_and_named() {
    let body = vec![b'\n'; 40_000];
    let extra = format!("Subject: {}\r\n", "s".repeat(3_000));
    let request = invite(&extra, &body);

    let long = query(&request, &options());
    let shown = long.body.unwrap();
    assert_eq!(long.cut, ["body"]);
    assert!(
        shown.truncated && shown.text.len() > 10_000,
        "{}",
        shown.text.len()
    );
    assert!(document(&request, &options()).len() <= QueryOptions::MAX_BYTES);

    let small = QueryOptions {
        max_bytes: 2_500,
        ..options()
    };
    let cut = query(&request, &small);
    assert_eq!(cut.cut, ["body", "headers"]);
    assert_eq!(cut.user_agent.as_deref(), Some("phone/1"));
    assert!(document(&request, &small).len() <= 2_500);
}

#[test]
fn a_query_fits_whatever_the_request_holds() {
    let long = "\u{fc}".repeat(1_000);
    let params: String = (0..80)
        .map(|i| format!(";p{i}={}", "v".repeat(8)))
        .collect();
    let request = format!(
        "INVITE sip:{user}@example.com{params} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.10:5071;branch=z9hG4bKa\r\n\
         From: \"{long}\" <sip:{user}@example.com{params}>;tag={user}{params}\r\n\
         To: \"{long}\" <sip:{user}@example.com{params}>{params}\r\n\
         Call-ID: {user}\r\nCSeq: 1 INVITE\r\nUser-Agent: {long}\r\n\
         Contact: <sip:{user}@example.com>\r\nContent-Length: 0\r\n\r\n",
        user = "u".repeat(1_000),
    );
    let small = QueryOptions {
        max_bytes: 8 * 1024,
        ..options()
    };
    let cut = query(request.as_bytes(), &small);
    assert!(cut.cut.contains(&"from".to_owned()), "{:?}", cut.cut);
    assert_eq!(cut.call_id.len(), 512);
    assert!(document(request.as_bytes(), &small).len() <= 8 * 1024);
}
