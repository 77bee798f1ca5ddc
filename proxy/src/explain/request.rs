//! A request that nobody sent.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sigbox_core::{Class, Facts, FallbackCause, Flow, ListenerId, Settings, Transport};
use sigbox_wire::{Malformed, Message, Method, Stored};

use super::Asked;

/// What is asked about: SIP text, or the parts that matter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimulatedRequest {
    /// A whole request; line ends may be bare. The parts below are not given then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sip: Option<String>,
    /// The method; `INVITE` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The Request-URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_uri: Option<String>,
    /// From, a URI or a whole value; somebody anonymous when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// To; the Request-URI when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Further headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Where it comes from: an address, with or without a port. Must be there; empty is [`Unusable::NoSource`].
    pub source: String,
    /// The socket it comes in by, as in `sip.listen`; the first when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// When, as RFC 3339 has it; now when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Why nobody decides, for the fallback rules; `timeout` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// Why nothing can be said about a request.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Neither text nor a Request-URI.
    #[error("give `sip`, or `request_uri`")]
    Nothing,
    /// Both.
    #[error("give either `sip` or the parts of a request, not both")]
    Both,
    /// A part that would break out of its line.
    #[error("`{0}` holds a control character")]
    Control(&'static str),
    /// Not a request that would be looked at.
    #[error("it would be refused before any rule: {0}")]
    Malformed(#[from] Malformed),
    /// A response.
    #[error("rules are about requests; this is a response")]
    Response,
    /// ACK and CANCEL, and what there is inside dialogs only.
    #[error("{0} outside a dialog never meets a rule")]
    Never(String),
    /// Nothing about where it comes from.
    #[error(
        "`source` is missing: the address that the request comes from, with or without a port, such as 192.0.2.10"
    )]
    NoSource,
    /// Not an address.
    #[error("`source` must be an address, with or without a port")]
    Source,
    /// None of the sockets.
    #[error("`listener` must be one of {0}")]
    Listener(String),
    /// Not a time.
    #[error("`at` must be a time such as 2026-12-24T10:00:00+01:00")]
    At,
    /// Not a cause.
    #[error("`cause` must be one of {0}")]
    Cause(String),
}

/// A request that could be made.
#[derive(Debug)]
pub struct Simulated {
    request: Stored,
    flow: Flow,
    at: Timestamp,
    cause: Option<FallbackCause>,
}

impl SimulatedRequest {
    /// The request as it would come in.
    ///
    /// # Errors
    /// [`Unusable`]
    pub fn parse(&self, settings: &Settings, unix_ms: u64) -> Result<Simulated, Unusable> {
        let text = self.text()?;
        let mut index = sigbox_wire::Index::default();
        index.parse(text.as_bytes(), &settings.limits.wire)?;
        let message = Message::new(text.as_bytes(), &index);
        if !message.is_request() {
            return Err(Unusable::Response);
        }
        message.validate()?;
        let is_in_dialog = message.to().is_ok_and(|to| to.tag().is_some());
        let meets_rules = match message.method() {
            Method::Ack | Method::Cancel => false,
            Method::Bye | Method::Prack | Method::Update | Method::Info => is_in_dialog,
            _ => true,
        };
        if !meets_rules {
            let method = String::from_utf8_lossy(message.method().as_bytes());
            return Err(Unusable::Never(method.into_owned()));
        }
        let at = match &self.at {
            Some(at) => at.parse().map_err(|_| Unusable::At)?,
            None => i64::try_from(unix_ms)
                .ok()
                .and_then(|ms| Timestamp::from_millisecond(ms).ok())
                .ok_or(Unusable::At)?,
        };
        Ok(Simulated {
            request: Stored::new(message),
            flow: self.flow(settings)?,
            at,
            cause: self.cause.as_deref().map(cause).transpose()?,
        })
    }

    fn flow(&self, settings: &Settings) -> Result<Flow, Unusable> {
        let source = self.source.trim();
        if source.is_empty() {
            return Err(Unusable::NoSource);
        }
        let peer = source.parse::<SocketAddr>().or_else(|_| {
            let ip = source.trim_matches(['[', ']']).parse::<IpAddr>();
            ip.map(|ip| SocketAddr::new(ip, 5060))
        });
        let names = settings
            .listeners
            .iter()
            .map(|listener| format!("{}:{}", listener.transport, listener.address));
        let position = match &self.listener {
            None => Some(0),
            Some(wanted) => names.clone().position(|name| name == *wanted),
        };
        let listener = position
            .and_then(|at| u16::try_from(at).ok())
            .map(ListenerId);
        let transport = position.and_then(|at| settings.listeners.get(at));
        Ok(Flow {
            transport: transport.map_or(Transport::Udp, |listener| listener.transport),
            listener: listener
                .ok_or_else(|| Unusable::Listener(names.collect::<Vec<_>>().join(", ")))?,
            connection: None,
            peer: peer.map_err(|_| Unusable::Source)?,
        })
    }

    fn text(&self) -> Result<String, Unusable> {
        let has_parts = self.method.is_some()
            || self.request_uri.is_some()
            || self.from.is_some()
            || self.to.is_some()
            || !self.headers.is_empty();
        match (&self.sip, &self.request_uri) {
            (Some(_), _) if has_parts => Err(Unusable::Both),
            (Some(text), _) => Ok(whole(text)),
            (None, None) => Err(Unusable::Nothing),
            (None, Some(uri)) => self.of_parts(uri),
        }
    }

    fn of_parts(&self, uri: &str) -> Result<String, Unusable> {
        let method = self.method.as_deref().unwrap_or("INVITE");
        let anonymous = "<sip:anonymous@anonymous.invalid>";
        let from = self.from.as_deref().unwrap_or(anonymous);
        let to = self.to.as_deref().unwrap_or(uri);
        let parts = [
            ("method", method),
            ("request_uri", uri),
            ("from", from),
            ("to", to),
        ];
        let headers = self.headers.iter();
        let headers = headers.flat_map(|(name, value)| [("headers", &**name), ("headers", value)]);
        for (name, part) in parts.into_iter().chain(headers) {
            if part.chars().any(char::is_control) {
                return Err(Unusable::Control(name));
            }
        }
        let address = |value: &str| match value.contains('<') {
            true => value.to_owned(),
            false => format!("<{value}>"),
        };
        let mut from = address(from);
        if !from.contains(";tag=") {
            from += ";tag=simulated";
        }
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP simulated.invalid;branch=z9hG4bKsimulated\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {}\r\nCall-ID: simulated\r\nCSeq: 1 {method}\r\n",
            address(to)
        );
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        Ok(text + "Content-Length: 0\r\n\r\n")
    }
}

/// SIP text as somebody has copied it: with bare line ends, and without the empty line.
fn whole(text: &str) -> String {
    let text = text.trim_start();
    let mut text = if text.contains("\r\n") {
        text.to_owned()
    } else {
        text.replace('\n', "\r\n")
    };
    if !text.contains("\r\n\r\n") {
        text.truncate(text.trim_end().len());
        text += "\r\n\r\n";
    }
    text
}

fn cause(text: &str) -> Result<FallbackCause, Unusable> {
    let mut all = FallbackCause::ALL.into_iter();
    all.find(|cause| cause.label() == text).ok_or_else(|| {
        let labels = FallbackCause::ALL.map(FallbackCause::label);
        Unusable::Cause(labels.join(", "))
    })
}

impl Simulated {
    /// The request.
    pub fn message(&self) -> Message<'_> {
        self.request.view()
    }

    /// The way it would come.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// What rules are held against.
    pub fn facts(&self, cause: Option<FallbackCause>) -> Facts<'_> {
        Facts::new(self.message(), &self.flow, cause, self.at.as_second())
    }

    /// When it is asked about, in Unix milliseconds.
    pub fn unix_ms(&self) -> u64 {
        u64::try_from(self.at.as_millisecond()).unwrap_or_default()
    }

    /// Whether it has a tag in To.
    pub fn is_in_dialog(&self) -> bool {
        self.message().to().is_ok_and(|to| to.tag().is_some())
    }

    /// The class of a query about it.
    pub fn class(&self) -> Class {
        Class::of(self.message().method())
    }

    /// Why nobody decides, if that was said.
    pub fn cause(&self) -> Option<FallbackCause> {
        self.cause
    }

    pub(super) fn asked(&self, settings: &Settings) -> Asked {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let message = self.message();
        let listener = settings.listeners.get(usize::from(self.flow.listener.0));
        Asked {
            method: text(message.method().as_bytes()),
            request_uri: text(message.request_uri()),
            from: message
                .from()
                .map_or_else(|_| String::new(), |from| text(from.uri)),
            to: message
                .to()
                .map_or_else(|_| String::new(), |to| text(to.uri)),
            source: self.flow.peer.to_string(),
            listener: listener.map_or_else(String::new, |listener| {
                format!("{}:{}", listener.transport, listener.address)
            }),
            class: self.class().slug().to_owned(),
            at: self.at.to_string(),
        }
    }
}
