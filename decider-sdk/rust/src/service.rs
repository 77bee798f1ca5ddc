use std::collections::BTreeSet;
use std::io;

use bytes::{BufMut, BytesMut};
use sigbox_contracts::subject::Prefix;
use sigbox_contracts::{Class, Decision, Invalid, InvalidReason, Limits, Slug};
use tracing::{debug, error};

use crate::Error;
use crate::call::Call;
use crate::counters::{Counters, Ending};
use crate::handler::{Failure, Handler};
use crate::lifetime::Withdrawn;
use crate::reply::{Reply, header_text};

/// What a decider does, apart from how queries reach it.
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) endpoints: Vec<Endpoint>,
    limits: Limits,
}

/// One class of query: an endpoint in the sense of NATS services.
pub(crate) struct Endpoint {
    pub(crate) class: Class,
    pub(crate) handler: Handler,
    pub(crate) counters: Counters,
}

impl Endpoint {
    /// The subject it listens on.
    pub(crate) fn subject(&self, prefix: &Prefix, tenant: Option<&Slug>) -> String {
        prefix.query_subscription(tenant, self.class)
    }

    /// Counts and logs a query that ends without a decision, and makes the service error that says so.
    pub(crate) fn refuse(&self, ending: Ending, code: u16, text: &str) -> Reply {
        let text = header_text(text);
        self.counters.end(ending);
        self.counters.error_text(format!("{code}:{text}"));
        Reply::Error { code, text }
    }
}

impl Service {
    /// # Errors
    /// [`Error::Setting`] for a name or version that NATS services do not allow, [`Error::NoHandler`],
    /// [`Error::TwoHandlers`].
    pub(crate) fn new(
        name: String,
        version: String,
        description: String,
        handlers: Vec<(Class, Handler)>,
    ) -> Result<Self, Error> {
        if name.is_empty()
            || !name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        {
            let why = "a service name is made of A-Z, a-z, 0-9, - and _".to_owned();
            return Err(Error::Setting {
                name: "name",
                value: name,
                why,
            });
        }
        if !is_semantic(&version) {
            let why = "a service version is semantic, like 1.0.0 (https://semver.org)".to_owned();
            return Err(Error::Setting {
                name: "version",
                value: version,
                why,
            });
        }
        if handlers.is_empty() {
            return Err(Error::NoHandler);
        }
        let mut seen = BTreeSet::new();
        if let Some((class, _)) = handlers.iter().find(|(class, _)| !seen.insert(*class)) {
            return Err(Error::TwoHandlers(*class));
        }
        let endpoints = handlers
            .into_iter()
            .map(|(class, handler)| Endpoint {
                class,
                handler,
                counters: Counters::default(),
            })
            .collect();
        Ok(Self {
            name,
            version,
            description,
            endpoints,
            limits: Limits::default(),
        })
    }

    /// `name/version`, as replies carry it.
    pub(crate) fn decider(&self) -> String {
        format!("{}/{}", self.name, self.version)
    }

    /// The classes it answers, as its registration lists them.
    pub(crate) fn classes(&self) -> String {
        let classes: Vec<_> = self
            .endpoints
            .iter()
            .map(|endpoint| endpoint.class.as_str())
            .collect();
        classes.join(",")
    }

    /// Turns what a handler came to into what is sent. `None` when the answer is not wanted any more, or never came:
    /// then nothing is sent and the reason is counted. A decision is counted when it has been sent.
    pub(crate) fn settle(
        &self,
        endpoint: &Endpoint,
        call: &Call,
        came_to: Option<Result<Decision, Failure>>,
        buffer: &mut BytesMut,
    ) -> Option<Reply> {
        endpoint.counters.spent(call.lifetime().started().elapsed());
        match (call.withdrawn(), came_to) {
            // A handler that gives up because it was told to has not failed.
            (Some(why), _) => {
                match why {
                    Withdrawn::Deadline => endpoint.counters.end(Ending::Late),
                    Withdrawn::Cancelled => endpoint.counters.end(Ending::Cancelled),
                    // It was answered 503 and counted then.
                    Withdrawn::Stopped => {}
                }
                debug!(id = call.id(), class = %endpoint.class, %why, "answer dropped");
                None
            }
            (None, None) => None,
            (None, Some(Err(failure))) => {
                error!(id = call.id(), class = %endpoint.class, error = failure.detail(), "handler failed");
                Some(endpoint.refuse(Ending::Failed, 500, failure.text()))
            }
            (None, Some(Ok(decision))) => match self.encode(&decision, buffer) {
                Ok(reply) => Some(reply),
                Err(invalid) => {
                    error!(id = call.id(), class = %endpoint.class, %invalid,
                        "the handler's decision is invalid and was not sent");
                    Some(endpoint.refuse(
                        Ending::Invalid,
                        500,
                        &format!("invalid decision: {invalid}"),
                    ))
                }
            },
        }
    }

    /// Checks a decision as the proxy will, and writes it. `buffer` keeps its memory from one decision to the next.
    fn encode(&self, decision: &Decision, buffer: &mut BytesMut) -> Result<Reply, Invalid> {
        decision.validate(&self.limits)?;
        let mut writer = Capped {
            left: self.limits.max_bytes,
            buffer,
        };
        match serde_json::to_writer(&mut writer, decision) {
            Ok(()) => Ok(Reply::Decision(buffer.split().freeze())),
            Err(_) => {
                buffer.clear();
                let detail = format!("more than {} bytes", self.limits.max_bytes);
                Err(Invalid::new(InvalidReason::TooLarge, "", detail))
            }
        }
    }
}

/// Writes no more than the proxy will read.
struct Capped<'a> {
    left: usize,
    buffer: &'a mut BytesMut,
}

impl io::Write for Capped<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self
            .left
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::FileTooLarge)?;
        self.buffer.put_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `MAJOR.MINOR.PATCH`, with a pre-release or build part that may follow.
fn is_semantic(version: &str) -> bool {
    let (core, rest) = match version.find(['-', '+']) {
        Some(at) => (&version[..at], &version[at + 1..]),
        None => (version, "0"),
    };
    let numbers: Vec<_> = core.split('.').collect();
    let number = |n: &&str| {
        !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) && (*n == "0" || !n.starts_with('0'))
    };
    numbers.len() == 3
        && numbers.iter().all(number)
        && rest.split(['.', '+']).all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semantic() {
        for good in [
            "1.0.0",
            "0.1.10",
            "1.0.0-rc.1",
            "1.0.0+linux.7",
            "1.0.0-a-b+c",
        ] {
            assert!(is_semantic(good), "{good}");
        }
        for bad in [
            "",
            "1",
            "1.0",
            "1.0.0.0",
            "01.0.0",
            "v1.0.0",
            "1.0.x",
            "1.0.0-",
            "1.0.0-a b",
            "1.0.0\r\n",
        ] {
            assert!(!is_semantic(bad), "{bad}");
        }
    }

    #[test]
    fn a_buffer_is_reused_and_clean_after_a_refusal() {
        let service = Service::new(
            "a".to_owned(),
            "1.0.0".to_owned(),
            String::new(),
            vec![(
                Class::Invite,
                crate::handler::erase(|_| async { crate::pass() }),
            )],
        )
        .unwrap();
        let mut buffer = BytesMut::new();
        let pass = Decision::from(crate::pass());
        let large = Decision {
            reasons: vec!["x".repeat(70_000)],
            ..pass.clone()
        };
        let refused = service.encode(&large, &mut buffer).unwrap_err();
        assert_eq!(refused.reason, InvalidReason::TooLarge);
        for _ in 0..2 {
            let Reply::Decision(bytes) = service.encode(&pass, &mut buffer).unwrap() else {
                panic!()
            };
            assert_eq!(bytes, r#"{"version":"1.0","action":"pass"}"#);
        }
    }
}
