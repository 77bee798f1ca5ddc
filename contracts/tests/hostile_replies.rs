//! Replies nobody wrote with good intentions (D5): refused as a whole, or harmless.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sigbox_contracts::decision::{HeaderEdits, NameAddr};
use sigbox_contracts::{Decision, Event, InvalidReason, Limits, Query};

fn reason(reply: &[u8]) -> Option<InvalidReason> {
    Decision::parse(reply, &Limits::default())
        .err()
        .map(|invalid| invalid.reason)
}

#[test]
fn a_large_reply_is_refused_unread_d5() {
    assert_eq!(reason(&vec![b'['; 1 << 20]), Some(InvalidReason::TooLarge));
    let mut padded = br#"{"action":"pass"}"#.to_vec();
    padded.resize(65_536, b' ');
    assert_eq!(reason(&padded), None);
    padded.push(b' ');
    assert_eq!(reason(&padded), Some(InvalidReason::TooLarge));
}

#[test]
fn a_thousand_routes_are_refused_d5() {
    let routes = vec![json!({ "uri": "sip:c@192.0.2.20" }); 1_000];
    let reply = json!({ "action": "route", "routes": routes }).to_string();
    assert_eq!(reason(reply.as_bytes()), Some(InvalidReason::TooManyRoutes));
    let limits = Limits {
        max_routes: 1_000,
        ..Limits::default()
    };
    assert!(Decision::parse(reply.as_bytes(), &limits).is_ok());
}

#[test]
fn nesting_does_not_use_the_stack_up_d5() {
    for open in ["[", "{\"a\":"] {
        let deep = open.repeat(10_000);
        assert!(reason(deep.as_bytes()).is_some());
        assert!(reason(format!("{{\"routes\":{deep}").as_bytes()).is_some());
        assert!(reason(format!("{{\"unknown\":{deep}").as_bytes()).is_some());
        assert!(reason(format!("{{\"rtjson\":{deep}").as_bytes()).is_some());
        assert!(Query::parse(deep.as_bytes()).is_err());
        assert!(Event::parse(deep.as_bytes()).is_err());
    }
}

#[test]
fn a_field_that_is_there_twice_is_refused() {
    for reply in [
        r#"{"action":"reject","status":404,"status":603}"#,
        r#"{"routes":[{"uri":"sip:a"}],"Routes":[{"uri":"sip:b"}]}"#,
        r#"{"routes":[{"uri":"sip:a","\u0055ri":"sip:b"}]}"#,
    ] {
        assert_eq!(
            reason(reply.as_bytes()),
            Some(InvalidReason::DuplicateField),
            "{reply}"
        );
    }
}

/// Text a header must not hold, and text it may.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec![
            "", "sip:c@192.0.2.20", "tel:+4930", "X-A: b\r\n", "X-Account", "Via", "a\r\nX: y", "\n", "\0",
            "udp:192.0.2.1:5060", "\u{2028}", "sip:c@h\r", "X-A: b\r\n\r\n", "a: b\nc: d", "i",
        ])
        .prop_map(str::to_owned),
        1 => ".*",
        1 => "[a-zA-Z:@. \r\n\t-]{0,12}",
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => (0_u64..700).prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

const KEYS: &[&str] = &[
    "version",
    "action",
    "routing",
    "routes",
    "failover",
    "requery",
    "status",
    "reason",
    "headers",
    "retry_after_ms",
    "contacts",
    "extend_ms",
    "reasons",
    "cache",
    "uri",
    "dst_uri",
    "path",
    "socket",
    "branch_flags",
    "fr_timer",
    "fr_inv_timer",
    "group",
    "gateways",
    "from",
    "to",
    "extra",
    "set",
    "remove",
    "display",
    "q",
    "expires",
    "key",
    "ttl_ms",
    "min",
    "max",
    "rtjson",
    "success",
];

/// Any JSON, with the contract's names in places they may not belong.
fn anything() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        9 => prop::sample::select(KEYS).prop_map(str::to_owned),
        1 => text(),
    ];
    scalar().prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|fields| Value::from(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn header_edits() -> impl Strategy<Value = HeaderEdits> {
    let name_addr = || {
        prop::option::of(
            (prop::option::of(text()), prop::option::of(text()))
                .prop_map(|(display, uri)| NameAddr { display, uri }),
        )
    };
    (
        name_addr(),
        name_addr(),
        prop::option::of(text()),
        prop::collection::btree_map(text(), text(), 0..2),
        prop::collection::vec(text(), 0..2),
    )
        .prop_map(|(from, to, extra, set, remove)| HeaderEdits {
            from,
            to,
            extra,
            set,
            remove,
        })
}

/// A document of the right shape whose texts are anything.
fn decision() -> impl Strategy<Value = Value> {
    let route = (
        header_edits(),
        prop::option::of(text()),
        prop::sample::select(&["uri", "dst_uri", "path", "socket"]),
    )
        .prop_map(|(headers, text, field)| {
            let mut route = json!({ "headers": headers });
            if let Some(text) = text {
                route[field] = text.into();
            }
            route
        });
    prop_oneof![
        prop::collection::vec(route, 1..3)
            .prop_map(|routes| json!({ "action": "route", "routes": routes })),
        (prop::option::of(text()), header_edits()).prop_map(|(reason, headers)| {
            let headers = HeaderEdits { extra: headers.extra, set: headers.set, ..HeaderEdits::default() };
            json!({ "action": "reject", "status": 404, "reason": reason, "headers": headers })
        }),
        (text(), prop::option::of(text())).prop_map(
            |(uri, reason)| json!({ "action": "redirect", "reason": reason, "contacts": [{ "uri": uri }] })
        ),
    ]
}

/// Every text of a decision that ends up within a line of a SIP message.
fn written(decision: &Decision) -> Vec<&str> {
    let mut texts: Vec<&str> = decision.reason.as_deref().into_iter().collect();
    texts.extend(decision.contacts.iter().map(|contact| contact.uri.as_str()));
    for route in &decision.routes {
        texts.extend(
            [&route.uri, &route.dst_uri, &route.path, &route.socket]
                .into_iter()
                .flatten()
                .map(String::as_str),
        );
    }
    for edits in decision
        .routes
        .iter()
        .map(|route| &route.headers)
        .chain([&decision.headers])
    {
        for name_addr in [&edits.from, &edits.to].into_iter().flatten() {
            texts.extend(
                [&name_addr.display, &name_addr.uri]
                    .into_iter()
                    .flatten()
                    .map(String::as_str),
            );
        }
        texts.extend(
            edits
                .set
                .iter()
                .flat_map(|(name, value)| [name.as_str(), value.as_str()]),
        );
        texts.extend(edits.remove.iter().map(String::as_str));
        if let Some(extra) = &edits.extra {
            let lines = extra.strip_suffix("\r\n").unwrap_or(extra);
            for line in lines.split("\r\n") {
                assert!(
                    line.contains(':') && !line.starts_with([' ', '\t', ':']),
                    "{line:?}"
                );
                texts.push(line);
            }
        }
    }
    texts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Decision::parse(&bytes, &Limits::default());
        let _ = Query::parse(&bytes);
        let _ = Event::parse(&bytes);
    }

    #[test]
    fn no_json_makes_a_reader_panic(document in anything()) {
        let bytes = document.to_string().into_bytes();
        if let Err(invalid) = Decision::parse(&bytes, &Limits::default()) {
            prop_assert!(!invalid.detail.chars().any(char::is_control));
        }
        let _ = Query::parse(&bytes);
        let _ = Event::parse(&bytes);
    }

    #[test]
    fn a_decision_that_is_taken_ends_no_line_d5(document in decision()) {
        if let Ok(decision) = Decision::parse(document.to_string().as_bytes(), &Limits::default()) {
            for text in written(&decision) {
                prop_assert!(!text.contains(['\r', '\n', '\0']), "{text:?} in {document}");
            }
        }
    }

    /// An unknown field is ignored, but makes the document one that few write.
    #[test]
    fn an_unusual_document_is_read_like_a_usual_one(document in prop_oneof![decision(), anything()]) {
        let plain = document.to_string();
        if let Some(fields) = plain.strip_prefix('{') {
            let comma = if fields == "}" { "" } else { "," };
            let unusual = format!("{{\"x-trace\":[]{comma}{fields}");
            let read = |text: &str| Decision::parse(text.as_bytes(), &Limits::default());
            prop_assert_eq!(read(&plain), read(&unusual), "{}", plain);
        }
    }

    #[test]
    fn letter_case_of_field_names_changes_nothing(document in decision(), upper in any::<u64>()) {
        fn shout(value: &Value, upper: u64, names: bool) -> Value {
            match value {
                Value::Array(items) => items.iter().map(|item| shout(item, upper, names)).collect(),
                Value::Object(fields) => fields
                    .iter()
                    .map(|(key, value)| {
                        let value = shout(value, upper, names && key != "set");
                        let spelled = key.char_indices().map(|(at, c)| {
                            if names && upper >> (at % 64) & 1 == 1 { c.to_ascii_uppercase() } else { c }
                        });
                        (spelled.collect::<String>(), value)
                    })
                    .collect::<Map<_, _>>()
                    .into(),
                other => other.clone(),
            }
        }
        let plain = Decision::parse(document.to_string().as_bytes(), &Limits::default());
        let shouted = shout(&document, upper, true).to_string();
        prop_assert_eq!(Decision::parse(shouted.as_bytes(), &Limits::default()), plain);
    }

    #[test]
    fn what_is_taken_is_taken_again_when_written(document in decision()) {
        if let Ok(decision) = Decision::parse(document.to_string().as_bytes(), &Limits::default()) {
            let written = serde_json::to_vec(&decision).unwrap();
            prop_assert_eq!(Decision::parse(&written, &Limits::default()), Ok(decision));
        }
    }
}
