//! Writes the routing query of a suspended request.
//!
//! The document is written straight from the received bytes into a reused buffer: no field is copied
//! into a `String` first. Its shape is [`sigbox_contracts::Query`]; a test reads it back as one.

use std::net::SocketAddr;
use std::time::Duration;

use sigbox_core::{Listener, Suspended, Tried};
use sigbox_wire::{HeaderId, Message, NameAddr};
use uuid::Uuid;

use super::json::Json;
use super::uri::{clipped, write_params, write_uri};

/// What leaves the proxy in a query.
#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// The name of this proxy.
    pub node: Box<str>,
    /// The headers to show, lower-case long names.
    pub headers: Vec<Box<str>>,
    /// Whether to show the body.
    pub body: bool,
    /// The most bytes a query may have; what does not fit is cut and flagged.
    pub max_bytes: usize,
}

impl QueryOptions {
    /// The default of `max_bytes`.
    pub const MAX_BYTES: usize = 64 * 1024;
}

/// Why a query could not be written: the request lacks what a decider must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// From, To, CSeq or the Request-URI cannot be read.
    #[error("the request cannot be described: {0}")]
    Unreadable(#[from] sigbox_wire::Malformed),
    /// It does not fit, even with everything cut that can be cut.
    #[error("the query is over its size limit")]
    TooLarge,
}

/// What to leave out of a query that is too long, in steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cut {
    /// How much of the body's text to show.
    body: Option<usize>,
    headers: bool,
    /// Contacts and User-Agent.
    rest: bool,
    /// Parameters go and every text is clipped to this many bytes.
    clip: Option<usize>,
}

const CLIPPED_TEXT: usize = 512;

/// Replaces what is in `out` by the query about `suspended`, which came in on `local`.
///
/// # Errors
/// [`QueryError`]; `out` then holds nothing of use.
pub fn write_query(
    suspended: &Suspended<'_>,
    local: &Listener,
    options: &QueryOptions,
    out: &mut Vec<u8>,
) -> Result<(), QueryError> {
    let request = suspended.request;
    let mut view = View {
        suspended,
        local,
        options,
        from: request.from()?,
        to: request.to()?,
        cseq: request.cseq()?.number,
        // The hop limit as it will be forwarded (RFC 3261 §16.6 step 3).
        max_forwards: request
            .max_forwards()?
            .map_or(70, |hops| hops.saturating_sub(1)),
        cut: Cut::default(),
    };
    view.write(out);
    let body = if options.body {
        request.body().len()
    } else {
        0
    };
    if out.len() > options.max_bytes && body > 0 {
        // Escaping made it longer than the body is; what is over is cut from what was written.
        let over = out.len() - options.max_bytes + CLIPPED_TEXT;
        view.cut.body = Some(body.saturating_sub(over));
        view.write(out);
    }
    let steps: [fn(&mut Cut); 3] = [
        |cut| (cut.body, cut.headers) = (Some(0), true),
        |cut| cut.rest = true,
        |cut| cut.clip = Some(CLIPPED_TEXT),
    ];
    for step in steps {
        if out.len() <= options.max_bytes {
            break;
        }
        step(&mut view.cut);
        view.write(out);
    }
    if out.len() > options.max_bytes {
        Err(QueryError::TooLarge)
    } else {
        Ok(())
    }
}

struct View<'a> {
    suspended: &'a Suspended<'a>,
    local: &'a Listener,
    options: &'a QueryOptions,
    from: NameAddr<'a>,
    to: NameAddr<'a>,
    cseq: u32,
    max_forwards: u8,
    cut: Cut,
}

impl View<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let Self {
            suspended,
            options,
            cut,
            ..
        } = self;
        let request = suspended.request;
        out.clear();
        let json = &mut Json(out);
        json.raw(r#"{"version":""#);
        json.raw(sigbox_contracts::VERSION);
        json.raw(r#"","event":""#);
        json.raw(sigbox_contracts::query::EVENT);
        json.raw(r#"","id":""#);
        json.raw(
            suspended
                .id
                .hyphenated()
                .encode_lower(&mut Uuid::encode_buffer()),
        );
        json.raw(r#"","node":"#);
        json.text(options.node.as_bytes());
        json.raw(r#","tenant":"#);
        json.text(suspended.tenant.as_bytes());
        json.raw(r#","class":""#);
        json.raw(suspended.class.slug());
        json.raw(r#"","attempt":"#);
        json.number(suspended.attempt);
        json.raw(r#","budget_ms":"#);
        json.number(millis(suspended.budget));
        let transport = suspended.flow.transport.name();
        json.raw(r#","source":"#);
        write_endpoint(json, suspended.flow.peer, transport);
        json.raw(r#","local":"#);
        write_endpoint(json, self.local.address, transport);
        json.raw(r#","method":"#);
        json.text(clipped(request.method().as_bytes(), cut.clip));
        json.raw(r#","call_id":"#);
        json.text(clipped(request.call_id(), cut.clip));
        json.raw(r#","cseq":"#);
        json.number(self.cseq);
        json.raw(r#","max_forwards":"#);
        json.number(self.max_forwards);
        if !cut.rest
            && let Some(agent) = request.header(HeaderId::UserAgent)
        {
            json.raw(r#","user_agent":"#);
            json.unfolded(agent.value);
        }
        json.raw(r#","request_uri":"#);
        let start = json.0.len();
        write_uri(json, request.request_uri(), cut.clip);
        let request_uri = start..json.0.len();
        json.raw(r#","from":"#);
        write_address(json, &self.from, cut.clip, |json| {
            write_uri(json, self.from.uri, cut.clip);
        });
        json.raw(r#","to":"#);
        write_address(json, &self.to, cut.clip, |json| {
            // Whom a caller dials is as a rule in both places.
            if self.to.uri == request.request_uri() {
                json.0.extend_from_within(request_uri);
            } else {
                write_uri(json, self.to.uri, cut.clip);
            }
        });
        if !cut.rest && request.has(HeaderId::Contact) {
            write_contacts(json, request);
        }
        if !cut.headers {
            write_headers(json, request, &options.headers);
        }
        let body = request.body();
        if options.body && !body.is_empty() && cut.body != Some(0) {
            write_body(json, request, clipped(body, cut.body));
        }
        if !suspended.tried.is_empty() {
            write_tried(json, suspended.tried);
        }
        if *cut != Cut::default() {
            self.write_cut(json);
        }
        json.raw("}");
    }

    fn write_cut(&self, json: &mut Json<'_>) {
        let Self {
            cut,
            options,
            suspended,
            ..
        } = self;
        let request = suspended.request;
        let body = options.body && !request.body().is_empty();
        let has = |name: &str| request.named(name.as_bytes()).next().is_some();
        let headers = options.headers.iter().any(|name| has(name));
        let names = [
            ("body", cut.body.is_some() && body),
            ("headers", cut.headers && headers),
            ("contact", cut.rest && request.has(HeaderId::Contact)),
            ("user_agent", cut.rest && request.has(HeaderId::UserAgent)),
            ("request_uri", cut.clip.is_some()),
            ("from", cut.clip.is_some()),
            ("to", cut.clip.is_some()),
            ("call_id", cut.clip.is_some()),
        ];
        json.raw(r#","cut":"#);
        write_list(
            json,
            names.iter().filter(|(_, gone)| *gone),
            |json, (name, _)| {
                json.text(name.as_bytes());
            },
        );
    }
}

/// A span of time in whole milliseconds.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Writes an array of what `write` makes of each item.
fn write_list<T>(
    json: &mut Json<'_>,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Json<'_>, T),
) {
    let mut lead = "[";
    for item in items {
        json.raw(lead);
        lead = ",";
        write(json, item);
    }
    json.raw(if lead == "[" { "[]" } else { "]" });
}

fn write_endpoint(json: &mut Json<'_>, address: SocketAddr, transport: &str) {
    json.raw(r#"{"ip":"#);
    // An IPv4 caller on a dual-stack socket is shown as the IPv4 caller it is.
    json.ip(address.ip().to_canonical());
    json.raw(r#","port":"#);
    json.number(address.port());
    json.raw(r#","transport":""#);
    json.raw(transport);
    json.raw(r#""}"#);
}

/// Writes an address with what `write_uri` makes of its URI.
fn write_address(
    json: &mut Json<'_>,
    address: &NameAddr<'_>,
    clip: Option<usize>,
    write_uri: impl FnOnce(&mut Json<'_>),
) {
    json.raw("{");
    if let Some(display) = address.display_unquoted()
        && !display.is_empty()
    {
        json.raw(r#""display":"#);
        json.text(clipped(&display, clip));
        json.raw(",");
    }
    if let Some(tag) = address.tag() {
        json.raw(r#""tag":"#);
        json.text(clipped(tag, clip));
        json.raw(",");
    }
    json.raw(r#""uri":"#);
    write_uri(json);
    if clip.is_none() {
        write_params(json, address.params, Some("tag"));
    }
    json.raw("}");
}

/// Contacts that do not parse are left out: the request is routed all the same.
fn write_contacts(json: &mut Json<'_>, request: Message<'_>) {
    json.raw(r#","contact":"#);
    let contacts = request.addresses(HeaderId::Contact).flatten();
    write_list(json, contacts, |json, address| {
        write_address(json, &address, None, |json| {
            write_uri(json, address.uri, None)
        });
    });
}

fn write_headers(json: &mut Json<'_>, request: Message<'_>, names: &[Box<str>]) {
    let mut lead = r#","headers":{"#;
    for name in names {
        let mut values = request.named(name.as_bytes()).peekable();
        if values.peek().is_none() {
            continue;
        }
        json.raw(lead);
        lead = ",";
        json.text(name.as_bytes());
        json.raw(":");
        write_list(json, values, |json, header| json.unfolded(header.value));
    }
    if lead == "," {
        json.raw("}");
    }
}

fn write_body(json: &mut Json<'_>, request: Message<'_>, text: &[u8]) {
    let written = request.header(HeaderId::ContentType);
    let written = written.map_or(&b""[..], |header| header.value);
    let media = written.split(|&b| b == b';').next().unwrap_or_default();
    json.raw(r#","body":{"type":"#);
    json.lower(media.trim_ascii());
    json.raw(r#","text":"#);
    json.text(text);
    json.raw(if text.len() < request.body().len() {
        r#","truncated":true}"#
    } else {
        r#","truncated":false}"#
    });
}

fn write_tried(json: &mut Json<'_>, tried: &[Tried]) {
    // A branch that was cancelled unanswered says nothing about its target.
    let failed = tried.iter().filter(|tried| tried.status >= 300);
    json.raw(r#","tried":"#);
    write_list(json, failed, |json, tried| {
        json.raw(r#"{"uri":"#);
        json.text(tried.uri.as_bytes());
        if let Some((transport, address)) = tried.target.split_once(':') {
            json.raw(r#","dst_uri":"sip:"#);
            json.raw(address);
            if transport != "udp" {
                json.raw(";transport=");
                json.raw(transport);
            }
            json.raw(r#"""#);
        }
        json.raw(r#","status":"#);
        json.number(tried.status);
        if !tried.reason.is_empty() {
            json.raw(r#","reason":"#);
            json.text(tried.reason.as_bytes());
        }
        json.raw(r#","took_ms":"#);
        json.number(millis(tried.took));
        if !tried.contacts.is_empty() {
            json.raw(r#","contacts":"#);
            write_list(json, tried.contacts.iter(), |json, contact| {
                json.text(contact.as_bytes());
            });
        }
        if let Some(gateway) = &tried.gateway {
            // Both are names that need no escape.
            for part in [r#","gateway":""#, gateway.set(), "/", gateway.id(), r#"""#] {
                json.raw(part);
            }
        }
        json.raw("}");
    });
}
