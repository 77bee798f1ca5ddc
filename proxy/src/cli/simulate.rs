//! `sigbox simulate`: what a running node would do with a request, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use ureq::http::Method;

use super::api::Node;
use super::exit;
use crate::explain::{Explanation, HoursState, LimitState, RuleState, SimulatedRequest};
use crate::phone::terminal::show;

/// Ask a running node what it would do with a request, and why
#[derive(Debug, clap::Args)]
pub(super) struct Simulate {
    /// The Request-URI: sip:+4930123@example.com
    #[arg(
        value_name = "SIP-URI",
        required_unless_present = "sip",
        conflicts_with = "sip"
    )]
    request_uri: Option<String>,
    /// A whole request from this file, `-` for standard input
    #[arg(long, value_name = "FILE")]
    sip: Option<PathBuf>,
    #[command(flatten)]
    node: Node,
    /// Where the request comes from
    #[arg(long, value_name = "ADDRESS[:PORT]", default_value = "127.0.0.1:5060")]
    source: String,
    /// The socket it comes in by, as in the configuration [default: the first]
    #[arg(long, value_name = "LISTENER")]
    listener: Option<String>,
    /// The method [default: INVITE]
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// From [default: somebody anonymous]
    #[arg(long, value_name = "SIP-URI")]
    from: Option<String>,
    /// To [default: the Request-URI]
    #[arg(long, value_name = "SIP-URI")]
    to: Option<String>,
    /// One more header line; may be repeated
    #[arg(long = "header", value_name = "'NAME: VALUE'", value_parser = header)]
    headers: Vec<(String, String)>,
    /// When, such as 2026-12-24T10:00:00+01:00 [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Why nobody decides, for the fallback rules
    #[arg(long, value_name = "CAUSE")]
    cause: Option<String>,
    /// Ask no decider
    #[arg(long)]
    rules_only: bool,
    /// Print the node's answer as it is
    #[arg(long)]
    json: bool,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| "NAME: VALUE".to_owned())?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Prints what the node says. 0 when it said something, 1 when it did not.
pub(super) fn simulate(args: &Simulate) -> ExitCode {
    let asked = request(args).and_then(|request| ask(args, &request));
    let text = match asked {
        Ok(answer) if args.json => answer,
        Ok(answer) => match serde_json::from_str::<Explanation>(&answer) {
            Ok(explanation) => drawn(&explanation),
            Err(error) => {
                eprintln!("error: the node's answer cannot be read: {error}");
                return exit::FAILED.into();
            }
        },
        Err(error) => {
            eprintln!("error: {error:#}");
            return exit::FAILED.into();
        }
    };
    // Whoever reads only the first lines of it has read enough.
    let _ = show(&(text.trim_end().to_owned() + "\n"));
    ExitCode::SUCCESS
}

fn request(args: &Simulate) -> Result<SimulatedRequest> {
    let sip = match &args.sip {
        None => None,
        Some(path) if path.as_os_str() == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            Some(text)
        }
        Some(path) => {
            let text = std::fs::read_to_string(path);
            Some(text.with_context(|| format!("cannot read {}", path.display()))?)
        }
    };
    let headers: BTreeMap<_, _> = args.headers.iter().cloned().collect();
    Ok(SimulatedRequest {
        sip,
        method: args.method.clone(),
        request_uri: args.request_uri.clone(),
        from: args.from.clone(),
        to: args.to.clone(),
        headers,
        source: args.source.clone(),
        listener: args.listener.clone(),
        at: args.at.clone(),
        cause: args.cause.clone(),
    })
}

/// The node's answer, JSON.
fn ask(args: &Simulate, request: &SimulatedRequest) -> Result<String> {
    let path = if args.rules_only {
        "explain"
    } else {
        "simulate"
    };
    let body = serde_json::to_string(request)?;
    args.node
        .answer(Method::POST, &format!("/api/v1/{path}"), &body)
}

/// For a person.
fn drawn(explanation: &Explanation) -> String {
    let Explanation {
        request,
        limits,
        rules,
        fallback,
        decider,
        verdict,
        ..
    } = explanation;
    // Writing into a String does not fail.
    let mut text = format!("{} {}\n", request.method, request.request_uri);
    let _ = writeln!(
        text,
        "from {} to {}, sent by {} to {} at {}\n",
        request.from, request.to, request.source, request.listener, request.at
    );
    let all = rules
        .iter()
        .chain(fallback.iter().flat_map(|fallback| &fallback.rules));
    let names = all
        .map(|rule| &rule.name)
        .chain(limits.iter().map(|limit| &limit.name));
    let width = names.map(|name| name.chars().count()).fold(4, usize::max);
    for limit in limits {
        let _ = writeln!(
            text,
            "limit     {:<width$}  {}",
            limit.name,
            limit_line(limit)
        );
    }
    lines(&mut text, "rule", rules, width);
    let by = |by: &Option<String>| by.as_ref().map_or(String::new(), |by| format!(" ({by})"));
    let _ = writeln!(text, "verdict   {}{}", verdict.text, by(&verdict.by));
    if let Some(said) = decider {
        let name = said.name.as_deref().unwrap_or("a decider");
        let what = match (&said.verdict, &said.cause) {
            (Some(verdict), _) => format!("{name}: {}", verdict.text),
            (None, Some(cause)) => match &said.detail {
                Some(detail) => format!("{cause}: {detail}"),
                None => cause.clone(),
            },
            (None, None) => "nothing".to_owned(),
        };
        let _ = writeln!(
            text,
            "\nasked     {} for {:.1} ms\ndecider   {what}",
            said.subject, said.took_ms
        );
        for reason in &said.reasons {
            let _ = writeln!(text, "          {reason}");
        }
    }
    if let Some(fallback) = fallback {
        let _ = writeln!(text, "\nwhen nobody decides ({})", fallback.cause);
        lines(&mut text, "fallback", &fallback.rules, width);
        let verdict = &fallback.verdict;
        let _ = writeln!(text, "verdict   {}{}", verdict.text, by(&verdict.by));
    }
    text
}

fn lines(text: &mut String, title: &str, rules: &[RuleState], width: usize) {
    for rule in rules {
        let RuleState {
            name,
            result,
            condition,
            found,
            schedules,
            ..
        } = rule;
        let found = found.as_deref().unwrap_or_default();
        let what = match (result.as_str(), condition) {
            ("unmet", Some(condition)) => match condition.as_str() {
                "any" | "not" | "schedule" => format!("no: {condition}: {found}"),
                _ => format!("no: {condition} is {found:?}"),
            },
            ("not_found", _) => format!("the table has nothing for {found}"),
            ("missed", _) => format!("nothing is remembered for {found:?}"),
            ("decides", _) => format!("yes: {}", rule.action),
            ("over", _) => "yes, and over its limit".to_owned(),
            ("passes", _) => "yes, and leaves it to the next".to_owned(),
            _ => "not reached".to_owned(),
        };
        // What kept a rule from matching has named them.
        let hours = match result.as_str() {
            "unmet" => "".to_owned(),
            _ => hours(schedules),
        };
        let _ = writeln!(text, "{title:<8}  {name:<width$}  {what}{hours}");
        if let Some(limit) = &rule.limit {
            let line = limit_line(limit);
            let _ = writeln!(
                text,
                "{:<8}  {:<width$}  limit {}: {line}",
                "", "", limit.name
            );
        }
    }
}

/// The hours that a rule has looked at.
fn hours(schedules: &[HoursState]) -> String {
    if schedules.is_empty() {
        return String::new();
    }
    let states = schedules.iter().map(ToString::to_string);
    format!(" ({})", states.collect::<Vec<_>>().join(", "))
}

fn limit_line(limit: &LimitState) -> String {
    let key = match limit.key.as_str() {
        "" => String::new(),
        key => format!(" for {key}"),
    };
    if limit.exempt {
        format!("does not hold for emergency calls{key}")
    } else if limit.over {
        format!("reached{key}")
    } else if limit.share > 0.0 {
        format!("{:.0} % are over{key}", limit.share * 100.0)
    } else {
        format!("not reached{key}")
    }
}
