//! Writes the routing query of a suspended request.
//!
//! The document is written straight from the received bytes into a reused buffer: no field is copied
//! into a `String` first. Its shape is [`sigbox_contracts::Query`]; a test reads it back as one.

use std::net::{IpAddr, SocketAddr};

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use sigbox_contracts::query::EVENT;
use sigbox_core::{Listener, Suspended, Tried};
use sigbox_wire::{HeaderId, Message, NameAddr};

use super::text::{Lower, Text, Unfolded};
use super::uri::{Params, UriView};

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
        request_uri: UriView::of(request.request_uri()),
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
    request_uri: UriView<'a>,
    from: NameAddr<'a>,
    to: NameAddr<'a>,
    cseq: u32,
    max_forwards: u8,
    cut: Cut,
}

impl View<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        // Writing to memory cannot fail, and every key is a string.
        if serde_json::to_writer(&mut *out, self).is_err() {
            out.clear();
        }
    }

    fn text<'t>(&self, bytes: &'t [u8]) -> Text<'t> {
        Text(clip(bytes, self.cut.clip))
    }

    fn address<'v>(&self, address: &'v NameAddr<'v>) -> AddressView<'v> {
        AddressView {
            address,
            clip: self.cut.clip,
        }
    }
}

fn clip(bytes: &[u8], to: Option<usize>) -> &[u8] {
    &bytes[..bytes.len().min(to.unwrap_or(usize::MAX))]
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            suspended,
            options,
            cut,
            ..
        } = self;
        let request = suspended.request;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", sigbox_contracts::VERSION)?;
        map.serialize_entry("event", EVENT)?;
        map.serialize_entry("id", &Shown(suspended.id))?;
        map.serialize_entry("node", &options.node)?;
        map.serialize_entry("tenant", &**suspended.tenant)?;
        map.serialize_entry("class", suspended.class.slug())?;
        map.serialize_entry("attempt", &suspended.attempt)?;
        map.serialize_entry("budget_ms", &millis(suspended.budget))?;
        let transport = suspended.flow.transport.name();
        map.serialize_entry(
            "source",
            &Endpoint {
                address: suspended.flow.peer,
                transport,
            },
        )?;
        let address = self.local.address;
        map.serialize_entry("local", &Endpoint { address, transport })?;
        map.serialize_entry("method", &self.text(request.method().as_bytes()))?;
        map.serialize_entry("call_id", &self.text(request.call_id()))?;
        map.serialize_entry("cseq", &self.cseq)?;
        map.serialize_entry("max_forwards", &self.max_forwards)?;
        if let Some(agent) = request.header(HeaderId::UserAgent).filter(|_| !cut.rest) {
            map.serialize_entry("user_agent", &Unfolded(agent.value))?;
        }
        map.serialize_entry("request_uri", &self.request_uri.clipped(cut.clip))?;
        map.serialize_entry("from", &self.address(&self.from))?;
        map.serialize_entry("to", &self.address(&self.to))?;
        if !cut.rest && request.header(HeaderId::Contact).is_some() {
            map.serialize_entry("contact", &Contacts(request))?;
        }
        if !cut.headers && options.headers.iter().any(|name| has(request, name)) {
            map.serialize_entry(
                "headers",
                &Headers {
                    request,
                    names: &options.headers,
                },
            )?;
        }
        let body = request.body();
        if options.body && !body.is_empty() && cut.body != Some(0) {
            map.serialize_entry(
                "body",
                &Body {
                    request,
                    text: clip(body, cut.body),
                },
            )?;
        }
        if !suspended.tried.is_empty() {
            map.serialize_entry("tried", &TriedList(suspended.tried))?;
        }
        if *cut != Cut::default() {
            map.serialize_entry("cut", &CutNames(self))?;
        }
        map.end()
    }
}

/// A span of time in whole milliseconds.
pub(crate) fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Serialises by `Display`, without an intermediate `String`.
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

struct Endpoint {
    address: SocketAddr,
    transport: &'static str,
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        // An IPv4 caller on a dual-stack socket is shown as the IPv4 caller it is.
        let ip: IpAddr = self.address.ip().to_canonical();
        map.serialize_entry("ip", &Shown(ip))?;
        map.serialize_entry("port", &self.address.port())?;
        map.serialize_entry("transport", self.transport)?;
        map.end()
    }
}

struct AddressView<'a> {
    address: &'a NameAddr<'a>,
    clip: Option<usize>,
}

impl Serialize for AddressView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let display = self.address.display_unquoted();
        if let Some(display) = display.filter(|display| !display.is_empty()) {
            map.serialize_entry("display", &Text(clip(&display, self.clip)))?;
        }
        if let Some(tag) = self.address.tag() {
            map.serialize_entry("tag", &Text(clip(tag, self.clip)))?;
        }
        map.serialize_entry("uri", &UriView::of(self.address.uri).clipped(self.clip))?;
        if self.clip.is_none() {
            let params = Params::new(self.address.params).without("tag");
            if !params.is_empty() {
                map.serialize_entry("params", &params)?;
            }
        }
        map.end()
    }
}

/// Contacts that do not parse are left out: the request is routed all the same.
struct Contacts<'a>(Message<'a>);

impl Serialize for Contacts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for address in self.0.addresses(HeaderId::Contact).flatten() {
            list.serialize_element(&AddressView {
                address: &address,
                clip: None,
            })?;
        }
        list.end()
    }
}

fn has(request: Message<'_>, name: &str) -> bool {
    request.named(name.as_bytes()).next().is_some()
}

struct Headers<'a> {
    request: Message<'a>,
    names: &'a [Box<str>],
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in self.names.iter().filter(|name| has(self.request, name)) {
            map.serialize_entry(
                &**name,
                &Values {
                    request: self.request,
                    name,
                },
            )?;
        }
        map.end()
    }
}

struct Values<'a> {
    request: Message<'a>,
    name: &'a str,
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.request
                .named(self.name.as_bytes())
                .map(|header| Unfolded(header.value)),
        )
    }
}

struct Body<'a> {
    request: Message<'a>,
    text: &'a [u8],
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        let written = self
            .request
            .header(HeaderId::ContentType)
            .map_or(&b""[..], |h| h.value);
        let media = written.split(|&b| b == b';').next().unwrap_or_default();
        map.serialize_entry("type", &Lower(media.trim_ascii()))?;
        map.serialize_entry("text", &Text(self.text))?;
        map.serialize_entry("truncated", &(self.text.len() < self.request.body().len()))?;
        map.end()
    }
}

struct TriedList<'a>(&'a [Tried]);

impl Serialize for TriedList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A branch that was cancelled unanswered says nothing about its target.
        let failed = self.0.iter().filter(|tried| tried.status >= 300);
        serializer.collect_seq(failed.map(TriedView))
    }
}

struct TriedView<'a>(&'a Tried);

impl Serialize for TriedView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(tried) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("uri", &tried.uri)?;
        if let Some((transport, address)) = tried.target.split_once(':') {
            if transport == "udp" {
                map.serialize_entry("dst_uri", &Shown(format_args!("sip:{address}")))?;
            } else {
                let uri = format_args!("sip:{address};transport={transport}");
                map.serialize_entry("dst_uri", &Shown(uri))?;
            }
        }
        map.serialize_entry("status", &tried.status)?;
        if !tried.reason.is_empty() {
            map.serialize_entry("reason", &tried.reason)?;
        }
        map.serialize_entry("took_ms", &millis(tried.took))?;
        map.end()
    }
}

struct CutNames<'a>(&'a View<'a>);

impl Serialize for CutNames<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let View {
            cut,
            options,
            suspended,
            ..
        } = self.0;
        let request = suspended.request;
        let has_header = |id| request.header(id).is_some();
        let headers = options.headers.iter().any(|name| has(request, name));
        let names = [
            (
                "body",
                cut.body.is_some() && options.body && !request.body().is_empty(),
            ),
            ("headers", cut.headers && headers),
            ("contact", cut.rest && has_header(HeaderId::Contact)),
            ("user_agent", cut.rest && has_header(HeaderId::UserAgent)),
            ("request_uri", cut.clip.is_some()),
            ("from", cut.clip.is_some()),
            ("to", cut.clip.is_some()),
            ("call_id", cut.clip.is_some()),
        ];
        serializer.collect_seq(names.iter().filter(|(_, gone)| *gone).map(|(name, _)| name))
    }
}
