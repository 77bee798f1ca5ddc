//! Targets that answer 3xx, and sigbox as a redirect server.

use anyhow::{Result, ensure};
use e2e::{Answer, FakeDecider, NatsServer, Phone, Setup, Stage};
use serde_json::json;

#[test]
fn the_decider_hears_where_the_callee_has_moved() -> Result<()> {
    let nats = NatsServer::start()?;
    let (alice, bob, carol) = (
        Phone::new("alice")?,
        Phone::new("bob")?,
        Phone::new("carol")?,
    );
    let first = bob.hop();
    let decider =
        FakeDecider::start(
            &nats.url(),
            move |query| match query.json["tried"][0]["contacts"][0].as_str() {
                Some(contact) => {
                    Answer::Json(json!({ "action": "route", "routes": [{ "uri": contact }] }))
                }
                None => Answer::route_to(&first),
            },
        )?;
    let sigbox = Setup::new(&nats.url())
        .set("sip", "redirects", "\"ask\"")
        .start_connected()?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let invite = bob.expect_request("INVITE")?;
    let contact = format!("Contact: <{}>", carol.uri());
    bob.reply_with(&invite, 302, "Moved Temporarily", &[&contact])?;
    bob.expect_request("ACK")?;
    let invite = carol.expect_request("INVITE")?;
    ensure!(invite.request_uri() == carol.uri());
    carol.reply(&invite, 200, "OK")?;
    let mut dialog = call.establish()?;
    carol.expect_request("ACK")?;
    dialog.hang_up(&carol)?;
    let [_, second] = &decider.pending()[..] else {
        anyhow::bail!("asked twice");
    };
    ensure!(second.json["tried"][0]["status"] == 302);
    Ok(())
}

#[test]
fn a_redirect_server_forwards_nothing() -> Result<()> {
    let alice = Phone::new("alice")?;
    let stage = Stage::with(
        |setup| setup.set("sip", "mode", "\"redirect\""),
        |_| Answer::serial(&["sip:192.0.2.1".to_owned(), "sip:192.0.2.2".to_owned()]),
    )?;
    let sigbox = &stage.sigbox;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let answer = call.expect(302)?;
    ensure!(
        answer.all("Contact") == ["<sip:bob@192.0.2.1>;q=1.000", "<sip:bob@192.0.2.2>;q=0.900"],
        "{answer}"
    );
    let metrics = sigbox.metrics()?;
    ensure!(metrics.sum("sigbox_requests_forwarded_total", &[]) == 0.0);
    sigbox.wait_until_idle()
}
