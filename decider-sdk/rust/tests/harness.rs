//! What a test of a decider can see without NATS.

use std::time::Duration;

use sigbox_decider::contracts::query::{Identity, Proof};
use sigbox_decider::testing::{Harness, Outcome};
use sigbox_decider::{Decider, ExtendError, Mode, Withdrawn, prelude::*};

fn harness<H, F>(handler: H) -> Harness
where
    H: Fn(Call) -> F + Send + Sync + 'static,
    F: Future<Output: sigbox_decider::IntoReply> + Send + 'static,
{
    Harness::new(Decider::new("under-test", "1.0.0").on(Class::Invite, handler))
}

#[tokio::test]
async fn the_query_has_what_the_test_says() {
    let harness = harness(|call: Call| async move {
        assert_eq!(call.request_uri().user(), Some("+4930"));
        assert_eq!(call.request_uri().host(), Some("example.com"));
        assert_eq!(call.request_uri().param("user"), Some("phone"));
        assert_eq!(call.from().uri.user(), Some("carol"));
        assert_eq!(call.to().uri.user(), Some("dave"));
        assert_eq!(call.source().ip.to_string(), "198.51.100.7");
        assert_eq!(call.headers("X-Trunk"), ["7", "8"]);
        assert_eq!(call.header("x-missing"), None);
        assert_eq!(
            (call.tenant(), call.attempt(), call.mode()),
            ("gold", 2, Mode::Shadow)
        );
        assert_eq!(call.tried()[0].status, 503);
        assert_eq!(
            call.identity().map(|identity| identity.user.as_str()),
            Some("carol")
        );
        pass()
    });
    harness
        .invite("sip:+4930@example.com;user=phone")
        .from("sip:carol@example.com")
        .to("sip:dave@example.com")
        .source([198, 51, 100, 7], 5062)
        .header("X-Trunk", "7")
        .header("x-trunk", "8")
        .tenant("gold")
        .mode(Mode::Shadow)
        .tried("sip:192.0.2.20", 503)
        .edit(|query| {
            let (user, how) = ("carol".to_owned(), Proof::Digest);
            query.identity = Some(Identity {
                user,
                realm: None,
                how,
            });
        })
        .await;
    assert_eq!(harness.counts(Class::Invite).answered, 1);
}

#[tokio::test(start_paused = true)]
async fn time_is_what_the_test_says() {
    let harness = harness(|call: Call| async move {
        tokio::time::sleep(millis(300)).await;
        reject(404).because(format!("{:?} left", call.remaining()))
    });
    let decision = harness
        .invite("sip:a@example.com")
        .remaining(millis(400))
        .await;
    assert_eq!(decision.reasons, ["100ms left"]);
    let late = harness
        .invite("sip:a@example.com")
        .remaining(millis(200))
        .outcome()
        .await;
    assert_eq!(late, Outcome::Withdrawn(Withdrawn::Deadline));
    let expired = harness
        .invite("sip:a@example.com")
        .remaining(Duration::ZERO)
        .outcome()
        .await;
    assert_eq!(expired, Outcome::Withdrawn(Withdrawn::Deadline));
    let counts = harness.counts(Class::Invite);
    assert_eq!((counts.answered, counts.late, counts.expired), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_caller_hangs_up_when_the_test_says() {
    let harness = harness(|call: Call| async move {
        assert_eq!(call.cancelled().await, Withdrawn::Cancelled);
        assert_eq!(
            call.extend(secs(1)).await,
            Err(ExtendError::Withdrawn(Withdrawn::Cancelled))
        );
        pass()
    });
    let asked = harness.invite("sip:a@example.com").start();
    asked.cancel();
    assert_eq!(
        asked.outcome().await,
        Outcome::Withdrawn(Withdrawn::Cancelled)
    );
    assert_eq!(harness.counts(Class::Invite).cancelled, 1);
}

#[tokio::test(start_paused = true)]
async fn an_extend_moves_the_deadline() {
    let harness = harness(|call: Call| async move {
        call.extend(secs(2)).await?;
        tokio::time::sleep(secs(1)).await;
        Ok::<_, ExtendError>(route(["sip:192.0.2.20"]))
    });
    let asked = harness
        .invite("sip:a@example.com")
        .remaining(millis(200))
        .start();
    assert_eq!(asked.extended(), [secs(2)]);
    assert_eq!(asked.remaining(), secs(2));
    assert!(matches!(asked.outcome().await, Outcome::Decided(_)));
}

#[tokio::test]
async fn failures_are_what_the_proxy_would_get() {
    let failing = harness(|_| async { Err::<Answer, _>("no database") });
    assert_eq!(
        failing.invite("sip:a@example.com").outcome().await,
        Outcome::Error {
            code: 500,
            text: "no database".to_owned()
        }
    );
    let mixing = harness(|_| async { pass().retry_after(secs(5)) });
    let Outcome::Error { code: 500, text } = mixing.invite("sip:a@example.com").outcome().await
    else {
        panic!("a pass that says when to come back")
    };
    assert!(
        text.starts_with("invalid decision: unexpected_field at /retry_after_ms"),
        "{text}"
    );
}

#[tokio::test]
#[should_panic(expected = "no decision but error 500 \"no database\" for Call")]
async fn awaiting_a_decision_that_does_not_come_fails_the_test() {
    harness(|_| async { Err::<Answer, _>("no database") })
        .invite("sip:a@example.com")
        .await;
}

#[test]
#[should_panic(expected = "this decider answers invite, not message")]
fn asking_about_another_class_fails_the_test() {
    let _asked = harness(|_| async { pass() })
        .request("MESSAGE", "sip:a@example.com")
        .start();
}

#[test]
fn a_decider_that_cannot_start_says_why() {
    for (decider, expected) in [
        (
            Decider::new("a", "1.0.0"),
            "this decider cannot start: the decider has no handler",
        ),
        (
            Decider::new("a b", "1.0.0"),
            "this decider cannot start: name \"a b\": a service name",
        ),
        (
            Decider::new("a", "1"),
            "this decider cannot start: version \"1\": a service version",
        ),
        (
            Decider::new("a", "1.0.0")
                .on(Class::Invite, |_| async { pass() })
                .on(Class::Invite, |_| async { pass() }),
            "this decider cannot start: class invite has two handlers",
        ),
    ] {
        let attempt = std::panic::AssertUnwindSafe(|| Harness::new(decider));
        let payload = std::panic::catch_unwind(attempt).err().unwrap();
        let text = payload.downcast_ref::<String>().unwrap();
        assert!(text.starts_with(expected), "{text}");
    }
}
