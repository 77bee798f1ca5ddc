//! What the log has to say about the deciders on one query subject: a line when they begin to fail,
//! one when they fail in another way, one when they answer again. Nothing in between.
//!
//! Deciders that fail now and then would still change state with every call, so that the lines are
//! rationed: a few at once, then one in a while. A change nobody was told of is made up for by the
//! next outcome.

use std::time::Duration;

use sigbox_contracts::{Invalid, InvalidReason};
use sigbox_core::{FallbackCause, Instant};

/// How a query failed through the deciders.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failure<'a> {
    /// Nobody listens on the subject.
    NoResponders,
    /// Nobody answered within the budget.
    Timeout,
    /// The decider's own error: code and text.
    ServiceError(&'a str),
    /// The answer is no decision.
    Invalid(&'a Invalid),
}

impl Failure<'_> {
    /// What the fallback rules are told.
    pub(super) fn cause(&self) -> FallbackCause {
        match self {
            Self::NoResponders => FallbackCause::NoResponders,
            Self::Timeout => FallbackCause::Timeout,
            Self::ServiceError(_) => FallbackCause::ServiceError,
            Self::Invalid(_) => FallbackCause::Invalid,
        }
    }

    /// The cause, with what the decider said or did wrong.
    pub(super) fn why(&self) -> String {
        let cause = self.cause().label();
        match self {
            Self::NoResponders | Self::Timeout => cause.to_owned(),
            Self::ServiceError(error) => format!("{cause}: {error}"),
            Self::Invalid(refusal) => format!("{cause}: {refusal}"),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(refusal) => (self.cause(), Some(refusal.reason)),
            _ => (self.cause(), None),
        }
    }
}

/// Failures of one kind are one state.
type Kind = (FallbackCause, Option<InvalidReason>);

/// What the log knows about one subject.
#[derive(Debug)]
pub(super) struct Trouble {
    said: Option<Kind>,
    lines: u32,
    earned: Instant,
}

/// How many lines may be written at once.
const BURST: u32 = 10;
/// How long it takes to earn another one.
const PER_LINE: Duration = Duration::from_secs(10);

impl Trouble {
    pub(super) fn none() -> Self {
        Self {
            said: None,
            lines: BURST,
            earned: Instant::ZERO,
        }
    }

    /// Takes note of an outcome, `None` when it was a valid answer. Whether it is to be logged.
    pub(super) fn note(&mut self, now: Instant, failure: Option<&Failure<'_>>) -> bool {
        let kind = failure.map(Failure::kind);
        if kind == self.said || !self.may_say(now) {
            return false;
        }
        self.said = kind;
        true
    }

    fn may_say(&mut self, now: Instant) -> bool {
        let earned = (now - self.earned).as_secs() / PER_LINE.as_secs();
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.lines = self.lines.saturating_add(earned).min(BURST);
            self.earned = now;
        }
        let Some(left) = self.lines.checked_sub(1) else {
            return false;
        };
        self.lines = left;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILURES: [Failure<'static>; 3] = [
        Failure::NoResponders,
        Failure::Timeout,
        Failure::ServiceError("500 x"),
    ];

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn only_a_change_is_said() {
        let mut trouble = Trouble::none();
        assert!(!trouble.note(at(0), None), "that was expected");
        for failure in &FAILURES {
            assert!(trouble.note(at(0), Some(failure)), "{failure:?}");
            for _ in 0..100 {
                assert!(!trouble.note(at(0), Some(failure)), "{failure:?}");
            }
        }
        assert!(!trouble.note(at(0), Some(&Failure::ServiceError("500 y"))));
        assert!(trouble.note(at(0), None));
        assert!(!trouble.note(at(0), None));
    }

    #[test]
    fn deciders_that_fail_now_and_then_fill_no_log() {
        let mut trouble = Trouble::none();
        let mut lines = 0;
        for second in 0..100 {
            for _ in 0..100 {
                lines += u32::from(trouble.note(at(second), Some(&Failure::Timeout)));
                lines += u32::from(trouble.note(at(second), None));
            }
        }
        assert!((15..=20).contains(&lines), "{lines}");
        // Nobody was told that they answer; the next answer does.
        while !trouble.note(at(1_000), Some(&Failure::Timeout)) {
            assert!(trouble.note(at(1_000), None));
        }
        assert!(trouble.note(at(1_000), None));
    }
}
