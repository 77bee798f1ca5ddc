//! The Route headers of a received request (RFC 3261 §16.4), read once.

use sigbox_wire::{Essentials, HeaderId, Message, Uri};

use crate::flow::ListenerId;
use crate::plan::Hop;
use crate::settings::Settings;

/// What the Route headers say.
pub(crate) struct RouteHeaders<'a> {
    /// How many leading values name this proxy.
    pub(crate) own: u8,
    /// The socket that the last of those names.
    pub(crate) listener: Option<ListenerId>,
    /// The value after those.
    pub(crate) next: Option<Next<'a>>,
}

/// A Route value that leads elsewhere.
pub(crate) enum Next<'a> {
    /// It is no address.
    Unreadable,
    /// An address; its URI, if that is one.
    Uri(Option<Uri<'a>>),
}

impl<'a> RouteHeaders<'a> {
    pub(crate) fn read(settings: &Settings, request: Message<'a>) -> Self {
        let (mut own, mut listener) = (0, None);
        for route in request.addresses(HeaderId::Route) {
            let next = route.map_or(Next::Unreadable, |route| {
                Next::Uri(route.parsed_uri().ok())
            });
            let named = match &next {
                Next::Uri(Some(uri)) if own < u8::MAX => settings.owns(uri),
                _ => None,
            };
            let Some(named) = named else {
                return Self {
                    own,
                    listener,
                    next: Some(next),
                };
            };
            listener = named.or(listener);
            own += 1;
        }
        Self {
            own,
            listener,
            next: None,
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
