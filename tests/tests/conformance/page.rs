//! docs/conformance.md says what the data and the sources say.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result, ensure};
use e2e::repository;

use crate::citations::{self, Citation};
use crate::messages::{self, Case};
use crate::requirements::{self, Requirement};

const START: &str = "<!-- generated: UPDATE_DOC=1 cargo test -p e2e --test conformance page -->\n";
const END: &str = "<!-- end of what is generated -->";

#[test]
fn the_page_says_what_data_and_sources_say() -> Result<()> {
    let path = repository().join("docs/conformance.md");
    let text = fs::read_to_string(&path)?;
    let (before, rest) = text
        .split_once(START)
        .context("where the generated part starts")?;
    let (found, after) = rest
        .split_once(END)
        .context("where the generated part ends")?;
    let wanted = generated()?;
    if std::env::var_os("UPDATE_DOC").is_some() {
        fs::write(&path, format!("{before}{START}{wanted}{END}{after}"))?;
        return Ok(());
    }
    let differs = found
        .lines()
        .zip(wanted.lines())
        .find(|(found, wanted)| found != wanted);
    ensure!(
        found == wanted,
        "docs/conformance.md is behind the sources: run the test with UPDATE_DOC=1; first difference: {differs:?}"
    );
    Ok(())
}

fn generated() -> Result<String> {
    let (cases, requirements, citations) =
        (messages::all()?, requirements::all()?, citations::all()?);
    let mut page = String::new();
    gaps(&mut page, &cases, &requirements, &citations)?;
    write!(page, "\n## Torture messages\n")?;
    for (rfc, title) in [
        ("RFC 4475", "RFC 4475, Torture Test Messages"),
        ("RFC 5118", "RFC 5118, Torture Test Messages for IPv6"),
    ] {
        write!(
            page,
            "\n### {title}\n\n| message | § | what it has | what the RFC asks of a proxy | over UDP | in a TCP stream | |\n\
             |---|---|---|---|---|---|---|\n"
        )?;
        for case in cases.iter().filter(|case| case.section.starts_with(rfc)) {
            row(&mut page, case)?;
        }
    }
    write!(page, "\n## Requirements\n")?;
    traceability(&mut page, &requirements, &citations)?;
    others(&mut page, &requirements, &citations)?;
    Ok(page + "\n")
}

/// What is not done, or not shown by a test, first.
fn gaps(
    page: &mut String,
    cases: &[Case],
    requirements: &[Requirement],
    citations: &[Citation],
) -> Result<()> {
    write!(page, "\n## Gaps\n\n")?;
    for case in cases {
        if let Some(why) = &case.deviates {
            writeln!(page, "- {}, `{}`: {why}", case.section, case.name)?;
        }
    }
    for Requirement { section, text, gap } in requirements {
        if let Some(gap) = gap {
            writeln!(page, "- {section}, {text}: **{gap}**")?;
        }
    }
    let untested: Vec<&str> = requirements
        .iter()
        .filter(|requirement| requirement.gap.is_none())
        .filter(|requirement| requirement.cited(citations, true).is_empty())
        .map(|requirement| requirement.section.as_str())
        .collect();
    if !untested.is_empty() {
        writeln!(page, "- No test cites these: {}", untested.join(", "))?;
    }
    Ok(())
}

fn row(page: &mut String, case: &Case) -> Result<()> {
    let here = if case.here { ", addressed here" } else { "" };
    let notes = [&case.note, &case.deviates];
    let note: Vec<&str> = notes.into_iter().flatten().map(String::as_str).collect();
    let (_, number) = case.section.split_once('§').context("a section")?;
    writeln!(
        page,
        "| `{}`{here} | {number} | {} | {} | {} | {} | {} |",
        case.name,
        case.about,
        case.demand,
        outcome(&case.udp),
        outcome(&case.tcp),
        note.join("; ")
    )?;
    Ok(())
}

/// `400 malformed` with its label as code.
fn outcome(text: &str) -> String {
    let parts = text.split("; ").map(|part| match part.split_once(' ') {
        Some((what, label)) => format!("{what} `{label}`"),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("; ")
}

fn traceability(
    page: &mut String,
    requirements: &[Requirement],
    citations: &[Citation],
) -> Result<()> {
    let mut rfc = "";
    for requirement in requirements {
        let own = requirement.section.split(" §").next().unwrap_or_default();
        if own != rfc {
            rfc = own;
            write!(
                page,
                "\n### {rfc}\n\n| § | what | where | tests |\n|---|---|---|---|\n"
            )?;
        }
        let section = requirement
            .section
            .split_once('§')
            .map_or("", |(_, section)| section);
        if let Some(gap) = &requirement.gap {
            writeln!(
                page,
                "| {section} | {} **Gap: {gap}** | — | — |",
                requirement.text
            )?;
            continue;
        }
        writeln!(
            page,
            "| {section} | {} | {} | {} |",
            requirement.text,
            places(&requirement.cited(citations, false)),
            places(&requirement.cited(citations, true))
        )?;
    }
    Ok(())
}

/// What is cited besides: grammar, other elements' work, other RFCs.
fn others(page: &mut String, requirements: &[Requirement], citations: &[Citation]) -> Result<()> {
    write!(
        page,
        "\n### Other sections that are cited\n\n| section | where | tests |\n|---|---|---|\n"
    )?;
    let mut sections: BTreeMap<Vec<u32>, (&str, [Vec<&Citation>; 2])> = BTreeMap::new();
    for citation in citations {
        let is_known = requirements
            .iter()
            .any(|known| citation.is_of(&known.section));
        let is_torture = ["RFC 4475", "RFC 5118"]
            .iter()
            .any(|rfc| citation.is_of(rfc));
        // That it is RFC 3261's says nothing.
        if !is_known && !is_torture && citation.section != "RFC 3261" {
            let numbers = citation.section.split(|c: char| !c.is_ascii_digit());
            let key = numbers.filter_map(|number| number.parse().ok()).collect();
            let (_, cited) = sections
                .entry(key)
                .or_insert((&citation.section, [Vec::new(), Vec::new()]));
            cited[usize::from(citation.is_test)].push(citation);
        }
    }
    for (section, [code, tests]) in sections.values() {
        writeln!(page, "| {section} | {} | {} |", places(code), places(tests))?;
    }
    Ok(())
}

/// Each file once, with the items in it.
fn places(citations: &[&Citation]) -> String {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for citation in citations {
        let items = files.entry(&citation.file).or_default();
        if !citation.item.is_empty() && !items.contains(&citation.item.as_str()) {
            items.push(&citation.item);
        }
    }
    let files = files.iter().map(|(file, items)| {
        let items = items.iter().map(|item| format!("`{item}`"));
        let items = items.collect::<Vec<_>>().join(", ");
        if items.is_empty() {
            (*file).to_owned()
        } else {
            format!("{file}: {items}")
        }
    });
    let text = files.collect::<Vec<_>>().join("; ");
    if text.is_empty() {
        "—".to_owned()
    } else {
        text
    }
}
