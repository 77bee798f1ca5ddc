//! `sigbox push`, `tables`, `diff` and `lookup`.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use sigbox_tables::{Format, Kind};

use super::api::Node;
use super::{print, release};

/// Push a table to the nodes, see what changes, and make it count
#[derive(Debug, clap::Args)]
pub(super) struct Push {
    /// The table: letters a to z, digits, _ and -
    table: String,
    /// CSV, NDJSON or JSON by its name, packed with gzip or zstd or not; `-` for standard input
    file: PathBuf,
    /// What a new table is for: prefixes, numbers, gateways, schedules, users or kv
    #[arg(long)]
    kind: Option<Kind>,
    /// How the rows are written, where the name of the file does not say it: csv, ndjson or json
    #[arg(long, value_parser = format)]
    format: Option<Format>,
    /// A line kept with the version
    #[arg(long)]
    comment: Option<String>,
    /// Make it count without asking
    #[arg(short, long)]
    yes: bool,
    /// Keep it for a release; it does not count yet
    #[arg(long, conflicts_with_all = ["yes", "dry_run"])]
    no_activate: bool,
    /// Only see what would change
    #[arg(long)]
    dry_run: bool,
    /// The most rows of the difference that are shown
    #[arg(long, default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    node: Node,
}

/// List the tables, or the versions of one
#[derive(Debug, clap::Args)]
pub(super) struct Tables {
    /// One table
    table: Option<String>,
    /// Print the node's answer as it is
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

/// See what is different between two versions of a table
#[derive(Debug, clap::Args)]
pub(super) struct Diff {
    /// The table
    table: String,
    /// The older version
    from: u64,
    /// The newer version [default: the one that counts]
    to: Option<u64>,
    /// The most rows that are shown
    #[arg(long, default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    node: Node,
}

/// Look a number or key up, as a rule with the table would
#[derive(Debug, clap::Args)]
pub(super) struct Lookup {
    /// The table
    table: String,
    /// The number, or the key; of a table of gateways SET/ID
    number: String,
    /// Print the node's answer as it is
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "csv" => Ok(Format::Csv),
        "ndjson" => Ok(Format::Ndjson),
        "json" => Ok(Format::Json),
        _ => Err("csv, ndjson or json".to_owned()),
    }
}

pub(super) fn push(args: &Push) -> ExitCode {
    print::outcome(pushed(args))
}

fn pushed(args: &Push) -> Result<String> {
    let is_input = args.file.as_os_str() == "-";
    let (named, packing) = from_name(&args.file);
    let Some(format) = args.format.or(named) else {
        bail!(
            "{} does not say how its rows are written; --format does",
            args.file.display()
        );
    };
    let asks = !args.yes && !args.no_activate && !args.dry_run;
    if asks && (is_input || !io::stdin().is_terminal()) {
        bail!("nobody is there to be asked: say --yes, --no-activate or --dry-run");
    }
    let mut path = format!("/api/v1/tables/{}?activate={}", args.table, args.yes);
    if args.dry_run {
        path += &format!("&dry_run=true&changes={}", args.limit);
    }
    if let Some(kind) = args.kind {
        path += &format!("&kind={kind}");
    }
    if let Some(comment) = &args.comment {
        path += &format!("&comment={}", encoded(comment));
    }
    let (input, length): (Box<dyn Read>, _) = if is_input {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(&args.file);
        let file = file.with_context(|| format!("cannot read {}", args.file.display()))?;
        let length = file.metadata().ok().map(|metadata| metadata.len());
        (Box::new(file), length)
    };
    let changed: Value = args.node.upload(
        &path,
        format.media_type(),
        packing,
        Progress::new(input, length),
    )?;
    let mut text = in_words(&changed);
    let warnings = warnings(&changed);
    if args.dry_run {
        let counts = ["added", "removed", "changed"].map(|count| changed["rows"][count].as_u64());
        let shown = changed["changes"].as_array().map_or(0, Vec::len) as u64;
        text += &rows_of(&changed["changes"]);
        if shown < counts.into_iter().flatten().sum::<u64>() {
            text += "\n…";
        }
        return Ok(text + &warnings);
    }
    let Some(version) = changed["version"]
        .as_u64()
        .filter(|_| changed["state"] == "stored")
    else {
        return Ok(text + &warnings);
    };
    if !asks {
        text += &warnings;
        text += &format!(
            "\nto make it count: sigbox activate {0} {version}, or with others: sigbox release {0}={version} …",
            args.table
        );
        return Ok(text);
    }
    if let Some(previous) = changed["previous"].as_u64() {
        let difference = difference(&args.node, &args.table, previous, version, args.limit)?;
        text += &format!("\n{difference}");
    }
    // Right above the question, whatever is different.
    print::line(&(text + &warnings))?;
    let nevertheless = if warnings.is_empty() {
        ""
    } else {
        " nevertheless"
    };
    if !print::agreed(&format!("Make version {version} count{nevertheless}?"))? {
        return Ok(format!("version {version} is kept and does not count"));
    }
    // What was said before needs no saying again.
    Ok(in_words(&release::activated(
        &args.node,
        &args.table,
        version,
    )?))
}

/// What came of a change.
pub(super) fn in_words(changed: &Value) -> String {
    let rows = &changed["rows"];
    let state = match changed["state"].as_str().unwrap_or_default() {
        "active" => "counts from now on",
        "stored" => "is kept and does not count yet",
        "unchanged" => "has these rows already",
        "checked" => "would be as follows",
        other => other,
    };
    format!(
        "{} version {} {state}: {} rows, {} added, {} removed, {} changed (revision {})",
        changed["table"].as_str().unwrap_or_default(),
        changed["version"],
        rows["total"],
        rows["added"],
        rows["removed"],
        rows["changed"],
        changed["revision"],
    )
}

/// What is odd about it, a line for each.
pub(super) fn warnings(changed: &Value) -> String {
    let warnings = changed["warnings"].as_array().into_iter().flatten();
    warnings
        .map(|warning| format!("\nwarning: {}", warning.as_str().unwrap_or_default()))
        .collect()
}

/// How the rows of a file are written, and what Content-Encoding it has.
fn from_name(path: &Path) -> (Option<Format>, Option<&'static str>) {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let (name, packing) = match name.rsplit_once('.') {
        Some((name, "gz")) => (name, Some("gzip")),
        Some((name, "zst")) => (name, Some("zstd")),
        _ => (name, None),
    };
    let format = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("csv" | "tsv") => Some(Format::Csv),
        Some("ndjson" | "jsonl") => Some(Format::Ndjson),
        Some("json") => Some(Format::Json),
        _ => None,
    };
    (format, packing)
}

/// For a query (RFC 3986 §2.1).
pub(super) fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes()
        .map(|b| match plain(b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect()
}

/// Says how far an upload is, when somebody looks on and it takes long.
struct Progress<R> {
    input: R,
    length: Option<u64>,
    read: u64,
    said: Instant,
    is_watched: bool,
    has_said: bool,
}

impl<R> Progress<R> {
    fn new(input: R, length: Option<u64>) -> Self {
        Self {
            input,
            length,
            read: 0,
            said: Instant::now(),
            is_watched: io::stderr().is_terminal(),
            has_said: false,
        }
    }
}

impl<R: Read> Read for Progress<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.read += read as u64;
        if self.is_watched
            && (self.said.elapsed() > Duration::from_millis(500) || read == 0 && self.has_said)
        {
            self.said = Instant::now();
            self.has_said = true;
            let megabytes = self.read / 1_000_000;
            // Nobody is hurt when it cannot be shown.
            let _ = match self.length {
                Some(length) => write!(io::stderr(), "\r{megabytes} of {} MB", length / 1_000_000),
                None => write!(io::stderr(), "\r{megabytes} MB"),
            };
            if read == 0 {
                let _ = writeln!(io::stderr(), " sent");
            }
        }
        Ok(read)
    }
}

pub(super) fn tables(args: &Tables) -> ExitCode {
    print::outcome(listed(args))
}

fn listed(args: &Tables) -> Result<String> {
    let path = match &args.table {
        None => "/api/v1/tables".to_owned(),
        Some(table) => format!("/api/v1/tables/{table}/versions"),
    };
    let answer: Value = args.node.get(&path)?;
    if args.json {
        return Ok(serde_json::to_string_pretty(&answer)?);
    }
    if args.table.is_some() {
        let active = &answer["active"];
        let versions = answer["versions"].as_array().into_iter().flatten();
        let rows = versions.map(|version| {
            let mark = if version["number"] == *active {
                "counts"
            } else {
                ""
            };
            vec![
                version["number"].to_string(),
                mark.to_owned(),
                version["rows"].to_string(),
                print::time(version["at_ms"].as_u64()),
                version["by"].as_str().unwrap_or_default().to_owned(),
                version["comment"].as_str().unwrap_or_default().to_owned(),
            ]
        });
        return Ok(print::table(
            &["VERSION", "", "ROWS", "PUSHED", "BY", "COMMENT"],
            rows,
        ));
    }
    let tables = answer["tables"].as_array().into_iter().flatten();
    let rows = tables.map(|table| {
        let active = &table["active"];
        let number = |value: &Value| {
            value
                .as_u64()
                .map_or_else(|| "-".to_owned(), |number| number.to_string())
        };
        vec![
            table["name"].as_str().unwrap_or_default().to_owned(),
            table["kind"].as_str().unwrap_or_default().to_owned(),
            number(&active["number"]),
            number(&active["rows"]),
            number(&table["memory_bytes"]),
            table["versions"].to_string(),
        ]
    });
    let text = print::table(&["TABLE", "KIND", "VERSION", "ROWS", "BYTES", "KEPT"], rows);
    Ok(format!("{text}\nrevision {}", answer["revision"]))
}

pub(super) fn diff(args: &Diff) -> ExitCode {
    print::outcome(compared(args))
}

fn compared(args: &Diff) -> Result<String> {
    let to = match args.to {
        Some(to) => to,
        None => active(&args.node, &args.table)?,
    };
    let Diff {
        table,
        from,
        limit,
        node,
        ..
    } = args;
    difference(node, table, *from, to, *limit)
}

/// What is different between two versions, at most `limit` rows of it.
pub(super) fn difference(
    node: &Node,
    table: &str,
    from: u64,
    to: u64,
    limit: usize,
) -> Result<String> {
    let path = format!("/api/v1/tables/{table}/diff?from={from}&to={to}&limit={limit}");
    Ok(different(&node.get(&path)?))
}

fn active(node: &Node, table: &str) -> Result<u64> {
    let entry: Value = node.get(&format!("/api/v1/tables/{table}/versions"))?;
    entry["active"]
        .as_u64()
        .with_context(|| format!("no version of {table} counts"))
}

/// Each row that is different, as it was and as it is, on lines of their own.
fn rows_of(changes: &Value) -> String {
    let mut text = String::new();
    for change in changes.as_array().into_iter().flatten() {
        for (sign, row) in [('-', &change["before"]), ('+', &change["after"])] {
            if !row.is_null() {
                text += &format!("\n{sign} {row}");
            }
        }
    }
    text
}

fn different(diff: &Value) -> String {
    let rows = &diff["rows"];
    let mut text = format!(
        "version {} to {}: {} added, {} removed, {} changed",
        diff["from"], diff["to"], rows["added"], rows["removed"], rows["changed"]
    );
    text += &rows_of(&diff["changes"]);
    if diff["truncated"] == true {
        text += "\n…";
    }
    text
}

pub(super) fn lookup(args: &Lookup) -> ExitCode {
    print::outcome(looked_up(args))
}

fn looked_up(args: &Lookup) -> Result<String> {
    let path = format!(
        "/api/v1/tables/{}/lookup?number={}",
        args.table,
        encoded(&args.number)
    );
    let answer: Value = args.node.get(&path)?;
    if args.json {
        return Ok(serde_json::to_string_pretty(&answer)?);
    }
    if answer["match"].is_null() {
        bail!(
            "{} version {} has nothing for {}",
            args.table,
            answer["version"],
            args.number
        );
    }
    let mut text = format!(
        "{} version {}: {}",
        args.table, answer["version"], answer["match"]
    );
    for row in answer["runners_up"].as_array().into_iter().flatten() {
        text += &format!("\n  also {row}");
    }
    text.push('\n');
    text += &match answer["kind"].as_str().unwrap_or_default() {
        "gateways" => format!(
            "a gateway of the set {}; sigbox gateways shows how it stands",
            answer["match"]["set"].as_str().unwrap_or_default()
        ),
        "schedules" => format!(
            "hours for the rules that name the schedule {}",
            answer["match"]["name"]
        ),
        "users" | "kv" => "for deciders: no rule looks here".to_owned(),
        _ => match (answer["action"].as_str(), answer["problem"].as_str()) {
            (Some(action), _) => format!("a rule with this table would {action}"),
            (None, Some(problem)) => format!("a rule with this table could not use it: {problem}"),
            (None, None) => "it says nothing about routing: a rule with this table would leave the call to the next rule".to_owned(),
        },
    };
    Ok(text)
}
