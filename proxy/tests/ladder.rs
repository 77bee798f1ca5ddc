//! What a ladder looks like.

use std::net::SocketAddr;

use sigbox::phone::Terminal;
use sigbox::phone::ladder::{Ladder, Lane, Mark, Step};
use sigbox::phone::terminal::Tone;
use sigbox::phone::trace::{Direction, Trace};
use sigbox_contracts::Event;

const CALL_ID: &str = "c1@127.0.0.1";
const UNICODE: Terminal = Terminal {
    width: 100,
    unicode: true,
    colour: false,
};

fn port(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A decision event at 10 ms that took `took_ms`, with more fields as JSON.
#[expect(
    clippy::unwrap_used,
    reason = "the document is written two lines above"
)]
fn decision(took_ms: f64, more: &str) -> Event {
    let text = format!(
        r#"{{"version":"1.0","event":"decision","id":"i","node":"n","tenant":"default","class":"invite","call_id":"{CALL_ID}",
            "method":"INVITE","request_uri":"sip:1@x","attempt":1,"took_ms":{took_ms},"at":10.0,{more}}}"#
    );
    Event::parse(text.as_bytes()).unwrap()
}

fn message(start_line: &str, method: &str) -> Vec<u8> {
    format!(
        "{start_line}\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\n\
         Call-ID: {CALL_ID}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// The ladder of a call that a carrier refuses and a second one answers, with made-up times.
fn failover(events: &[Event]) -> Ladder {
    let trace = Trace::new();
    let caller = trace.join("caller", port(1));
    let first = trace.join("carrier-a", port(2));
    let second = trace.join("carrier-b", port(3));
    let sigbox = port(5060);
    for (phone, direction, start_line, method) in [
        (
            caller,
            Direction::Sent,
            "INVITE sip:+4930123@127.0.0.1:5060 SIP/2.0",
            "INVITE",
        ),
        (caller, Direction::Received, "SIP/2.0 100 Trying", "INVITE"),
        (
            first,
            Direction::Received,
            "INVITE sip:+4930123@a SIP/2.0",
            "INVITE",
        ),
        (
            first,
            Direction::Sent,
            "SIP/2.0 503 Service Unavailable",
            "INVITE",
        ),
        (
            first,
            Direction::Received,
            "ACK sip:+4930123@a SIP/2.0",
            "ACK",
        ),
        (
            second,
            Direction::Received,
            "INVITE sip:+4930123@b SIP/2.0",
            "INVITE",
        ),
        (second, Direction::Sent, "SIP/2.0 200 OK", "INVITE"),
        (second, Direction::Sent, "SIP/2.0 200 OK", "INVITE"),
        (caller, Direction::Received, "SIP/2.0 200 OK", "INVITE"),
    ] {
        trace.record(phone, direction, sigbox, &message(start_line, method));
    }
    let mut ladder = Ladder::of_call(&trace, CALL_ID, sigbox, events);
    // Real times differ from run to run: number the messages instead, and place the decision between the second
    // and the third.
    let mut count = 0.0;
    for step in &mut ladder.steps {
        if step.at > 100.0 {
            step.at = if count < 2.0 { count } else { count + 20.0 };
            count += 1.0;
        }
    }
    ladder.steps.sort_by(|a, b| a.at.total_cmp(&b.at));
    ladder
}

#[test]
fn a_call_that_fails_over_is_drawn_with_the_decider_beside_the_proxy() {
    let decided = decision(
        7.5,
        r#""outcome":"decided","action":"route","decider":"lcr-rust/0.1.0","reasons":["prefix 4930 -> carrier-a, carrier-b"]"#,
    );
    insta::assert_snapshot!(failover(&[decided]).draw(UNICODE), @r"
          caller                sigbox              decider            carrier-a           carrier-b
      ms    :1                   :5060          lcr-rust/0.1.0            :2                  :3
     0.0     │── INVITE +4930123 ─▶│                   │                   │                   │
     1.0     │◀─ 100 Trying ───────│                   │                   │                   │
     2.5     │                     │── query ─────────▶│                   │                   │
    10.0     │                     │◀─ route ──────────│                   │                   │
             │                     │   prefix 4930 -> carrier-a, carrier-b │                   │
    22.0     │                     │── INVITE +4930123 ┼──────────────────▶│                   │
    23.0     │                     │◀─ 503 Service Unavailable ────────────│                   │
    24.0     │                     │── ACK ────────────┼──────────────────▶│                   │
    25.0     │                     │── INVITE +4930123 ┼───────────────────┼──────────────────▶│
    26.0     │                     │◀─ 200 OK ─────────┼───────────────────┼───────────────────│
    27.0     │                     │◀─ 200 OK (again) ─┼───────────────────┼───────────────────│
    28.0     │◀─ 200 OK ───────────│                   │                   │                   │
    ");
}

#[test]
fn a_ladder_can_be_plain_ascii() {
    let decided = decision(
        7.5,
        r#""outcome":"decided","action":"route","reasons":["günstig"]"#,
    );
    insta::assert_snapshot!(failover(&[decided]).draw(Terminal { unicode: false, ..UNICODE }), @r"
          caller                sigbox              decider            carrier-a           carrier-b
      ms    :1                   :5060                                    :2                  :3
     0.0     |-- INVITE +4930123 ->|                   |                   |                   |
     1.0     |<- 100 Trying -------|                   |                   |                   |
     2.5     |                     |-- query --------->|                   |                   |
    10.0     |                     |<- route ----------|                   |                   |
             |                     |   g?nstig         |                   |                   |
    22.0     |                     |-- INVITE +4930123 +------------------>|                   |
    23.0     |                     |<- 503 Service Unavailable ------------|                   |
    24.0     |                     |-- ACK ------------+------------------>|                   |
    25.0     |                     |-- INVITE +4930123 +-------------------+------------------>|
    26.0     |                     |<- 200 OK ---------+-------------------+-------------------|
    27.0     |                     |<- 200 OK (again) -+-------------------+-------------------|
    28.0     |<- 200 OK -----------|                   |                   |                   |
    ");
}

#[test]
fn a_narrow_terminal_cuts_labels_and_not_lanes() {
    let ladder = failover(&[]).draw(Terminal {
        width: 60,
        ..UNICODE
    });
    assert!(
        ladder.lines().all(|line| line.chars().count() <= 60),
        "{ladder}"
    );
    insta::assert_snapshot!(ladder, @r"
          caller          sigbox        carrier-a  carrier-b
      ms    :1             :5060           :2         :3
     0.0     │── INVITE +4… ▶│              │          │
     1.0     │◀─ 100 Trying ─│              │          │
    22.0     │               │── INVITE +… ▶│          │
    23.0     │               │◀─ 503 Serv… ─│          │
    24.0     │               │── ACK ──────▶│          │
    25.0     │               │── INVITE +4930123 ─────▶│
    26.0     │               │◀─ 200 OK ────┼──────────│
    27.0     │               │◀─ 200 OK (again) ───────│
    28.0     │◀─ 200 OK ─────│              │          │
    ");
}

#[test]
fn a_fallback_shows_where_the_query_was_lost_and_what_local_rules_did() {
    let timeout = decision(
        7.5,
        r#""outcome":"fallback","action":"route","cause":"timeout","detail":"voicemail""#,
    );
    let nobody = decision(
        0.3,
        r#""outcome":"fallback","action":"route","cause":"no_responders""#,
    );
    let invalid = decision(
        2.0,
        r#""outcome":"fallback","cause":"invalid","detail":"no_routes: routes is empty""#,
    );
    let rows = |event| {
        let ladder = failover(&[event]).draw(UNICODE);
        ladder
            .lines()
            .skip(4)
            .take(3)
            .map(|row| row.trim_end().to_owned())
            .collect::<Vec<_>>()
            .join("\n")
    };
    insta::assert_snapshot!([rows(timeout), rows(nobody), rows(invalid)].join("\n\n"), @r"
     2.5     │                     │── query ─────────▶│                   │                   │
    10.0     │                     │✗─ no answer ──────│                   │                   │
             │                     │   timeout after 7.5 ms: local rules route (voicemail)     │

     9.7     │                     │── query ─────────✗│                   │                   │
             │                     │   no responders after 0.3 ms: local rules route           │
    22.0     │                     │── INVITE +4930123 ┼──────────────────▶│                   │

     8.0     │                     │── query ──────────▶│                   │                  │
    10.0     │                     │◀─ invalid answer ──│                   │                  │
             │                     │   invalid answer after 2.0 ms: local rules decide (no_routes:
    ");
}

#[test]
fn a_withdrawn_query_is_drawn_as_an_arrow_to_the_decider() {
    let text = format!(
        r#"{{"version":"1.0","event":"cancelled","id":"i","node":"n","tenant":"default","class":"invite","call_id":"{CALL_ID}",
            "at":10.0}}"#
    );
    let withdrawn = Event::parse(text.as_bytes()).unwrap();
    let ladder = failover(&[decision(7.5, r#""outcome":"cancelled""#), withdrawn]).draw(UNICODE);
    insta::assert_snapshot!(ladder.lines().skip(4).take(2).collect::<Vec<_>>().join("\n"), @r"
     2.5     │                     │── query ─────────▶│                   │                   │
    10.0     │                     │── cancelled ─────▶│                   │                   │
    ");
}

#[test]
fn nothing_from_a_message_reaches_the_terminal_as_a_control_character() {
    let lanes = ["a", "b"]
        .map(|name| Lane {
            name: name.to_owned(),
            detail: String::new(),
        })
        .to_vec();
    let mark = Mark::Arrow { from: 0, to: 1 };
    let steps = vec![Step {
        at: 0.0,
        mark,
        text: "INVITE \u{1b}[31m\r\n".to_owned(),
        tone: Tone::Request,
    }];
    let drawn = Ladder { lanes, steps }.draw(UNICODE);
    assert!(drawn.contains("INVITE ?[31m??"), "{drawn}");
}

#[test]
fn events_of_other_calls_have_no_lane() {
    let Event::Decision(mut other) = decision(1.0, r#""outcome":"decided""#) else {
        unreachable!()
    };
    other.call_id = "another".to_owned();
    let ladder = failover(&[Event::Decision(other)]);
    assert!(
        ladder.lanes.iter().all(|lane| lane.name != "decider"),
        "{:?}",
        ladder.lanes
    );
}
