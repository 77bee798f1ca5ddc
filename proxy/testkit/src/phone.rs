//! Phones that answer by themselves.

use std::net::SocketAddr;
use std::time::Duration;

use crate::text::{field, response_to};

/// What a callee does with an INVITE. Every other request is answered 200, an ACK not at all.
#[derive(Clone, Debug)]
pub struct Script {
    /// Responses to an INVITE: how long after it, and the status.
    pub invite: Vec<(Duration, u16)>,
    /// Answers CANCEL with 200 and the INVITE with 487.
    pub cancellable: bool,
    /// Does not answer anything.
    pub dead: bool,
    /// Complete header lines that its final responses other than 2xx have besides.
    pub extra: String,
}

impl Script {
    /// Rings at once and answers after `millis`.
    pub fn answers(millis: u64) -> Self {
        Self::responds(&[(0, 180), (millis, 200)])
    }

    /// Rings and never answers.
    pub fn rings() -> Self {
        Self::responds(&[(0, 180)])
    }

    /// Refuses at once.
    pub fn refuses(status: u16) -> Self {
        Self::responds(&[(0, status)])
    }

    /// These responses to an INVITE, each that many milliseconds after it.
    pub fn responds(responses: &[(u64, u16)]) -> Self {
        let invite = responses
            .iter()
            .map(|(at, status)| (Duration::from_millis(*at), *status));
        Self {
            invite: invite.collect(),
            cancellable: true,
            dead: false,
            extra: String::new(),
        }
    }

    /// The same, with another header line in refusals, given without its CRLF.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        self.extra.push_str(line);
        self.extra.push_str("\r\n");
        self
    }

    /// Says at once that the callee is there.
    pub fn redirects(contacts: &[&str]) -> Self {
        let contact = |script: Self, uri: &&str| script.with(&format!("Contact: {uri}"));
        contacts.iter().fold(Self::refuses(302), contact)
    }

    /// Hears nothing.
    pub fn dead() -> Self {
        Self {
            invite: Vec::new(),
            cancellable: false,
            dead: true,
            extra: String::new(),
        }
    }
}

/// A phone that plays a script.
#[derive(Clone, Debug)]
pub struct Callee {
    address: SocketAddr,
    script: Script,
    /// The INVITEs it has, by branch: the text, and whether a final response was sent.
    calls: Vec<(String, String, bool)>,
}

impl Callee {
    pub(crate) fn new(address: SocketAddr, script: Script) -> Self {
        Self {
            address,
            script,
            calls: Vec::new(),
        }
    }

    /// What it sends, and when, because of `message`.
    pub(crate) fn on_message(&mut self, message: &str) -> Vec<(Duration, String)> {
        if self.script.dead || message.starts_with("SIP/2.0") {
            return Vec::new();
        }
        let branch = branch_of(message);
        let tag = format!("tag-of-{}", self.address.ip());
        let reply = |status| {
            let text = response_to(message, status, &tag, self.address);
            match status {
                300.. => text.replacen(
                    "\r\nContent-Length",
                    &format!("\r\n{}Content-Length", self.script.extra),
                    1,
                ),
                _ => text,
            }
        };
        match message.split(' ').next() {
            Some("ACK") | None => Vec::new(),
            Some("INVITE") => {
                if self.calls.iter().any(|call| call.0 == branch) {
                    return Vec::new();
                }
                self.calls.push((branch, message.into(), false));
                self.script
                    .invite
                    .iter()
                    .map(|(at, status)| (*at, reply(*status)))
                    .collect()
            }
            Some("CANCEL") => {
                let mut replies = vec![(Duration::ZERO, reply(200))];
                let call = self
                    .calls
                    .iter_mut()
                    .find(|call| call.0 == branch && !call.2);
                if let Some((_, invite, done)) = call
                    && self.script.cancellable
                {
                    *done = true;
                    replies.push((Duration::ZERO, response_to(invite, 487, &tag, self.address)));
                }
                replies
            }
            Some(_) => vec![(Duration::ZERO, reply(200))],
        }
    }

    /// Whether a scripted message may still be sent: not after a cancelled call's 487.
    pub(crate) fn may_send(&mut self, message: &str) -> bool {
        let status = message
            .get(8..11)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0_u16);
        let invite = field(message, "CSeq").is_some_and(|cseq| cseq.ends_with("INVITE"));
        if !invite || status == 487 {
            return true;
        }
        let branch = branch_of(message);
        match self.calls.iter_mut().find(|call| call.0 == branch) {
            Some(call) if call.2 => false,
            Some(call) => {
                call.2 = status >= 200;
                true
            }
            None => true,
        }
    }
}

fn branch_of(message: &str) -> String {
    let via = field(message, "Via").unwrap_or_default();
    via.split(";branch=")
        .nth(1)
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .into()
}
