//! The Route headers of a received request (RFC 3261 §16.4), read once, and what becomes of them.

use sigbox_wire::{Essentials, HeaderId, Host, Malformed, Message, NameAddr, Scheme, Splicer, Uri};
use smallvec::SmallVec;

use crate::flow::ListenerId;
use crate::parties;
use crate::plan::Hop;
use crate::settings::{Listener, Settings};

/// What the Route headers say.
pub(crate) struct RouteHeaders<'a> {
    /// How many leading values name this proxy.
    pub(crate) own: u8,
    /// The socket that the last of those names.
    pub(crate) listener: Option<ListenerId>,
    /// The value after those.
    pub(crate) next: Option<Next<'a>>,
    /// What ours say about rewritten From and To.
    pub(crate) parties: SmallVec<[&'a [u8]; 1]>,
}

/// A Route value that leads elsewhere.
pub(crate) enum Next<'a> {
    /// It is no address.
    Unreadable,
    /// An address; its URI, if that is one.
    Uri(Option<Uri<'a>>),
}

/// Whether what each listener records as its Route names this proxy, and if so by which socket.
pub(crate) struct Recorded(Box<[Option<Option<ListenerId>>]>);

impl Recorded {
    pub(crate) fn by(settings: &Settings) -> Self {
        let owner = |listener: &Listener| {
            let route = NameAddr::parse(listener.record_route_value()).ok()?;
            settings.owns(&route.parsed_uri().ok()?)
        };
        Self(settings.listeners.iter().map(owner).collect())
    }

    /// What is known of a Route header that has to the letter what this listener recorded.
    fn owner(
        &self,
        settings: &Settings,
        listener: ListenerId,
        value: &[u8],
    ) -> Option<Option<ListenerId>> {
        let recorded = settings.listener(listener)?.record_route_value();
        let known = self.0.get(usize::from(listener.0)).copied().flatten();
        known.filter(|_| recorded == value)
    }
}

impl<'a> RouteHeaders<'a> {
    /// Reads the headers of a request that came in by `incoming`.
    pub(crate) fn read(
        settings: &Settings,
        recorded: &Recorded,
        incoming: ListenerId,
        request: Message<'a>,
    ) -> Self {
        let first = request.header(HeaderId::Route);
        let as_recorded = first.and_then(|route| recorded.owner(settings, incoming, route.value));
        match as_recorded {
            Some(listener) => {
                let others = request.addresses_below_first_line(HeaderId::Route);
                Self::follow(settings, 1, listener, others)
            }
            None => Self::follow(settings, 0, None, request.addresses(HeaderId::Route)),
        }
    }

    /// Goes on after `own` values, the last of which named `listener`.
    fn follow(
        settings: &Settings,
        mut own: u8,
        mut listener: Option<ListenerId>,
        others: impl Iterator<Item = Result<NameAddr<'a>, Malformed>>,
    ) -> Self {
        let mut parties = SmallVec::new();
        for route in others {
            let next = route.map_or(Next::Unreadable, |route| Next::Uri(route.parsed_uri().ok()));
            let named = match &next {
                Next::Uri(Some(uri)) if own < u8::MAX => settings.owns(uri),
                _ => None,
            };
            let Some(named) = named else {
                return Self {
                    own,
                    listener,
                    next: Some(next),
                    parties,
                };
            };
            if let Next::Uri(Some(uri)) = &next {
                parties.extend(uri.param(parties::PARAM).flatten());
            }
            listener = named.or(listener);
            own += 1;
        }
        Self {
            own,
            listener,
            next: None,
            parties,
        }
    }

    /// Where a request with these goes (RFC 3261 §16.6 steps 6 and 7).
    pub(crate) fn hop(&self, read: &Essentials<'_>) -> Option<Hop> {
        let uri = match &self.next {
            None => read.uri.as_ref(),
            Some(Next::Uri(uri)) => uri.as_ref(),
            Some(Next::Unreadable) => None,
        };
        Hop::of(uri?).ok()?
    }
}

/// Takes the first `count` Route values away. When the next one is a strict router's, it changes places with the
/// Request-URI, which becomes the last (RFC 3261 §16.6 step 6).
pub(crate) fn edit_routes(splicer: &mut Splicer, request: Message<'_>, count: usize) {
    if count == 0 || !request.has(HeaderId::Route) {
        return;
    }
    let routes = request.addresses(HeaderId::Route).skip(count).flatten();
    let mut kept = routes.peekable();
    let strict = kept.next_if(is_strict);
    if let Some(strict) = &strict {
        splicer.replace(request.request_uri_range(), |out| {
            out.extend_from_slice(strict.uri);
        });
    }
    replace_routes(splicer, request, |out| {
        kept.for_each(|route| write_route(route.raw, out));
        if strict.is_some() {
            write_route(&[b"<", request.request_uri(), b">"].concat(), out);
        }
    });
}

/// Whether the Request-URI is one that this proxy recorded as its Route: then a strict router sent it.
pub(crate) fn is_from_strict_router(settings: &Settings, request: Message<'_>) -> bool {
    let is_recorded = |listener: &Listener| {
        let recorded = listener.record_route_value();
        let uri = recorded.get(1..recorded.len().saturating_sub(1));
        let rest = uri.and_then(|uri| request.request_uri().strip_prefix(uri));
        // Perhaps with a parameter of ours.
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b";"))
    };
    request.has(HeaderId::Route) && settings.listeners.iter().any(is_recorded)
}

/// A request from a strict router as a loose one would have sent it: the last Route value is the Request-URI again
/// (RFC 3261 §16.4), and what stood in its place the first Route. `None` when that value is no address.
pub(crate) fn straightened(splicer: &mut Splicer, request: Message<'_>) -> Option<Vec<u8>> {
    let routes = || request.addresses(HeaderId::Route);
    let last = routes().last()?.ok()?;
    let others = routes().count() - 1;
    splicer.clear();
    splicer.replace(request.request_uri_range(), |out| {
        out.extend_from_slice(last.uri);
    });
    replace_routes(splicer, request, |out| {
        write_route(&[b"<", request.request_uri(), b">"].concat(), out);
        let kept = routes().take(others).flatten();
        kept.for_each(|route| write_route(route.raw, out));
    });
    let mut text = Vec::with_capacity(request.raw().len());
    splicer.finish(request.raw(), &mut text);
    Some(text)
}

/// The Request-URI of a request whose maddr names this proxy.
fn own_maddr<'m>(settings: &Settings, request: Message<'m>) -> Option<Uri<'m>> {
    const MADDR: &[u8] = b";maddr=";
    // Most have no parameters at all, and this is asked of every request.
    let uri = request.request_uri();
    let params = &uri[uri.iter().position(|byte| *byte == b';')?..];
    let mut starts = params.windows(MADDR.len());
    if !starts.any(|text| text[0] == b';' && text.eq_ignore_ascii_case(MADDR)) {
        return None;
    }
    let uri = request.uri().ok()?;
    let host = Host::parse(uri.param("maddr").flatten()?).ok();
    settings.owns(&Uri { host, ..uri })?;
    Some(uri)
}

/// A request that was sent here by its maddr as it goes on: without that, and without the port and
/// transport that went with it (RFC 3261 §16.4). `None` when it has no such maddr.
pub(crate) fn without_own_maddr(
    settings: &Settings,
    splicer: &mut Splicer,
    request: Message<'_>,
) -> Option<Vec<u8>> {
    let uri = own_maddr(settings, request)?;
    splicer.clear();
    splicer.replace(request.request_uri_range(), |out| {
        let scheme: &[u8] = if uri.scheme == Scheme::Sips {
            b"sips:"
        } else {
            b"sip:"
        };
        out.extend_from_slice(scheme);
        if let Some(user) = uri.user {
            out.extend_from_slice(user);
            if let Some(password) = uri.password {
                out.push(b':');
                out.extend_from_slice(password);
            }
            out.push(b'@');
        }
        if let Some(host) = uri.host {
            out.extend_from_slice(host.to_string().as_bytes());
        }
        for (name, value) in uri.params {
            if name.eq_ignore_ascii_case(b"maddr") || name.eq_ignore_ascii_case(b"transport") {
                continue;
            }
            out.push(b';');
            out.extend_from_slice(name);
            if let Some(value) = value {
                out.push(b'=');
                out.extend_from_slice(value);
            }
        }
        if let Some(headers) = uri.headers {
            out.push(b'?');
            out.extend_from_slice(headers);
        }
    });
    let mut text = Vec::with_capacity(request.raw().len());
    splicer.finish(request.raw(), &mut text);
    Some(text)
}

/// A URI without `lr`.
fn is_strict(route: &NameAddr<'_>) -> bool {
    let uri = route.parsed_uri();
    uri.is_ok_and(|uri| uri.param("lr").is_none())
}

/// Puts what `write` writes in place of all Route headers.
fn replace_routes(splicer: &mut Splicer, request: Message<'_>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut lines = request
        .all(HeaderId::Route)
        .map(|header| header.line.clone());
    if let Some(first) = lines.next() {
        splicer.replace(first, write);
    }
    lines.for_each(|line| {
        splicer.remove(line);
    });
}

fn write_route(value: &[u8], out: &mut Vec<u8>) {
    for part in [b"Route: ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use sigbox_wire::{Index, Limits};

    use super::*;
    use crate::flow::Transport;

    /// With what was recorded known, and without.
    fn read(settings: &Settings, routes: &str) -> [(u8, Option<ListenerId>, bool); 2] {
        let text = format!("BYE sip:a@b SIP/2.0\r\n{routes}\r\n");
        let mut index = Index::default();
        index.parse(text.as_bytes(), &Limits::default()).unwrap();
        let request = Message::new(text.as_bytes(), &index);
        [Recorded::by(settings), Recorded(Box::default())].map(|recorded| {
            let read = RouteHeaders::read(settings, &recorded, ListenerId(1), request);
            (read.own, read.listener, read.next.is_some())
        })
    }

    #[test]
    fn a_route_known_by_its_letters_is_the_one_that_is_parsed() {
        let listener = |transport, port: u16, advertised: Option<&str>| {
            let advertised = advertised.map(|host| (host.into(), port));
            Listener::new(transport, ([192, 0, 2, 1], port).into(), advertised)
        };
        for listeners in [
            vec![
                listener(Transport::Udp, 5060, None),
                listener(Transport::Udp, 5070, None),
            ],
            vec![
                listener(Transport::Udp, 5060, Some("sip.example.com")),
                listener(Transport::Udp, 5060, Some("SIP.example.com")),
            ],
            vec![
                listener(Transport::Udp, 5060, None),
                listener(Transport::Tcp, 5060, None),
            ],
            vec![listener(Transport::Udp, 5060, None)],
            vec![
                listener(Transport::Udp, 5060, None),
                listener(Transport::Udp, 5060, Some("no host")),
            ],
        ] {
            let settings = Settings {
                listeners,
                ..Settings::default()
            };
            for own in settings.listeners.iter().map(Listener::record_route_value) {
                let own = String::from_utf8_lossy(own);
                for routes in [
                    format!("Route: {own}\r\n"),
                    format!("Route: {own}, <sip:c;lr>\r\n"),
                    format!("Route: {own}\r\nRoute: <sip:c;lr>\r\nRoute: {own}\r\n"),
                    format!("Route: {own};x=y\r\nRoute: {own}\r\n"),
                    format!("Route: {own}\r\nRoute: {own}\r\nRoute: ,\r\n"),
                ] {
                    let [known, parsed] = read(&settings, &routes);
                    assert_eq!(known, parsed, "{routes}");
                }
            }
        }
    }
}
