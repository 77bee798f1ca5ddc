//! What rules are held against: a request, the way it came, and when.

use std::cell::OnceCell;
use std::net::IpAddr;

use sigbox_wire::{Message, NameAddr, Uri};

use crate::flow::Flow;
use crate::io::FallbackCause;

/// One request as rules, limits and keys see it. What has to be parsed is parsed once, when
/// something asks.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The request.
    pub request: Message<'a>,
    /// The way it came.
    pub flow: &'a Flow,
    /// Why nobody decided; `None` before anyone was asked.
    pub cause: Option<FallbackCause>,
    /// Unix time, in seconds.
    pub unix_s: i64,
    uri: OnceCell<Option<Uri<'a>>>,
    from: OnceCell<Option<Address<'a>>>,
    to: OnceCell<Option<Address<'a>>>,
}

/// The URI of From or To.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address<'a> {
    /// As written.
    pub(crate) text: &'a [u8],
    pub(crate) uri: Uri<'a>,
}

impl<'a> Facts<'a> {
    /// About `request`, which came by `flow` at `unix_s`.
    pub fn new(
        request: Message<'a>,
        flow: &'a Flow,
        cause: Option<FallbackCause>,
        unix_s: i64,
    ) -> Self {
        Self {
            request,
            flow,
            cause,
            unix_s,
            uri: OnceCell::new(),
            from: OnceCell::new(),
            to: OnceCell::new(),
        }
    }

    /// The Request-URI; `None` when it cannot be read.
    pub(crate) fn uri(&self) -> Option<&Uri<'a>> {
        self.uri.get_or_init(|| self.request.uri().ok()).as_ref()
    }

    /// The URI of From.
    pub(crate) fn from(&self) -> Option<&Address<'a>> {
        let read = || Address::of(self.request.from().ok()?);
        self.from.get_or_init(read).as_ref()
    }

    /// The URI of To.
    pub(crate) fn to(&self) -> Option<&Address<'a>> {
        let read = || Address::of(self.request.to().ok()?);
        self.to.get_or_init(read).as_ref()
    }

    /// Who sent it. An IPv4 address that came in through a dual-stack socket is an IPv4 address.
    pub(crate) fn source(&self) -> IpAddr {
        self.flow.peer.ip().to_canonical()
    }
}

impl<'a> Address<'a> {
    fn of(address: NameAddr<'a>) -> Option<Self> {
        Some(Self {
            text: address.uri,
            uri: address.parsed_uri().ok()?,
        })
    }
}
