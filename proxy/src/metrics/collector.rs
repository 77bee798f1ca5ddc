//! Adds the shards' numbers up and writes them as metrics.

use std::fmt;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use sigbox_contracts::InvalidReason;
use sigbox_core::{Counter, Gauge};

use super::gateways;
use super::histogram::Total;
use super::receive_buffers::ReceiveBuffers;
use super::shard::ShardCounter;
use super::{Shard, Shards};

/// One label and its value, or none.
type Label = Option<(&'static str, &'static str)>;

impl Collector for Shards {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let shards = self.snapshot();
        let core = Counter::ALL.iter().map(|&counter| {
            (
                counter.family(),
                counter.label(),
                sum(&shards, |shard| shard.core.count(counter)),
            )
        });
        let shell = ShardCounter::ALL.iter().map(|&counter| {
            (
                counter.family(),
                counter.label(),
                sum(&shards, |shard| shard.shell.count(counter)),
            )
        });
        let invalid = InvalidReason::ALL.iter().map(|&reason| {
            let count = sum(&shards, |shard| shard.shell.invalid_count(reason));
            ("decision_invalid", Some(("reason", reason.label())), count)
        });
        let dropped = self
            .log_dropped
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let log = [(
            "log_dropped",
            None,
            dropped.as_ref().map_or(0, |drops| (drops.0)()),
        )];
        let drops = self.receive_buffers.get().map(ReceiveBuffers::drops);
        let drops = drops.unwrap_or_default();
        let buffers = [
            ("under_way", drops.under_way),
            ("beginning", drops.beginning),
        ]
        .map(|(socket, count)| {
            let label = Some(("socket", socket));
            ("udp_receive_buffer_dropped", label, count)
        });
        let counters = core.chain(shell).chain(invalid).chain(log).chain(buffers);
        families(&mut encoder, counters)?;
        for &gauge in Gauge::ALL {
            let value = sum(&shards, |shard| shard.core.gauge(gauge));
            single_gauge(&mut encoder, gauge.name(), value)?;
        }
        single_gauge(&mut encoder, "shards", shards.len() as u64)?;
        single_gauge(
            &mut encoder,
            "nats_connected",
            self.nats_connected.load(Ordering::Relaxed),
        )?;
        duration(&mut encoder, &shards)?;
        match self.gateways.get() {
            Some(board) => gateways::encode(&mut encoder, &board.sets()),
            None => Ok(()),
        }
    }
}

fn sum(shards: &[Shard], read: impl Fn(&Shard) -> u64) -> u64 {
    shards.iter().map(read).sum()
}

/// Writes counters whose families stand together.
fn families(
    encoder: &mut DescriptorEncoder<'_>,
    counters: impl Iterator<Item = (&'static str, Label, u64)>,
) -> fmt::Result {
    let mut counters = counters.peekable();
    while let Some((family, mut label, mut value)) = counters.next() {
        let mut metric =
            encoder.encode_descriptor(family, help(family), None, MetricType::Counter)?;
        loop {
            match label {
                Some(label) => metric
                    .encode_family(&[label])?
                    .encode_counter::<NoLabelSet, u64, u64>(&value, None)?,
                None => metric.encode_counter::<NoLabelSet, u64, u64>(&value, None)?,
            }
            let Some(next) = counters.next_if(|(next, ..)| *next == family) else {
                break;
            };
            (_, label, value) = next;
        }
    }
    Ok(())
}

fn single_gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, value: u64) -> fmt::Result {
    encoder
        .encode_descriptor(name, help(name), None, MetricType::Gauge)?
        .encode_gauge(&value)
}

fn duration(encoder: &mut DescriptorEncoder<'_>, shards: &[Shard]) -> fmt::Result {
    let mut total = Total::default();
    for shard in shards {
        shard.shell.decision_duration.add_to(&mut total);
    }
    let name = "decision_duration_seconds";
    encoder
        .encode_descriptor(name, help(name), None, MetricType::Histogram)?
        .encode_histogram::<NoLabelSet>(total.sum_seconds(), total.count(), &total.buckets(), None)
}

/// What a family measures. A family without a line here fails a test.
fn help(family: &str) -> &'static str {
    match family {
        "requests" => "SIP requests received, by method",
        "responses" => "SIP responses received, by class",
        "responses_sent" => "SIP responses sent to callers, made here or relayed, by class",
        "requests_forwarded" => "SIP requests forwarded, one per branch",
        "retransmissions" => "Retransmissions, received and absorbed or sent",
        "queries" => "Transactions suspended to ask a decider",
        "decisions" => "How transactions that may be decided were decided",
        "fallbacks" => "Transactions left to the fallback rules, by cause",
        "answers_ignored" => "Answers that came when nobody waited for them any more",
        "answers_unknown" => "Answers that belong to no query of this process",
        "decision_extensions" => "Answers that asked for more time",
        "messages_dropped" => "SIP messages dropped without an answer, by reason",
        "requests_rejected" => "SIP requests the proxy refused by itself, by reason",
        "branch_failures" => "Branches that failed without a response, by reason",
        "gateway_set_failures" => {
            "Routes to a gateway set of which nothing could be tried, by reason"
        }
        "gateways_skipped" => "Gateways passed over for a request, by reason",
        "gateway_calls_uncounted" => {
            "Answered calls that count no longer for their gateway, as too many are up"
        }
        "gateway_calls_expired" => "Answered calls of which nothing was heard for max_call_s",
        "udp_received" => "Datagrams received",
        "udp_received_bytes" => "Bytes of the datagrams received",
        "udp_sent" => "Datagrams sent",
        "udp_sent_bytes" => "Bytes of the datagrams sent",
        "udp_dropped" => "Datagrams dropped by the shell, by reason",
        "udp_receive_buffer_dropped" => {
            "Datagrams that the kernel dropped as a receive buffer was full, by what the socket is for"
        }
        "decisions_not_kept" => {
            "Decisions that are not among those kept for people, because somebody read them just then"
        }
        "udp_receive_errors" => "Reads from UDP sockets that failed",
        "udp_keep_alives" => "Keep-alive datagrams received",
        "shard_handoffs" => "Messages passed from the shard that received them to their own",
        "requests_queued" => "Requests that waited because messages of calls under way came first",
        "events_published" => "Events published on NATS",
        "events_dropped" => "Events dropped because NATS did not take them at once",
        "table_lookups" => "Rules that looked into a pushed table, by what they found",
        "decision_cache" => "Looks for a decision that may be used again, by result",
        "bans_forgotten" => "Bans by rules and limits that were forgotten because too many waited",
        "lookups" => "Host name lookups",
        "lookups_failed" => "Host name lookups without an address",
        "decision_invalid" => "Answers of deciders that were refused, by reason",
        "decision_duration_seconds" => "Time from a query to its answer",
        "log_dropped" => "Log lines dropped because the writer was behind",
        "transactions" => "Open transactions",
        "transactions_lingering" => "Finished transactions that absorb retransmissions",
        "transactions_suspended" => "Transactions that wait for a decider",
        "shards" => "Shards that run a core",
        "nats_connected" => "Shards with a connection to NATS",
        _ => "",
    }
}
