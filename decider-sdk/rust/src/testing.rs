//! Asks a decider without NATS: in a test, in the same process, through the same checks as in production.
//!
//! ```
//! use sigbox_decider::{Decider, prelude::*, testing::Harness};
//!
//! fn decider() -> Decider {
//!     Decider::new("lcr", "1.0.0").on(Class::Invite, |call: Call| async move {
//!         match call.request_uri().user() {
//!             Some(user) if user.starts_with("+49") => route(["sip:192.0.2.20"]).because("prefix +49"),
//!             _ => reject(404),
//!         }
//!     })
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let harness = Harness::new(decider());
//! let decision = harness.invite("sip:+4930123@example.com").await;
//! assert_eq!(decision.routes[0].dst_uri.as_deref(), Some("sip:192.0.2.20"));
//! assert_eq!(harness.invite("sip:nobody@example.com").await.status, Some(404));
//! # }
//! ```
//!
//! With tokio's paused clock (`#[tokio::test(start_paused = true)]`) deadlines cost no time.

mod uri;

use std::future::IntoFuture;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt;
use sigbox_contracts::header::Mode;
use sigbox_contracts::query::{Address, EVENT, Endpoint, Transport, Tried};
use sigbox_contracts::{Class, Decision, Limits, Query, VERSION};
use tokio::time::Instant;

use crate::call::Call;
use crate::counters::{Counts, Ending};
use crate::envelope::Envelope;
use crate::handler::{Deciding, Failure};
use crate::lifetime::{Lifetime, Withdrawn};
use crate::reply::{Reply, ReplyTo};
use crate::service::Service;
use crate::worker::within_its_life;
use crate::{Decider, contracts};

pub use uri::uri;

/// A decider under test.
pub struct Harness {
    service: Arc<Service>,
}

/// How a query ended, as the proxy sees it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The document that was sent, as the proxy reads it.
    Decided(Decision),
    /// A NATS service error: the handler failed (500), or its decision was refused (500). The proxy falls back.
    Error {
        /// `Nats-Service-Error-Code`.
        code: u16,
        /// `Nats-Service-Error`.
        text: String,
    },
    /// Nothing was sent, because nobody waited any more.
    Withdrawn(Withdrawn),
}

impl Harness {
    /// Takes the handlers of `decider`; its connection settings have no effect.
    ///
    /// # Panics
    /// If the decider could not start: no handler, two for one class, a bad name or version.
    #[expect(
        clippy::panic,
        reason = "the panic is the failure of the test that uses the harness"
    )]
    pub fn new(decider: Decider) -> Self {
        match decider.into_parts() {
            Ok((service, _)) => Self {
                service: Arc::new(service),
            },
            Err(error) => panic!("this decider cannot start: {error}"),
        }
    }

    /// A query about an INVITE to `request_uri`.
    pub fn invite(&self, request_uri: &str) -> Ask<'_> {
        self.request("INVITE", request_uri)
    }

    /// A query about another request outside a dialog.
    pub fn request(&self, method: &str, request_uri: &str) -> Ask<'_> {
        self.query(query(method, request_uri))
    }

    /// A query as a document, for example one that was recorded. It has the time that its `budget_ms` says.
    pub fn query(&self, query: Query) -> Ask<'_> {
        Ask {
            harness: self,
            query,
            mode: Mode::Live,
        }
    }

    /// What happened to the queries of `class` so far.
    pub fn counts(&self, class: Class) -> Counts {
        let endpoint = self
            .service
            .endpoints
            .iter()
            .find(|endpoint| endpoint.class == class);
        endpoint
            .map(|endpoint| endpoint.counters.counts())
            .unwrap_or_default()
    }
}

/// A query in the making. Awaiting it gives the [`Decision`], and panics if there is none.
#[must_use = "nothing is asked until this is awaited"]
pub struct Ask<'h> {
    harness: &'h Harness,
    query: Query,
    mode: Mode,
}

impl<'h> Ask<'h> {
    /// From, by its URI.
    pub fn from(mut self, caller: &str) -> Self {
        self.query.from = address(caller);
        self
    }

    /// To, by its URI; the Request-URI unless set.
    pub fn to(mut self, callee: &str) -> Self {
        self.query.to = address(callee);
        self
    }

    /// Where the request came from.
    pub fn source(mut self, ip: impl Into<IpAddr>, port: u16) -> Self {
        (self.query.source.ip, self.query.source.port) = (ip.into(), port);
        self
    }

    /// A header that the proxy sends along.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.query
            .headers
            .entry(name.to_ascii_lowercase())
            .or_default()
            .push(value.to_owned());
        self
    }

    /// A route of an earlier decision that ended with `status`; the attempt is one more.
    pub fn tried(mut self, uri: &str, status: u16) -> Self {
        let uri = uri.to_owned();
        self.query.tried.push(Tried {
            uri,
            dst_uri: None,
            status,
            reason: None,
            took_ms: 1,
            contacts: Vec::new(),
            gateway: None,
        });
        self.query.attempt += 1;
        self
    }

    /// Whose call it is.
    pub fn tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.query.tenant);
        self
    }

    /// The time that is left when the query arrives, in whole milliseconds; 5 s unless set.
    pub fn remaining(mut self, time: Duration) -> Self {
        self.query.budget_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Why the query is sent.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Anything else about the query.
    pub fn edit(mut self, edit: impl FnOnce(&mut Query)) -> Self {
        edit(&mut self.query);
        self
    }

    /// Lets the handler run to its first `await` that has to wait, and returns with the query in hand.
    ///
    /// # Panics
    /// If the decider has no handler for the class of the query: the proxy would hear "no responders".
    #[expect(
        clippy::panic,
        reason = "the panic is the failure of the test that uses the harness"
    )]
    pub fn start(self) -> Asked {
        let service = Arc::clone(&self.harness.service);
        let class = self.query.class;
        let Some(index) = service
            .endpoints
            .iter()
            .position(|endpoint| endpoint.class == class)
        else {
            panic!("this decider answers {}, not {class}", service.classes());
        };
        let envelope = Envelope::harness(self.mode);
        let lifetime = Lifetime::new(Instant::now(), Duration::from_millis(self.query.budget_ms));
        let call = Call::new(
            self.query,
            envelope,
            lifetime,
            ReplyTo::Harness(Vec::new().into()),
        );
        let mut asked = Asked {
            service,
            index,
            call,
            work: Work::Dropped,
        };
        let Some(endpoint) = asked.service.endpoints.get(index) else {
            return asked;
        };
        endpoint.counters.request();
        if asked.call.withdrawn().is_some() {
            endpoint.counters.end(Ending::Expired);
            return asked;
        }
        let mut deciding = (endpoint.handler)(asked.call.clone());
        asked.work = match deciding.as_mut().now_or_never() {
            Some(came_to) => Work::Done(came_to),
            None => Work::Busy(deciding),
        };
        asked
    }

    /// How the query ends, whatever that is.
    pub async fn outcome(self) -> Outcome {
        self.start().outcome().await
    }
}

impl<'h> IntoFuture for Ask<'h> {
    type Output = Decision;
    type IntoFuture = Pin<Box<dyn Future<Output = Decision> + Send + 'h>>;

    fn into_future(self) -> Self::IntoFuture {
        let asked = self.start();
        Box::pin(async move {
            let about = format!("{:?}", asked.call);
            asked.outcome().await.into_decision(&about)
        })
    }
}

/// A query in hand.
pub struct Asked {
    service: Arc<Service>,
    index: usize,
    call: Call,
    work: Work,
}

enum Work {
    /// The query had expired when it arrived.
    Dropped,
    Busy(Deciding),
    Done(Result<Decision, Failure>),
}

impl Asked {
    /// The caller hangs up.
    pub fn cancel(&self) {
        self.call.lifetime().cancel();
    }

    /// The `extend`s sent so far, each the time asked for.
    pub fn extended(&self) -> Vec<Duration> {
        let sent = self.call.reply().collected();
        sent.iter()
            .filter_map(|decision| decision.extend_ms)
            .map(Duration::from_millis)
            .collect()
    }

    /// Time left.
    pub fn remaining(&self) -> Duration {
        self.call.remaining()
    }

    /// How the query ends.
    pub async fn outcome(self) -> Outcome {
        let came_to = match self.work {
            Work::Dropped => return Outcome::Withdrawn(Withdrawn::Deadline),
            Work::Done(came_to) => Some(came_to),
            Work::Busy(deciding) => within_its_life(&self.call, deciding).await,
        };
        let Some(endpoint) = self.service.endpoints.get(self.index) else {
            return Outcome::Withdrawn(Withdrawn::Stopped);
        };
        match self
            .service
            .settle(endpoint, &self.call, came_to, &mut BytesMut::new())
        {
            Some(Reply::Decision(document)) => {
                endpoint.counters.end(Ending::Answered);
                match Decision::parse(&document, &Limits::default()) {
                    Ok(decision) => Outcome::Decided(decision),
                    Err(invalid) => Outcome::Error {
                        code: 500,
                        text: invalid.to_string(),
                    },
                }
            }
            Some(Reply::Error { code, text }) => Outcome::Error { code, text },
            None => Outcome::Withdrawn(self.call.withdrawn().unwrap_or(Withdrawn::Deadline)),
        }
    }
}

impl Outcome {
    #[expect(
        clippy::panic,
        reason = "the panic is the failure of the test that uses the harness"
    )]
    fn into_decision(self, about: &str) -> Decision {
        match self {
            Self::Decided(decision) => decision,
            Self::Error { code, text } => {
                panic!("no decision but error {code} {text:?} for {about}")
            }
            Self::Withdrawn(why) => panic!("no decision in time ({why}) for {about}"),
        }
    }
}

/// A query document as the proxy sends it for a plain request.
pub fn query(method: &str, request_uri: &str) -> Query {
    let endpoint = |ip: [u8; 4]| Endpoint {
        ip: IpAddr::from(ip),
        port: 5060,
        transport: Transport::Udp,
        tls: None,
    };
    Query {
        version: VERSION.to_owned(),
        event: EVENT.to_owned(),
        id: "01990000-0000-7000-8000-000000000001".to_owned(),
        node: "test".to_owned(),
        tenant: "default".to_owned(),
        class: Class::of_method(method),
        attempt: 1,
        budget_ms: 5_000,
        source: endpoint([192, 0, 2, 10]),
        local: endpoint([192, 0, 2, 1]),
        method: method.to_owned(),
        call_id: "call-1@192.0.2.10".to_owned(),
        cseq: 1,
        max_forwards: 69,
        user_agent: None,
        request_uri: uri(request_uri),
        from: Address {
            tag: Some("from-1".to_owned()),
            ..address("sip:alice@example.com")
        },
        to: address(request_uri),
        contact: vec![address("sip:alice@192.0.2.10")],
        headers: Default::default(),
        body: None,
        identity: None,
        bindings: Vec::new(),
        tried: Vec::new(),
        cut: Vec::new(),
    }
}

fn address(text: &str) -> contracts::query::Address {
    Address {
        uri: uri(text),
        ..Address::default()
    }
}
