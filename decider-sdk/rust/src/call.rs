use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sigbox_contracts::header::Mode;
use sigbox_contracts::query::{Address, Binding, Body, Endpoint, Identity, Tried, Uri};
use sigbox_contracts::{Action, Class, Decision, Query};

use crate::envelope::Envelope;
use crate::lifetime::{Lifetime, Withdrawn};
use crate::reply::{ReplyTo, Unsent};
use crate::target::millis_up;

/// The request a decider is asked about, with the time left to answer. Cheap to clone.
///
/// What the proxy did not send is `None` or empty; see [`Query`] for what each field holds.
#[derive(Clone)]
pub struct Call {
    inner: Arc<Inner>,
}

struct Inner {
    query: Query,
    envelope: Envelope,
    lifetime: Lifetime,
    reply: ReplyTo,
}

impl Call {
    pub(crate) fn new(
        query: Query,
        envelope: Envelope,
        lifetime: Lifetime,
        reply: ReplyTo,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                query,
                envelope,
                lifetime,
                reply,
            }),
        }
    }

    /// The document as it came.
    pub fn query(&self) -> &Query {
        &self.inner.query
    }

    /// Decision id, the same over all attempts for one transaction, in the proxy's events and in its logs.
    pub fn id(&self) -> &str {
        self.inner.envelope.id(&self.inner.query)
    }

    /// How often the proxy has asked about this transaction, starting at 1. From the second time on,
    /// [`Call::tried`] says what failed.
    pub fn attempt(&self) -> u32 {
        self.inner.envelope.attempt(&self.inner.query)
    }

    /// Why the query was sent: whether a call waits for the answer.
    pub fn mode(&self) -> Mode {
        self.inner.envelope.mode()
    }

    /// W3C trace context of the SIP transaction.
    pub fn traceparent(&self) -> Option<&str> {
        self.inner.envelope.traceparent()
    }

    /// Time left until the proxy decides by itself; zero once it has.
    pub fn remaining(&self) -> Duration {
        self.inner.lifetime.remaining()
    }

    /// Why the answer is not wanted any more, or `None` while it is.
    pub fn withdrawn(&self) -> Option<Withdrawn> {
        self.inner.lifetime.withdrawn()
    }

    /// Resolves when the answer is not wanted any more: the deadline passes, the caller hangs up, or the decider
    /// stops. A handler that is still busy a second later is dropped.
    ///
    /// ```no_run
    /// # use sigbox_decider::prelude::*;
    /// # async fn ask_database(user: &str) -> Answer { pass() }
    /// # async fn handler(call: Call) -> Answer {
    /// tokio::select! {
    ///     answer = ask_database("alice") => answer,
    ///     _ = call.cancelled() => pass(), // never sent: nobody waits for it
    /// }
    /// # }
    /// ```
    pub async fn cancelled(&self) -> Withdrawn {
        self.inner.lifetime.over().await
    }

    /// Asks the proxy to wait until `from_now`, and goes on deciding. The proxy grants it within what its
    /// configuration allows; [`Call::remaining`] counts as if it had.
    ///
    /// # Errors
    /// When the answer is not wanted any more, or NATS cannot be reached in time.
    pub async fn extend(&self, from_now: Duration) -> Result<(), ExtendError> {
        if let Some(why) = self.withdrawn() {
            return Err(ExtendError::Withdrawn(why));
        }
        let decision = Decision {
            extend_ms: Some(millis_up(from_now)),
            ..Decision::new(Action::Extend)
        };
        self.inner.reply.extend(decision, self.remaining()).await?;
        self.inner.lifetime.extend(from_now);
        Ok(())
    }

    /// The class the query was asked under.
    pub fn class(&self) -> Class {
        self.inner.query.class
    }

    /// SIP method.
    pub fn method(&self) -> &str {
        &self.inner.query.method
    }

    /// Whose call it is; `default` unless the proxy serves several tenants.
    pub fn tenant(&self) -> &str {
        &self.inner.query.tenant
    }

    /// The proxy that asks.
    pub fn node(&self) -> &str {
        &self.inner.query.node
    }

    /// Request-URI: who is wanted.
    pub fn request_uri(&self) -> &Uri {
        &self.inner.query.request_uri
    }

    /// From: who says to be calling. Not verified; see [`Call::identity`].
    pub fn from(&self) -> &Address {
        &self.inner.query.from
    }

    /// To: who was dialled at first.
    pub fn to(&self) -> &Address {
        &self.inner.query.to
    }

    /// Contacts, in order.
    pub fn contact(&self) -> &[Address] {
        &self.inner.query.contact
    }

    /// Call-ID.
    pub fn call_id(&self) -> &str {
        &self.inner.query.call_id
    }

    /// Where the request came from.
    pub fn source(&self) -> &Endpoint {
        &self.inner.query.source
    }

    /// The listener of the proxy that received it.
    pub fn local(&self) -> &Endpoint {
        &self.inner.query.local
    }

    /// User-Agent.
    pub fn user_agent(&self) -> Option<&str> {
        self.inner.query.user_agent.as_deref()
    }

    /// First value of a header, if the proxy is configured to send it. The name in any case, but in its long form.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().map(String::as_str)
    }

    /// All values of such a header, in order.
    pub fn headers(&self, name: &str) -> &[String] {
        let headers = &self.inner.query.headers;
        headers
            .get(&name.to_ascii_lowercase())
            .map_or(&[], Vec::as_slice)
    }

    /// Message body, if the proxy is configured to send it.
    pub fn body(&self) -> Option<&Body> {
        self.inner.query.body.as_ref()
    }

    /// Who the caller was proven to be.
    pub fn identity(&self) -> Option<&Identity> {
        self.inner.query.identity.as_ref()
    }

    /// Registered contacts of the Request-URI, best first, if the proxy is configured to send them.
    pub fn bindings(&self) -> &[Binding] {
        &self.inner.query.bindings
    }

    /// Routes of earlier decisions for this transaction and how they ended.
    pub fn tried(&self) -> &[Tried] {
        &self.inner.query.tried
    }

    pub(crate) fn lifetime(&self) -> &Lifetime {
        &self.inner.lifetime
    }

    pub(crate) fn reply(&self) -> &ReplyTo {
        &self.inner.reply
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.id())
            .field("method", &self.method())
            .field("request_uri", &self.request_uri().text)
            .field("attempt", &self.attempt())
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}

/// Why a proxy could not be asked to wait longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtendError {
    /// The answer is not wanted any more.
    #[error("{0}")]
    Withdrawn(Withdrawn),
    /// NATS did not take the message within the time left.
    #[error("{0}")]
    Unsent(#[from] Unsent),
}

/// The parts of a [`Uri`] as borrowed text, which is what a `match` wants.
pub trait UriExt {
    /// User part with escapes resolved; for `tel` the number.
    fn user(&self) -> Option<&str>;
    /// Host in lower case; IPv6 without brackets.
    fn host(&self) -> Option<&str>;
    /// Value of a URI parameter, `""` if it has none; the name in lower case.
    fn param(&self, name: &str) -> Option<&str>;
}

impl UriExt for Uri {
    fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }
}
