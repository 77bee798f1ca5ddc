//! A report for people.

use std::fmt;

use crate::latency::Quantiles;
use crate::report::{AnswererReport, CallerReport, Report};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for caller in self.caller.iter().chain(&self.beside) {
            caller.fmt(f)?;
        }
        if let Some(answerer) = &self.answerer {
            answerer.fmt(f)?;
        }
        if self.lost_here > 0 {
            writeln!(
                f,
                "too slow: {} datagrams found its sockets full",
                self.lost_here
            )?;
        }
        let cost = self.cost;
        writeln!(
            f,
            "own cost: {:.1} us per call (user {:.2} s, system {:.2} s)",
            cost.per_call_us, cost.user_s, cost.system_s
        )
    }
}

impl fmt::Display for CallerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = &self.calls;
        writeln!(
            f,
            "caller: {} at {}/s to {}, {:.1} s",
            self.scenario, self.rate, self.target, self.took_s
        )?;
        writeln!(
            f,
            "  calls      {} planned, {} completed, {} refused, {} failed, {} unfinished, {} not started",
            calls.planned,
            calls.completed,
            calls.refused,
            calls.failed,
            calls.unfinished,
            calls.not_started
        )?;
        writeln!(
            f,
            "  disturbed  {} calls ({} lost or repeated, {} with 180 after 200)",
            calls.disturbed, calls.lost_or_repeated, calls.reordered
        )?;
        let ends = &self.endings;
        if ends.cancels > 0 {
            writeln!(
                f,
                "  CANCEL     {} of {} took effect",
                ends.cancelled, ends.cancels
            )?;
        }
        if ends.ended < ends.byes {
            writeln!(f, "  BYE        {} of {} answered", ends.ended, ends.byes)?;
        }
        list(f, "failures", self.failures.iter())?;
        list(f, "responses", self.responses.iter())?;
        list(f, "sent again", self.retransmissions_sent.iter())?;
        let events = [
            ("finals again", self.retransmissions_seen),
            ("second answers", self.second_answers),
            ("stray", self.stray),
            ("foreign", self.foreign),
        ];
        odd(f, &events)?;
        let latency = &self.latency;
        quantiles(f, "INVITE-180", latency.invite_to_180)?;
        quantiles(f, "INVITE-200", latency.invite_to_200)?;
        quantiles(f, "refusal", latency.invite_to_refusal)?;
        quantiles(f, "BYE-200", latency.bye)?;
        quantiles(f, "request", latency.request)?;
        quantiles(f, "own lag", latency.generator_lag)
    }
}

impl fmt::Display for AnswererReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "called: {}", self.listeners.join(", "))?;
        writeln!(
            f,
            "  calls      {} invited, {} established, {} ended, {} cancelled, {} refused, {} other requests",
            self.invites, self.established, self.ended, self.cancelled, self.refused, self.requests
        )?;
        list(f, "seen again", self.retransmissions_seen.iter())?;
        let events = [
            ("finals sent again", self.retransmissions_sent),
            ("unacknowledged", self.unacknowledged),
            ("BYE before ACK", self.bye_before_ack),
            ("dropped", self.dropped),
            ("stray", self.stray),
            ("foreign", self.foreign),
        ];
        odd(f, &events)?;
        quantiles(f, "arrival", self.latency.invite_arrival)?;
        quantiles(f, "setup", self.latency.setup)
    }
}

fn list<'a>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    counts: impl Iterator<Item = (impl fmt::Display, &'a u64)>,
) -> fmt::Result {
    let counts: Vec<_> = counts
        .map(|(name, count)| format!("{name}: {count}"))
        .collect();
    if counts.is_empty() {
        return Ok(());
    }
    writeln!(f, "  {title:<10} {}", counts.join(", "))
}

/// Counts that are zero when all goes well.
fn odd(f: &mut fmt::Formatter<'_>, events: &[(&str, u64)]) -> fmt::Result {
    let seen = events.iter().filter(|(_, count)| *count > 0);
    list(f, "odd", seen.map(|(name, count)| (name, count)))
}

fn quantiles(f: &mut fmt::Formatter<'_>, title: &str, quantiles: Option<Quantiles>) -> fmt::Result {
    let Some(latency) = quantiles else {
        return Ok(());
    };
    let ms = |us: f64| us / 1e3;
    writeln!(
        f,
        "  {title:<10} p50 {:.3}  p90 {:.3}  p99 {:.3}  p99.9 {:.3}  max {:.3} ms",
        ms(latency.p50_us),
        ms(latency.p90_us),
        ms(latency.p99_us),
        ms(latency.p999_us),
        ms(latency.max_us)
    )
}
