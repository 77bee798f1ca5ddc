use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::HeaderMap;
use sigbox_contracts::Query;
use sigbox_contracts::header::{self, Mode};

/// What the NATS headers of a query say about it: readable without touching the document, which may be 64 kB that
/// nobody waits for any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Envelope {
    id: Option<String>,
    attempt: Option<u32>,
    mode: Option<Mode>,
    traceparent: Option<String>,
    deadline_ms: Option<u64>,
    budget_ms: Option<u64>,
}

impl Envelope {
    pub(crate) fn read(headers: Option<&HeaderMap>) -> Self {
        let Some(headers) = headers else {
            return Self::default();
        };
        let text = |name: &str| headers.get(name).map(async_nats::HeaderValue::as_str);
        let number = |name: &str| text(name).and_then(|value| value.trim().parse::<u64>().ok());
        Self {
            id: text(header::ID).map(str::to_owned),
            attempt: number(header::ATTEMPT).and_then(|n| u32::try_from(n).ok()),
            mode: text(header::MODE).and_then(Mode::parse),
            traceparent: text(header::TRACEPARENT).map(str::to_owned),
            deadline_ms: number(header::DEADLINE),
            budget_ms: number(header::BUDGET_MS),
        }
    }

    /// What a query has that came without NATS.
    pub(crate) fn harness(mode: Mode) -> Self {
        Self {
            mode: Some(mode),
            ..Self::default()
        }
    }

    /// How long ago the deadline was, if it has passed.
    pub(crate) fn late_by(&self, now: SystemTime) -> Option<Duration> {
        let now_ms = unix_ms(now);
        self.deadline_ms
            .filter(|deadline| *deadline <= now_ms)
            .map(|deadline| Duration::from_millis(now_ms - deadline))
    }

    /// Time left. The deadline counts from when the proxy asked, so it includes the way here; but a clock that
    /// lags behind the proxy's must not stretch it past the budget.
    pub(crate) fn remaining(&self, query: &Query, now: SystemTime) -> Duration {
        let budget = self.budget_ms.unwrap_or(query.budget_ms);
        let left = self
            .deadline_ms
            .map_or(budget, |at| at.saturating_sub(unix_ms(now)));
        Duration::from_millis(left.min(budget))
    }

    pub(crate) fn id<'a>(&'a self, query: &'a Query) -> &'a str {
        self.id.as_deref().unwrap_or(&query.id)
    }

    pub(crate) fn attempt(&self, query: &Query) -> u32 {
        self.attempt.unwrap_or(query.attempt)
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode.unwrap_or(Mode::Live)
    }

    pub(crate) fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }
}

fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::query;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn envelope(headers: &[(&str, &str)]) -> Envelope {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, *value);
        }
        Envelope::read(Some(&map))
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(NOW_MS)
    }

    #[test]
    fn headers_win_over_the_document() {
        let query = query("INVITE", "sip:bob@example.com");
        let read = envelope(&[
            ("Sigbox-Id", "0199"),
            ("Sigbox-Attempt", "3"),
            ("Sigbox-Mode", "shadow"),
            ("traceparent", "00-a-b-01"),
        ]);
        assert_eq!(
            (read.id(&query), read.attempt(&query), read.mode()),
            ("0199", 3, Mode::Shadow)
        );
        assert_eq!(read.traceparent(), Some("00-a-b-01"));
        let none = Envelope::read(None);
        assert_eq!(
            (none.id(&query), none.attempt(&query), none.mode()),
            (&*query.id, 1, Mode::Live)
        );
    }

    #[test]
    fn the_deadline_counts_the_way_here_and_the_budget_bounds_it() {
        let query = query("INVITE", "sip:bob@example.com");
        let with = |deadline: u64, budget: &str| {
            envelope(&[
                ("Sigbox-Deadline", &deadline.to_string()),
                ("Sigbox-Budget-Ms", budget),
            ])
        };
        assert_eq!(
            with(NOW_MS + 150, "200")
                .remaining(&query, now())
                .as_millis(),
            150
        );
        assert_eq!(
            with(NOW_MS + 3_600_000, "200")
                .remaining(&query, now())
                .as_millis(),
            200
        );
        assert_eq!(with(NOW_MS + 150, "200").late_by(now()), None);
        assert_eq!(with(NOW_MS, "200").late_by(now()), Some(Duration::ZERO));
        assert_eq!(
            with(NOW_MS - 40, "200").late_by(now()),
            Some(Duration::from_millis(40))
        );
        let odd = envelope(&[("Sigbox-Deadline", "soon"), ("Sigbox-Budget-Ms", "-1")]);
        assert_eq!(odd.late_by(now()), None);
        assert_eq!(
            odd.remaining(&query, now()).as_millis(),
            u128::from(query.budget_ms)
        );
    }
}
