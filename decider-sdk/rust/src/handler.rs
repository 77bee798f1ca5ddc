use std::any::Any;
use std::fmt::Display;
use std::future::{Future, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use futures_util::FutureExt;
use sigbox_contracts::Decision;

use crate::{Answer, Call};

/// What a handler may return: an [`Answer`], a [`Decision`], or a `Result` of one of them. An `Err` is answered with
/// NATS service error 500 and its one-line text, and the proxy falls back.
pub trait IntoReply {
    /// The decision, or what went wrong.
    fn into_reply(self) -> Result<Decision, Failure>;
}

/// Why a handler has no decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For the proxy: what its events show.
    text: String,
    /// For the log of the decider: with causes, if the error has any to show.
    detail: String,
}

impl Failure {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    fn panic(payload: &(dyn Any + Send)) -> Self {
        let what = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no text");
        // A panic's text was not written for another company's proxy to read.
        Self {
            text: "handler panicked".to_owned(),
            detail: format!("handler panicked: {what}"),
        }
    }
}

impl<E: Display> From<E> for Failure {
    fn from(error: E) -> Self {
        // `{:#}` is how anyhow and eyre print the causes.
        Self {
            text: error.to_string(),
            detail: format!("{error:#}"),
        }
    }
}

impl IntoReply for Answer {
    fn into_reply(self) -> Result<Decision, Failure> {
        Ok(self.into())
    }
}

impl IntoReply for Decision {
    fn into_reply(self) -> Result<Decision, Failure> {
        Ok(self)
    }
}

impl<T: IntoReply, E: Display> IntoReply for Result<T, E> {
    fn into_reply(self) -> Result<Decision, Failure> {
        self?.into_reply()
    }
}

/// A handler at work.
pub(crate) type Deciding = Pin<Box<dyn Future<Output = Result<Decision, Failure>> + Send>>;

/// A handler whose types are forgotten.
pub(crate) type Handler = Box<dyn Fn(Call) -> Deciding + Send + Sync>;

/// Forgets the types of a handler, and turns its panics into failures.
pub(crate) fn erase<H, F>(handler: H) -> Handler
where
    H: Fn(Call) -> F + Send + Sync + 'static,
    F: Future<Output: IntoReply> + Send + 'static,
{
    // The state a handler shares between calls may be broken by its panic. That is the handler's to guard, as it is
    // in a thread of its own: other calls go on.
    Box::new(
        move |call| match catch_unwind(AssertUnwindSafe(|| handler(call))) {
            Ok(deciding) => Box::pin(AssertUnwindSafe(deciding).catch_unwind().map(
                |end| match end {
                    Ok(reply) => reply.into_reply(),
                    Err(payload) => Err(Failure::panic(&*payload)),
                },
            )),
            Err(payload) => Box::pin(ready(Err(Failure::panic(&*payload)))),
        },
    )
}
