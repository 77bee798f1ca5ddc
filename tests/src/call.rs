//! A call as its caller sees it, and the dialog that either side has of it.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use crate::message::{Message, within_brackets};
use crate::phone::{Phone, Request, SDP};

/// An INVITE that was sent, and what became of it.
#[derive(Debug)]
pub struct Call<'p> {
    phone: &'p Phone,
    proxy: SocketAddr,
    invite: Request,
}

impl Phone {
    /// Sends an INVITE with a session description.
    pub fn call(&self, proxy: SocketAddr, uri: &str) -> Result<Call<'_>> {
        self.call_with(proxy, uri, &[])
    }

    /// As [`Phone::call`], with complete header lines added.
    pub fn call_with(&self, proxy: SocketAddr, uri: &str, headers: &[&str]) -> Result<Call<'_>> {
        let mut invite = self
            .request("INVITE", uri)
            .header("Content-Type: application/sdp");
        invite
            .headers
            .extend(headers.iter().map(|line| (*line).to_owned()));
        SDP.clone_into(&mut invite.body);
        let call = Call {
            phone: self,
            proxy,
            invite,
        };
        call.retransmit()?;
        Ok(call)
    }

    /// Takes the INVITE of `call` and rings until the caller hears it.
    pub fn ring(&self, call: &Call<'_>) -> Result<Message> {
        let invite = self.expect_request("INVITE")?;
        self.reply(&invite, 180, "Ringing")?;
        call.expect(180)?;
        Ok(invite)
    }

    /// The dialog of a call that this phone answered with a 2xx.
    pub fn answered(&self, invite: &Message) -> Result<Dialog<'_>> {
        let to = invite.required("To")?;
        Ok(Dialog {
            phone: self,
            local: format!("{to};tag={}", self.local_tag()),
            remote: invite.required("From")?.to_owned(),
            call_id: invite.call_id().to_owned(),
            cseq: 100,
            route: invite
                .all("Record-Route")
                .into_iter()
                .map(str::to_owned)
                .collect(),
            target: invite.uri_of("Contact")?.to_owned(),
        })
    }
}

impl<'p> Call<'p> {
    /// The request as sent.
    pub fn invite(&self) -> &Request {
        &self.invite
    }

    /// Sends the same INVITE again, byte for byte.
    pub fn retransmit(&self) -> Result<()> {
        self.phone.send(self.proxy, self.invite.to_string())
    }

    /// Waits for this response to the INVITE, and acknowledges it when it is a final one that is not 2xx.
    pub fn expect(&self, status: u16) -> Result<Message> {
        let response = self.phone.expect(status)?;
        if status >= 300 {
            self.acknowledge(&response)?;
        }
        Ok(response)
    }

    /// Waits for a final response to the INVITE, whatever it is, and acknowledges it when it is not 2xx.
    pub fn expect_final(&self) -> Result<Message> {
        loop {
            let response = self.phone.receive()?;
            match response.status() {
                None | Some(100..200) => {}
                Some(200..300) => return Ok(response),
                Some(_) => {
                    self.acknowledge(&response)?;
                    return Ok(response);
                }
            }
        }
    }

    /// Acknowledges a final response that is not 2xx: same branch, To of the response (RFC 3261 §17.1.1.3).
    pub fn acknowledge(&self, response: &Message) -> Result<()> {
        let mut ack = self.same_transaction("ACK");
        response.required("To")?.clone_into(&mut ack.to);
        self.phone.send(self.proxy, ack.to_string())
    }

    /// Hangs up before the answer (RFC 3261 §9.1). Sent again by calling it again.
    pub fn cancel(&self) -> Result<()> {
        self.phone
            .send(self.proxy, self.same_transaction("CANCEL").to_string())
    }

    fn same_transaction(&self, method: &str) -> Request {
        let mut request = self.invite.clone();
        method.clone_into(&mut request.method);
        request.headers.clear();
        request.body.clear();
        request
    }

    /// The dialog that a 2xx (or a 1xx with a tag) establishes, seen by the caller (RFC 3261 §12.1.2).
    pub fn dialog(&self, response: &Message) -> Result<Dialog<'p>> {
        Ok(Dialog {
            phone: self.phone,
            local: self.invite.from.clone(),
            remote: response.required("To")?.to_owned(),
            call_id: self.invite.call_id.clone(),
            cseq: self.invite.cseq,
            route: response
                .all("Record-Route")
                .into_iter()
                .rev()
                .map(str::to_owned)
                .collect(),
            target: response.uri_of("Contact")?.to_owned(),
        })
    }

    /// Waits for the 200, acknowledges it, and returns the dialog.
    pub fn establish(&self) -> Result<Dialog<'p>> {
        let ok = self.expect(200)?;
        let dialog = self.dialog(&ok)?;
        dialog.acknowledge()?;
        Ok(dialog)
    }
}

/// One side of an established call.
#[derive(Debug)]
pub struct Dialog<'p> {
    phone: &'p Phone,
    /// From of what this side asks.
    pub local: String,
    /// To of what this side asks.
    pub remote: String,
    call_id: String,
    cseq: u32,
    /// Route values in the order in which they are visited.
    pub route: Vec<String>,
    target: String,
}

impl Dialog<'_> {
    /// A request within the dialog (RFC 3261 §12.2.1.1), not yet sent.
    pub fn request(&self, method: &str, cseq: u32) -> Request {
        let mut request = self.phone.request(method, &self.target);
        request.from.clone_from(&self.local);
        request.to.clone_from(&self.remote);
        request.call_id.clone_from(&self.call_id);
        request.cseq = cseq;
        request
            .headers
            .extend(self.route.iter().map(|route| format!("Route: {route}")));
        request
    }

    /// Sends a request of this dialog to its first hop.
    pub fn send(&self, request: &Request) -> Result<()> {
        self.phone.send(self.next_hop()?, request.to_string())
    }

    /// Acknowledges the 2xx: a request of its own, with the CSeq number of the INVITE (RFC 3261 §13.2.2.4).
    pub fn acknowledge(&self) -> Result<()> {
        self.send(&self.request("ACK", self.cseq))
    }

    /// Sends a new request and counts CSeq up.
    pub fn ask(&mut self, method: &str) -> Result<Request> {
        self.cseq += 1;
        let request = self.request(method, self.cseq);
        self.send(&request)?;
        Ok(request)
    }

    /// Hangs up and waits for the 200 to it; `other` is the phone at the far end.
    pub fn hang_up(&mut self, other: &Phone) -> Result<()> {
        self.ask("BYE")?;
        let bye = other.expect_request("BYE")?;
        other.reply(&bye, 200, "OK")?;
        self.phone.expect(200)?;
        Ok(())
    }

    fn next_hop(&self) -> Result<SocketAddr> {
        let uri = match self.route.first() {
            Some(route) => within_brackets(route).with_context(|| format!("Route {route}"))?,
            None => &self.target,
        };
        address_of(uri)
    }
}

/// The numeric address in a SIP URI, port 5060 when it names none.
pub fn address_of(uri: &str) -> Result<SocketAddr> {
    let rest = uri
        .strip_prefix("sip:")
        .with_context(|| format!("not a sip URI: {uri}"))?;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split([';', '?']).next().unwrap_or(host);
    host.parse()
        .or_else(|_| host.parse().map(|ip| SocketAddr::new(ip, 5060)))
        .with_context(|| format!("no numeric address in {uri}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_phones_hold_a_call_without_a_proxy() -> Result<()> {
        let alice = Phone::new("alice")?;
        let bob = Phone::new("bob")?;
        let call = alice.call(bob.address(), &bob.uri())?;
        let invite = bob.expect_request("INVITE")?;
        assert_eq!(invite.body, SDP.as_bytes());
        call.retransmit()?;
        bob.reply(&invite, 100, "Trying")?;
        bob.reply(&invite, 180, "Ringing")?;
        bob.reply(&invite, 200, "OK")?;
        call.expect(180)?;
        let mut dialog = call.establish()?;
        assert_eq!(bob.expect_request("ACK")?.cseq(), Some((1, "ACK")));
        assert_eq!(bob.repeats(), 1);
        dialog.hang_up(&bob)?;
        let mut other_side = bob.answered(&invite)?;
        other_side.hang_up(&alice)
    }

    #[test]
    fn a_refusal_is_acknowledged_in_its_transaction() -> Result<()> {
        let alice = Phone::new("alice")?;
        let bob = Phone::new("bob")?;
        let call = alice.call(bob.address(), &bob.uri())?;
        let invite = bob.expect_request("INVITE")?;
        call.cancel()?;
        let cancel = bob.expect_request("CANCEL")?;
        assert_eq!(cancel.branch(), invite.branch());
        bob.reply(&cancel, 200, "OK")?;
        bob.reply(&invite, 487, "Request Terminated")?;
        let [_, terminated] = alice.expect_each([(200, "CANCEL"), (487, "INVITE")])?;
        call.acknowledge(&terminated)?;
        let ack = bob.expect_request("ACK")?;
        assert_eq!(
            (ack.branch(), ack.tag("To")),
            (invite.branch(), terminated.tag("To"))
        );
        Ok(())
    }

    #[test]
    fn an_unexpected_message_is_shown() -> Result<()> {
        let alice = Phone::new("alice")?;
        let bob = Phone::new("bob")?;
        let call = alice.call(bob.address(), &bob.uri())?;
        bob.reply(&bob.expect_request("INVITE")?, 503, "Service Unavailable")?;
        let error = format!("{:?}", call.expect(200).unwrap_err());
        assert!(error.contains("503 Service Unavailable"), "{error}");
        Ok(())
    }

    #[test]
    fn addresses_come_out_of_uris() -> Result<()> {
        assert_eq!(address_of("sip:a@127.0.0.1:5070;lr")?.port(), 5070);
        assert_eq!(address_of("sip:127.0.0.1;lr")?.port(), 5060);
        assert!(address_of("sip:example.com").is_err());
        Ok(())
    }
}
