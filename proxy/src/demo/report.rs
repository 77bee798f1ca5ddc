//! What the demo prints.

use std::fmt::Write as _;

use super::play::Played;
use super::stage::{RUST, Stage};
use crate::phone::Terminal;
use crate::phone::terminal::Tone;
use crate::phone::wrap::wrapped;

/// Indentation of everything that belongs to a call.
const INDENT: &str = "  ";

/// Before the first call.
pub(super) fn opening(stage: &Stage, terminal: Terminal) -> String {
    let rows = addresses(stage);
    let mut text = format!(
        "\n{}\n\n",
        terminal.paint(Tone::Strong, "sigbox demo: a whole system on loopback")
    );
    for (name, what) in rows {
        let _ = writeln!(
            text,
            "{INDENT}{name:<13}{}",
            terminal.paint(Tone::Faint, &what)
        );
    }
    text
}

fn addresses(stage: &Stage) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("nats-server", stage.nats.url()),
        (
            "sigbox",
            format!("sip:{}, http://{}", stage.sip, stage.admin.0),
        ),
    ];
    for decider in stage.deciders() {
        let numbers = if decider == RUST { "+49" } else { "+44" };
        rows.push((decider, format!("decides calls to {numbers}")));
    }
    rows.push(("files, logs", stage.folder.display().to_string()));
    rows
}

/// One call: heading, ladder, verdict.
pub(super) fn call(number: usize, played: &Played, terminal: Terminal) -> String {
    let rule = terminal.either('─', '-').to_string();
    let heading = format!("{rule}{rule} {number}. {} ", played.title);
    let fill = terminal
        .width
        .saturating_sub(heading.chars().count() + played.name.len() + 1);
    let mut text = format!(
        "\n{}{} {}\n",
        terminal.paint(Tone::Strong, &heading),
        terminal.paint(Tone::Faint, &rule.repeat(fill)),
        terminal.paint(Tone::Faint, played.name)
    );
    for line in wrapped(played.shows, terminal.width - 2 * INDENT.len()) {
        let _ = writeln!(text, "{INDENT}{}", terminal.paint(Tone::Faint, &line));
    }
    text.push('\n');
    text.push_str(&played.ladder.draw(terminal));
    text.push('\n');
    let _ = writeln!(
        text,
        "{INDENT}{} {}",
        verdict(played, terminal),
        played.seen
    );
    for fault in &played.faults {
        let _ = writeln!(text, "{INDENT}     {}", terminal.paint(Tone::Bad, fault));
    }
    text
}

fn verdict(played: &Played, terminal: Terminal) -> String {
    if played.passed() {
        terminal.paint(Tone::Good, "PASS")
    } else {
        terminal.paint(Tone::Bad, "FAIL")
    }
}

/// All calls in a table, and the count.
pub(super) fn summary(all: &[Played], terminal: Terminal) -> String {
    let name_width = all
        .iter()
        .map(|played| played.name.len())
        .max()
        .unwrap_or_default();
    let mut text = format!("\n{}\n\n", terminal.paint(Tone::Strong, "Summary"));
    let outcome_width = all
        .iter()
        .flat_map(|played| [&played.expected, &played.seen])
        .map(|text| text.chars().count())
        .max()
        .unwrap_or_default();
    let heading = format!(
        "{INDENT}     {:<name_width$}  {:<outcome_width$}  decision",
        "call", "expected and seen"
    );
    let _ = writeln!(text, "{}", terminal.paint(Tone::Faint, heading.trim_end()));
    for played in all {
        let time = played
            .decision_ms
            .map_or_else(|| "-".to_owned(), |took| format!("{took:.1} ms"));
        let _ = writeln!(
            text,
            "{INDENT}{} {:<name_width$}  {:<outcome_width$}  {time:>8}",
            verdict(played, terminal),
            played.name,
            played.seen,
        );
        let detail = format!("{INDENT}     {:name_width$}  ", "");
        if played.seen != played.expected {
            let _ = writeln!(
                text,
                "{detail}{}",
                terminal.paint(Tone::Bad, &format!("expected {}", played.expected))
            );
        }
        for reason in &played.reasons {
            let _ = writeln!(text, "{detail}{}", terminal.paint(Tone::Faint, reason));
        }
    }
    text
}

/// The last line.
pub(super) fn verdict_of_all(all: &[Played], seconds: f64, terminal: Terminal) -> String {
    let passed = all.iter().filter(|played| played.passed()).count();
    let tone = if passed == all.len() {
        Tone::Good
    } else {
        Tone::Bad
    };
    let text = format!(
        "{passed} of {} calls went as expected, in {seconds:.1} s.",
        all.len()
    );
    format!("\n{}\n", terminal.paint(tone, &text))
}

/// After the calls, when everything stays up.
pub(super) fn invitation(stage: &Stage, terminal: Terminal) -> String {
    let nats = stage.nats.url();
    let (sip, admin, folder) = (stage.sip, stage.admin.0, stage.folder.display());
    let program = std::env::current_exe()
        .map_or_else(|_| "sigbox".to_owned(), |path| path.display().to_string());
    let mut text = format!(
        "\n{}\n\n",
        terminal.paint(
            Tone::Strong,
            "Everything keeps running until Ctrl-C. To try:"
        )
    );
    for (what, command) in [
        (
            "a call decided by Rust",
            format!("{program} call sip:+4930123@{sip} --nats {nats}"),
        ),
        (
            "a call decided by Node",
            format!("{program} call sip:+44113496@{sip} --nats {nats}"),
        ),
        (
            "hanging up early",
            format!("{program} call sip:+4989001@{sip} --nats {nats} --cancel-after 100"),
        ),
        (
            "change the routes",
            format!("edit {folder}/rates-rust.csv and call again: it is read anew within a second"),
        ),
        (
            "what was decided",
            format!("nats --server {nats} sub 'sigbox.v1.event.>'"),
        ),
        (
            "decide yourself",
            format!(
                "nats --server {nats} reply sigbox.v1.query.nobody.invite '{{\"action\":\"reject\",\"status\":603}}'"
            ),
        ),
        ("", format!("{program} call sip:+33123@{sip} --nats {nats}")),
        ("numbers", format!("curl http://{admin}/metrics")),
    ] {
        let _ = writeln!(
            text,
            "{INDENT}{what:<24}{}",
            terminal.paint(Tone::Request, &command)
        );
    }
    text
}
