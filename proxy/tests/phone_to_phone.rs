//! Scripted phones call each other without a proxy between them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use sigbox::phone::{
    Answer, CallReport, CallScript, Callee, CalleeScript, Caller, Cancel, Ending, Endpoint, Then,
};
use sigbox::phone::{Ladder, Terminal, Trace, run};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// One call between two phones; also the ladder's rows without their times.
async fn call(
    callee: CalleeScript,
    script: impl FnOnce(&mut CallScript),
) -> io::Result<(CallReport, Vec<String>)> {
    let trace = Trace::new();
    let mut caller_socket = Endpoint::bind("caller", ANY, &trace)?;
    let mut callee_socket = Endpoint::bind("callee", ANY, &trace)?;
    let callee_address = callee_socket.address();
    let mut called = Callee::new(callee, callee_address);
    let mut call = CallScript::new(format!("sip:bob@{callee_address}"), callee_address);
    script(&mut call);
    let mut caller = Caller::new(call, caller_socket.address());
    tokio::select! {
        result = run(&mut caller_socket, &mut caller) => result?,
        result = run(&mut callee_socket, &mut called) => result?,
    }
    let report = caller.report().clone();
    let ladder = Ladder::of_call(&trace, &report.call_id, callee_address, &[]);
    let terminal = Terminal {
        width: 60,
        unicode: false,
        colour: false,
    };
    let rows = ladder
        .draw(terminal)
        .lines()
        .skip(2)
        .map(|row| row[9..].trim().to_owned())
        .collect();
    Ok((report, rows))
}

#[tokio::test]
async fn an_answered_call_is_held_and_hung_up() -> io::Result<()> {
    let (report, rows) = call(CalleeScript::answers(Duration::ZERO), |call| {
        call.hold = Duration::ZERO
    })
    .await?;
    assert_eq!(
        report.answer,
        Answer::Final {
            status: 200,
            reason: "OK".to_owned()
        }
    );
    assert_eq!(report.provisional, [180]);
    assert_eq!(report.ending, Ending::Confirmed);
    assert!(
        report.contacts[0].starts_with("sip:phone@127.0.0.1:"),
        "{:?}",
        report.contacts
    );
    insta::assert_snapshot!(rows.join("\n"), @r"
    |-- INVITE bob -------------->|
    |<- 180 Ringing --------------|
    |<- 200 OK -------------------|
    |-- ACK --------------------->|
    |-- BYE --------------------->|
    |<- 200 OK (BYE) -------------|
    ");
    Ok(())
}

#[tokio::test]
async fn a_refusal_is_acknowledged() -> io::Result<()> {
    let (report, rows) = call(CalleeScript::refuses(486), |_| {}).await?;
    assert_eq!(report.status(), Some(486));
    assert_eq!(report.ending, Ending::None);
    insta::assert_snapshot!(rows.join("\n"), @r"
    |-- INVITE bob -------------->|
    |<- 486 Busy Here ------------|
    |-- ACK --------------------->|
    ");
    Ok(())
}

#[tokio::test]
async fn a_ringing_call_is_cancelled() -> io::Result<()> {
    let on_ringing = Cancel {
        on: Some(180),
        after: Duration::ZERO,
    };
    let (report, rows) = call(CalleeScript::rings(), |call| call.cancel = Some(on_ringing)).await?;
    assert_eq!(report.status(), Some(487));
    insta::assert_snapshot!(rows.join("\n"), @r"
    |-- INVITE bob -------------->|
    |<- 180 Ringing --------------|
    |-- CANCEL ------------------>|
    |<- 200 OK (CANCEL) ----------|
    |<- 487 Request Terminated ---|
    |-- ACK --------------------->|
    ");
    Ok(())
}

#[tokio::test]
async fn a_caller_gives_up_when_nobody_says_anything() -> io::Result<()> {
    let (report, rows) = call(CalleeScript::silent(), |call| {
        call.first_response = Duration::from_millis(20)
    })
    .await?;
    assert_eq!(report.answer, Answer::Silence);
    insta::assert_snapshot!(rows.join("\n"), @"|-- INVITE bob -------------->|");
    Ok(())
}

#[tokio::test]
async fn a_caller_gives_up_when_it_rings_too_long() -> io::Result<()> {
    let (report, rows) = call(CalleeScript::rings(), |call| {
        call.final_response = Duration::from_millis(20)
    })
    .await?;
    assert_eq!(report.status(), Some(487));
    assert_eq!(
        rows.iter().filter(|row| row.contains("CANCEL")).count(),
        2,
        "the request and its 200: {rows:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_answer_that_crosses_the_cancel_is_hung_up_at_once() -> io::Result<()> {
    // The callee rings and answers in one go, so the 200 is on its way when the 180 makes the caller cancel.
    let callee = CalleeScript {
        rings: true,
        then: Then::Answer(Duration::ZERO),
    };
    let (report, rows) = call(callee, |call| {
        call.cancel = Some(Cancel {
            on: Some(180),
            after: Duration::ZERO,
        });
        call.hold = Duration::from_secs(3600);
    })
    .await?;
    assert_eq!(report.status(), Some(200));
    assert_eq!(report.ending, Ending::Confirmed);
    assert!(rows.iter().any(|row| row.contains("BYE")), "{rows:?}");
    Ok(())
}
