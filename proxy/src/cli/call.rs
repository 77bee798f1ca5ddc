//! `sigbox call`

use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use sigbox_contracts::Event;
use sigbox_wire::Uri;

use super::interrupt::{block_on, interruption};
use crate::phone::caller::CANCEL_PATIENCE;
use crate::phone::events::{decision_of, is_settled};
use crate::phone::terminal::{Tone, show};
use crate::phone::{
    Answer, CallReport, CallScript, Callee, CalleeScript, Caller, Cancel, Ending, Endpoint,
};
use crate::phone::{Ladder, Listener, Terminal, Trace, run};

/// How long events may be on their way after the call.
const EVENT_PATIENCE: Duration = Duration::from_millis(500);
/// How long a phone of `--callee-listen` rings.
const RINGS: Duration = Duration::from_millis(40);

/// Place one call over UDP and draw its ladder
#[derive(Debug, clap::Args)]
pub(super) struct Call {
    /// Whom to call: sip:+4930123@127.0.0.1:5060
    #[arg(value_name = "SIP-URI", value_parser = sip_uri)]
    to: String,
    /// Send the INVITE there instead of to the URI's host
    #[arg(long, value_name = "HOST[:PORT]")]
    proxy: Option<String>,
    /// Who calls [default: sip:caller@ this host's address]
    #[arg(long, value_name = "SIP-URI", value_parser = sip_uri)]
    from: Option<String>,
    /// One more header line of the INVITE; may be repeated
    #[arg(long = "header", value_name = "'NAME: VALUE'", value_parser = header_line)]
    headers: Vec<String>,
    /// Also be a phone that answers, on this address
    #[arg(long, value_name = "ADDRESS:PORT")]
    callee_listen: Option<SocketAddr>,
    /// Hold an answered call for so many milliseconds before hanging up
    #[arg(long, value_name = "MS", default_value_t = 100)]
    hold: u64,
    /// Send CANCEL so many milliseconds after the INVITE, or after the response of --cancel-on
    #[arg(long, value_name = "MS")]
    cancel_after: Option<u64>,
    /// Send CANCEL when this provisional response has come
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..=199))]
    cancel_on: Option<u16>,
    /// The final response that counts as success [default: 200, or 487 with a CANCEL]
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(200..=699))]
    expect: Option<u16>,
    /// How long to wait for any response, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    timeout: u64,
    /// Draw the decider's lane from the events on this NATS server
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// First tokens of the events' subjects
    #[arg(long, value_name = "PREFIX", default_value = "sigbox")]
    prefix: String,
    /// Draw with ASCII characters only
    #[arg(long)]
    ascii: bool,
    /// Print one JSON document instead of a ladder
    #[arg(long)]
    json: bool,
}

/// Exits with 0 when the call went as expected, with 1 when it did not, with 2 when it could not be
/// placed.
pub(super) fn call(args: &Call) -> ExitCode {
    block_on(async {
        tokio::select! {
            outcome = place(args) => outcome.map(Some),
            () = interruption()? => Ok(None),
        }
    })
}

async fn place(args: &Call) -> Result<bool> {
    let next_hop = next_hop(args)?;
    let trace = Trace::new();
    let mut endpoint = Endpoint::bind("caller", local_address(next_hop)?, &trace)?;
    let listener = match &args.nats {
        Some(url) => match Listener::connect(url, &args.prefix).await {
            Ok(listener) => Some(listener),
            Err(error) => {
                let cause = error.root_cause();
                eprintln!("warning: {error}: {cause}; the ladder has no lane for the decider");
                None
            }
        },
        None => None,
    };
    let mut caller = Caller::new(
        script(args, next_hop, endpoint.address()),
        endpoint.address(),
    );
    let result = match args.callee_listen {
        None => run(&mut endpoint, &mut caller).await,
        Some(address) => {
            let mut called = Endpoint::bind("callee", address, &trace)
                .with_context(|| format!("cannot listen on {address}"))?;
            let mut callee = Callee::new(CalleeScript::answers(RINGS), called.address());
            tokio::select! {
                result = run(&mut endpoint, &mut caller) => result,
                result = run(&mut called, &mut callee) => result,
            }
        }
    };
    result.with_context(|| format!("the network refuses to carry messages to {next_hop}"))?;
    let report = caller.report();
    // Who did not answer at all has nothing to announce either.
    let listener = listener.filter(|_| report.answer != Answer::Silence);
    let events = match &listener {
        Some(listener) => {
            listener
                .wait(EVENT_PATIENCE, |events| is_settled(events, &report.call_id))
                .await
        }
        None => Vec::new(),
    };
    let ladder = Ladder::of_call(&trace, &report.call_id, next_hop, &events);
    let expected = args
        .expect
        .unwrap_or(if is_cancelled(args) { 487 } else { 200 });
    let as_expected = report.status() == Some(expected);
    if args.json {
        let document = document(args, report, expected, &ladder, &events);
        show(&(serde_json::to_string_pretty(&document)? + "\n"))?;
    } else {
        show(&described(args, report, expected, &ladder))?;
    }
    if !as_expected {
        eprintln!("error: {}", complaint(args, report, expected, next_hop));
    }
    if listener.is_some() && decision_of(&events, &report.call_id).is_none() {
        eprintln!(
            "note: no decision of this call was announced on NATS. sigbox announces decisions with\n      \
             [events]\n      publish = [\"decision\", \"cancelled\"]"
        );
    }
    Ok(as_expected)
}

fn script(args: &Call, next_hop: SocketAddr, local: SocketAddr) -> CallScript {
    CallScript {
        from: args
            .from
            .clone()
            .unwrap_or_else(|| format!("sip:caller@{local}")),
        headers: args.headers.clone(),
        hold: Duration::from_millis(args.hold),
        cancel: is_cancelled(args).then(|| Cancel {
            on: args.cancel_on,
            after: Duration::from_millis(args.cancel_after.unwrap_or_default()),
        }),
        first_response: Duration::from_millis(args.timeout),
        ..CallScript::new(args.to.clone(), next_hop)
    }
}

fn is_cancelled(args: &Call) -> bool {
    args.cancel_after.is_some() || args.cancel_on.is_some()
}

/// The ladder, and what came of the call.
fn described(args: &Call, report: &CallReport, expected: u16, ladder: &Ladder) -> String {
    let terminal = Terminal::detect(args.ascii);
    let mut text = ladder.draw(terminal) + "\n";
    let Answer::Final { status, reason } = &report.answer else {
        return text;
    };
    let tone = if *status == expected {
        Tone::Good
    } else {
        Tone::Bad
    };
    text.push_str(&terminal.paint(tone, &format!("{status} {reason}")));
    if let Some(setup) = report.setup {
        text.push_str(&format!(" after {:.1} ms", setup.as_secs_f64() * 1e3));
    }
    text.push_str(match report.ending {
        Ending::None => "",
        Ending::Confirmed => ", hung up",
        Ending::Unconfirmed => ", and nobody confirmed the BYE",
        Ending::Remote => ", ended by the other side",
    });
    text.push('\n');
    if (300..400).contains(status) {
        for contact in &report.contacts {
            text.push_str(&format!("moved to {contact}\n"));
        }
    }
    text
}

/// Why the call is not what was expected.
fn complaint(args: &Call, report: &CallReport, expected: u16, next_hop: SocketAddr) -> String {
    match report.answer {
        Answer::Final { status, .. } => format!("expected {expected}, got {status}"),
        Answer::Unanswered => {
            let waited = CANCEL_PATIENCE.as_secs();
            format!("no final response to INVITE within {waited} s of its CANCEL, from {next_hop}")
        }
        Answer::Silence => {
            let waited = args.timeout;
            format!(
                "no answer to INVITE within {waited} ms from {next_hop}: is sigbox running there?"
            )
        }
    }
}

fn document(
    args: &Call,
    report: &CallReport,
    expected: u16,
    ladder: &Ladder,
    events: &[Event],
) -> serde_json::Value {
    let decision = decision_of(events, &report.call_id);
    json!({
        "to": args.to,
        "call_id": report.call_id,
        "status": report.status(),
        "expected": expected,
        "as_expected": report.status() == Some(expected),
        "provisional": report.provisional,
        "contacts": report.contacts,
        "setup_ms": report.setup.map(|setup| setup.as_secs_f64() * 1e3),
        "hung_up": report.ending == Ending::Confirmed,
        "decision": decision,
        "ladder": ladder,
    })
}

fn next_hop(args: &Call) -> Result<SocketAddr> {
    let target = match &args.proxy {
        Some(proxy) => proxy.clone(),
        None => host_and_port(&args.to)?,
    };
    let with_port = if target.parse::<SocketAddr>().is_ok() || has_port(&target) {
        target
    } else {
        format!("{target}:5060")
    };
    let mut addresses = with_port
        .to_socket_addrs()
        .with_context(|| format!("{with_port} has no address"))?;
    addresses
        .next()
        .with_context(|| format!("{with_port} has no address"))
}

fn has_port(target: &str) -> bool {
    target.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.ends_with(':') && port.parse::<u16>().is_ok()
    })
}

fn host_and_port(uri: &str) -> Result<String> {
    let parsed = Uri::parse(uri.as_bytes()).with_context(|| format!("{uri} is not a SIP URI"))?;
    let Some(host) = parsed.host else {
        bail!("{uri} names no host: say where to send the call with --proxy")
    };
    Ok(format!("{host}:{}", parsed.port.unwrap_or(5060)))
}

/// A free port of the interface that leads to `next_hop`.
fn local_address(next_hop: SocketAddr) -> Result<SocketAddr> {
    let any = if next_hop.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let probe = UdpSocket::bind(any)?;
    // Connecting a datagram socket sends nothing; it only picks the route.
    probe
        .connect(next_hop)
        .with_context(|| format!("there is no way to {next_hop}"))?;
    Ok(SocketAddr::new(probe.local_addr()?.ip(), 0))
}

fn sip_uri(text: &str) -> Result<String, String> {
    let uri =
        Uri::parse(text.as_bytes()).map_err(|error| format!("{error}; write sip:user@host"))?;
    if uri.host.is_none() {
        return Err("this URI names no host; write sip:user@host".to_owned());
    }
    Ok(text.to_owned())
}

fn header_line(text: &str) -> Result<String, String> {
    let (name, _) = text
        .split_once(':')
        .ok_or("a header is written 'NAME: VALUE'")?;
    if name.is_empty()
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.!%*+`'~".contains(&byte))
    {
        return Err(format!("`{name}` is not a header name"));
    }
    if text.contains(|c: char| c.is_control()) {
        return Err("a header is one line".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        call: Call,
    }

    fn parsed(arguments: &[&str]) -> Result<Call, String> {
        Line::try_parse_from([&["call"], arguments].concat())
            .map(|line| line.call)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_next_hop_is_the_uri_or_the_proxy() {
        let hop = |arguments: &[&str]| next_hop(&parsed(arguments).unwrap()).unwrap().to_string();
        assert_eq!(hop(&["sip:+4930123@127.0.0.1:5080"]), "127.0.0.1:5080");
        assert_eq!(hop(&["sip:+4930123@127.0.0.1"]), "127.0.0.1:5060");
        assert_eq!(hop(&["sip:1@[::1]:5080"]), "[::1]:5080");
        assert_eq!(
            hop(&["sip:1@example.com", "--proxy", "127.0.0.1:5081"]),
            "127.0.0.1:5081"
        );
        assert_eq!(
            hop(&["sip:1@example.com", "--proxy", "127.0.0.1"]),
            "127.0.0.1:5060"
        );
        assert_eq!(
            hop(&["sip:1@example.com", "--proxy", "[::1]"]),
            "[::1]:5060"
        );
    }

    #[test]
    fn options_become_a_script() {
        let args = parsed(&[
            "sip:1@127.0.0.1",
            "--from",
            "sip:bob@example.com",
            "--header",
            "X-A: b",
            "--header",
            "X-C: d",
            "--hold",
            "7",
            "--cancel-after",
            "30",
            "--cancel-on",
            "180",
        ])
        .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 5060));
        let script = script(&args, address, address);
        assert_eq!(script.from, "sip:bob@example.com");
        assert_eq!(script.headers, ["X-A: b", "X-C: d"]);
        assert_eq!(script.hold, Duration::from_millis(7));
        assert_eq!(
            script.cancel,
            Some(Cancel {
                on: Some(180),
                after: Duration::from_millis(30)
            })
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_reason() {
        let refused = |arguments: &[&str]| parsed(arguments).unwrap_err();
        assert!(refused(&[]).contains("SIP-URI"));
        assert!(refused(&["127.0.0.1:5060"]).contains("invalid value"));
        assert!(refused(&["sip:1@127.0.0.1", "--header", "no colon"]).contains("NAME: VALUE"));
        assert!(refused(&["sip:1@127.0.0.1", "--header", "X: a\r\nVia: b"]).contains("one line"));
        assert!(refused(&["sip:1@127.0.0.1", "--expect", "180"]).contains("200..=699"));
    }
}
