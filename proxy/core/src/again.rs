//! Requests that come again, though not as retransmissions: loops, spirals, and one request by two paths.

use sigbox_wire::{Essentials, HeaderId, Message, Via};

use crate::core::Core;
use crate::secret::Fingerprint;
use crate::slots::Slot;

/// What routing depends on besides the Request-URI (RFC 3261 §16.6 step 8).
const ROUTING: [HeaderId; 3] = [
    HeaderId::Route,
    HeaderId::ProxyRequire,
    HeaderId::ProxyAuthorization,
];

impl Core {
    /// Whether this request went out from here and came back with nothing changed that routing depends on (RFC 3261 §16.3
    /// step 4, RFC 5393 §4.2). One that comes back otherwise is a spiral, and welcome.
    ///
    /// The Via that was put on it names the transaction that sent it, which is still there: so it is that request itself
    /// which is compared, and nothing has to be hashed into the branch.
    pub(crate) fn is_loop(&self, request: Message<'_>, read: &Essentials<'_>) -> bool {
        let sent_here = |via: &Via<'_>| {
            let slot = self
                .token_of(via)
                .and_then(|token| self.store_ref().slot(token.key));
            match slot {
                Some(Slot::Live(Some(context))) => is_routed_alike(context.message(), request),
                _ => false,
            }
        };
        // Most requests come from a phone, and have its Via alone, which was read already.
        let mut lines = request.all(HeaderId::Via).map(|header| header.value);
        let is_alone = lines.next() == Some(read.via.raw) && lines.next().is_none();
        if is_alone {
            sent_here(&read.via)
        } else {
            request.vias().flatten().any(|via| sent_here(&via))
        }
    }

    /// What makes two requests one that came by two paths (RFC 3261 §8.2.2.2), each with a branch of its own. A proxy
    /// before this one may fork a request to several URIs here, so the Request-URI counts as well.
    pub(crate) fn request_id(
        &mut self,
        request: Message<'_>,
        read: &Essentials<'_>,
    ) -> Fingerprint {
        let (id, ()) = self.fingerprint_of(|parts| {
            parts.add(request.method().as_bytes());
            parts.add(request.request_uri());
            parts.add(request.call_id());
            parts.add(read.from.tag().unwrap_or_default());
            parts.add(&read.cseq.number.to_be_bytes());
        });
        id
    }
}

fn is_routed_alike(one: Message<'_>, other: Message<'_>) -> bool {
    one.method() == other.method()
        && one.request_uri() == other.request_uri()
        && one.call_id() == other.call_id()
        && one.cseq().ok().map(|cseq| cseq.number) == other.cseq().ok().map(|cseq| cseq.number)
        && tags(one) == tags(other)
        && ROUTING
            .iter()
            .all(|id| values(one, *id).eq(values(other, *id)))
}

fn values<'m>(message: Message<'m>, id: HeaderId) -> impl Iterator<Item = &'m [u8]> {
    message.all(id).map(|header| header.value)
}

/// Of From and To, as far as there are any.
fn tags(message: Message<'_>) -> [Option<&[u8]>; 2] {
    [message.from(), message.to()].map(|party| party.ok()?.tag())
}
