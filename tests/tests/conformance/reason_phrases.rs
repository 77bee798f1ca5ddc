//! RFC 4475 §3.1.1.12 and §3.1.1.13: reason phrases nobody expects, in the responses of a call.

use anyhow::{Context, Result};
use e2e::{Phone, Setup};

use crate::messages::bytes;

#[test]
fn p1_a_response_is_relayed_with_its_reason_phrase_whatever_it_is() -> Result<()> {
    for (section, name, status) in [
        ("RFC 4475 §3.1.1.12", "unreason", 200),
        ("RFC 4475 §3.1.1.13", "noreason", 180),
    ] {
        let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
        let sigbox = Setup::routing_to(&bob).start()?;
        alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
        let invite = bob.expect_request("INVITE")?;
        let text = String::from_utf8(bytes(section, name)?)?;
        let (line, _) = text.split_once("\r\n").context("a status line")?;
        // noreason is a 100, which goes no further than the next hop.
        let line = line.replacen(" 100", " 180", 1);
        let reason = line.splitn(3, ' ').nth(2).context("a reason phrase")?;
        bob.reply(&invite, status, reason)?;
        assert_eq!(alice.expect(status)?.start, line, "{name}");
    }
    Ok(())
}
