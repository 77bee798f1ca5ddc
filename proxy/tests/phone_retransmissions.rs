//! What phones do when messages are lost, late or repeated: no sockets, and time is a number.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sigbox::phone::agent::{Agent, Outbox};
use sigbox::phone::endpoint::Incoming;
use sigbox::phone::{CallScript, Callee, CalleeScript, Caller, Cancel, Ending};

const T1: Duration = Duration::from_millis(500);

fn port(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A caller at port 1 that has sent its INVITE to port 2, and the INVITE.
fn caller(now: Instant, script: impl FnOnce(&mut CallScript)) -> (Caller, Vec<u8>) {
    let mut call = CallScript::new("sip:bob@127.0.0.1:2", port(2));
    script(&mut call);
    let mut caller = Caller::new(call, port(1));
    let invite = single(fire(&mut caller, now));
    (caller, invite)
}

fn fire(agent: &mut impl Agent, now: Instant) -> Vec<Vec<u8>> {
    let mut out = Outbox::default();
    agent.timer(now, &mut out);
    out.take().into_iter().map(|(bytes, _)| bytes).collect()
}

fn give(agent: &mut impl Agent, now: Instant, bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Outbox::default();
    let incoming = Incoming::parse(bytes.to_vec(), port(9));
    assert!(incoming.is_some(), "not a SIP message: {}", text(bytes));
    if let Some(incoming) = incoming {
        agent.message(now, &incoming, &mut out);
    }
    out.take().into_iter().map(|(bytes, _)| bytes).collect()
}

fn single(mut messages: Vec<Vec<u8>>) -> Vec<u8> {
    assert_eq!(messages.len(), 1, "{:?}", first_words(&messages));
    messages.remove(0)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The methods and statuses of some messages.
fn first_words(messages: &[Vec<u8>]) -> Vec<String> {
    messages
        .iter()
        .map(|bytes| {
            let text = text(bytes);
            let mut words = text.split(' ');
            let first = words.next().unwrap_or_default();
            if first == "SIP/2.0" {
                words.next().unwrap_or_default()
            } else {
                first
            }
            .to_owned()
        })
        .collect()
}

/// What a callee whose tag is `tag` answers to the caller's INVITE.
fn answer(invite: &[u8], status: &str, tag: &str) -> Vec<u8> {
    let invite = text(invite);
    let mut response = format!("SIP/2.0 {status}\r\n");
    for line in invite.lines() {
        match line.split_once(':') {
            Some(("Via" | "From" | "Call-ID" | "CSeq", _)) => response += &format!("{line}\r\n"),
            Some(("To", _)) => response += &format!("{line};tag={tag}\r\n"),
            _ => {}
        }
    }
    response += &format!("Contact: <sip:{tag}@127.0.0.1:3>\r\nContent-Length: 0\r\n\r\n");
    response.into_bytes()
}

#[test]
fn an_invite_is_repeated_until_anything_comes_back() {
    let start = Instant::now();
    let (mut caller, invite) = caller(start, |_| {});
    assert_eq!(caller.wake(), Some(start + T1));
    assert_eq!(single(fire(&mut caller, start + T1)), invite);
    assert_eq!(caller.wake(), Some(start + T1 * 3));
    assert!(give(&mut caller, start + T1, &answer(&invite, "100 Trying", "x")).is_empty());
    assert_eq!(
        caller.wake(),
        Some(start + Duration::from_secs(60)),
        "only the patience is left"
    );
}

#[test]
fn a_repeated_200_is_acknowledged_again() {
    let start = Instant::now();
    let (mut caller, invite) = caller(start, |_| {});
    let ok = answer(&invite, "200 OK", "one");
    let ack = single(give(&mut caller, start, &ok));
    assert!(
        text(&ack).starts_with("ACK sip:one@127.0.0.1:3 SIP/2.0\r\n"),
        "{}",
        text(&ack)
    );
    assert_eq!(single(give(&mut caller, start + T1, &ok)), ack);
}

#[test]
fn a_second_branch_that_answers_is_hung_up_and_the_first_call_goes_on() {
    let start = Instant::now();
    let (mut caller, invite) = caller(start, |call| call.hold = Duration::from_secs(3600));
    give(&mut caller, start, &answer(&invite, "200 OK", "one"));
    let sent = give(&mut caller, start, &answer(&invite, "200 OK", "two"));
    assert_eq!(first_words(&sent), ["ACK", "BYE"]);
    assert!(
        sent.iter()
            .all(|bytes| text(bytes).contains(" sip:two@127.0.0.1:3 "))
    );
    assert_eq!(caller.wake(), Some(start + Duration::from_secs(3600)));
    assert_eq!(caller.report().ending, Ending::None);
}

#[test]
fn a_repeated_refusal_is_acknowledged_again() {
    let start = Instant::now();
    let (mut caller, invite) = caller(start, |_| {});
    let busy = answer(&invite, "486 Busy Here", "one");
    let ack = single(give(&mut caller, start, &busy));
    assert!(caller.is_over());
    assert_eq!(single(give(&mut caller, start + T1, &busy)), ack);
    let branch = |bytes: &[u8]| {
        text(bytes)
            .split("branch=")
            .nth(1)
            .map(|rest| rest[..23].to_owned())
    };
    assert_eq!(
        branch(&ack),
        branch(&invite),
        "the ACK to a refusal belongs to the INVITE's transaction"
    );
}

#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    let start = Instant::now();
    let soon = Duration::from_millis(10);
    let (mut caller, invite) = caller(start, |call| {
        call.cancel = Some(Cancel {
            on: None,
            after: soon,
        })
    });
    assert!(fire(&mut caller, start + soon).is_empty());
    let cancel = single(give(
        &mut caller,
        start + soon * 2,
        &answer(&invite, "100 Trying", "x"),
    ));
    assert_eq!(first_words(std::slice::from_ref(&cancel)), ["CANCEL"]);
    // Lost: sent again until it is answered.
    assert_eq!(single(fire(&mut caller, start + soon * 2 + T1)), cancel);
    let to_cancel = |status: &str| {
        text(&answer(&invite, status, "x"))
            .replace("1 INVITE", "1 CANCEL")
            .into_bytes()
    };
    give(&mut caller, start + T1, &to_cancel("200 OK"));
    assert!(
        !caller.is_over(),
        "the INVITE's own answer is still to come"
    );
    give(
        &mut caller,
        start + T1,
        &answer(&invite, "487 Request Terminated", "x"),
    );
    assert!(caller.is_over());
    assert_eq!(caller.report().status(), Some(487));
}

#[test]
fn the_other_side_may_hang_up_first() {
    let start = Instant::now();
    let (mut caller, invite) = caller(start, |call| call.hold = Duration::from_secs(3600));
    give(&mut caller, start, &answer(&invite, "200 OK", "one"));
    let bye = text(&answer(&invite, "200 OK", "one"))
        .replace("SIP/2.0 200 OK", "BYE sip:phone@127.0.0.1:1 SIP/2.0")
        .replace("1 INVITE", "1 BYE");
    assert_eq!(
        first_words(&give(&mut caller, start, bye.as_bytes())),
        ["200"]
    );
    assert!(caller.is_over());
    assert_eq!(caller.report().ending, Ending::Remote);
}

#[test]
fn a_callee_repeats_itself_to_a_repeated_invite_and_until_the_ack() {
    let start = Instant::now();
    let (mut caller, invite) = caller(start, |_| {});
    let mut callee = Callee::new(CalleeScript::answers(T1), port(2));
    let ringing = single(give(&mut callee, start, &invite));
    assert_eq!(
        single(give(&mut callee, start, &invite)),
        ringing,
        "one call, the same answer"
    );
    assert_eq!(callee.wake(), Some(start + T1));
    let ok = single(fire(&mut callee, start + T1));
    assert!(text(&ok).ends_with("a=inactive\r\n"), "{}", text(&ok));
    assert_eq!(single(fire(&mut callee, start + T1 * 2)), ok);
    let ack = single(give(&mut caller, start + T1 * 2, &ok));
    assert!(give(&mut callee, start + T1 * 2, &ack).is_empty());
    assert_eq!(callee.wake(), None, "nothing is repeated any more");
}

#[test]
fn a_callee_refuses_a_cancel_and_a_bye_of_no_call() {
    let start = Instant::now();
    let (_, invite) = caller(start, |_| {});
    let mut callee = Callee::new(CalleeScript::rings(), port(2));
    let stray = |method: &str| text(&invite).replace("INVITE", method).into_bytes();
    assert_eq!(
        first_words(&give(&mut callee, start, &stray("CANCEL"))),
        ["481"]
    );
    assert_eq!(
        first_words(&give(&mut callee, start, &stray("BYE"))),
        ["481"]
    );
    assert!(give(&mut callee, start, &stray("ACK")).is_empty());
}
