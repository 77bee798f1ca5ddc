//! The sections of RFCs that code and tests cite, and where.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result};
use e2e::repository;
use regex::Regex;

/// Where sources are, and what they are called on the page.
const CODE: [(&str, &str); 3] = [
    ("proxy/core/src", "core"),
    ("proxy/wire/src", "wire"),
    ("proxy/src", "sigbox"),
];
const TESTS: [(&str, &str); 4] = [
    ("proxy/testkit/tests/behaviour", "testkit"),
    ("proxy/wire/tests/wire", "wire/tests"),
    ("proxy/tests", "sigbox/tests"),
    ("tests/tests", "e2e"),
];
/// The program's phone is no proxy; this file cites for the sake of it.
const LEFT_OUT: [&str; 3] = [
    "proxy/src/phone",
    "proxy/tests/phone_",
    "tests/tests/conformance/citations.rs",
];

/// One section, cited in one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Citation {
    /// `RFC 3261 §16.7 step 6`, or `RFC 5658` as a whole.
    pub(crate) section: String,
    /// `core/relay.rs`
    pub(crate) file: String,
    /// The function or type; empty for the file as a whole. In tests a test.
    pub(crate) item: String,
    pub(crate) is_test: bool,
}

/// All of them, sorted, each place once.
pub(crate) fn all() -> Result<Vec<Citation>> {
    let mut citations = Vec::new();
    for (folder, label) in CODE.into_iter().chain(TESTS) {
        let in_tests = TESTS.contains(&(folder, label));
        for path in sources(&repository().join(folder))? {
            let relative = path.strip_prefix(repository())?.to_string_lossy();
            if LEFT_OUT
                .iter()
                .any(|left_out| relative.starts_with(left_out))
            {
                continue;
            }
            let file = relative.replacen(folder, label, 1);
            let text = fs::read_to_string(&path).with_context(|| relative.clone().into_owned())?;
            citations.extend(of_file(&text, &file, in_tests));
        }
    }
    citations.sort();
    citations.dedup();
    Ok(citations)
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn of_file(text: &str, file: &str, in_tests: bool) -> Vec<Citation> {
    let lines: Vec<&str> = text.lines().collect();
    let tests_start = lines.iter().position(|line| *line == "mod tests {");
    let tests: Vec<&str> = TEST
        .captures_iter(text)
        .filter_map(|test| Some(test.get(1)?.as_str()))
        .collect();
    let (mut citations, mut at) = (Vec::new(), 0);
    while at < lines.len() {
        let marker = marker(lines[at]);
        let mut end = at + 1;
        // A citation may go over the end of a line of its comment.
        while !marker.is_empty() && end < lines.len() && self::marker(lines[end]) == marker {
            end += 1;
        }
        let words: Vec<&str> = lines[at..end]
            .iter()
            .map(|line| line.trim_start().trim_start_matches(marker).trim())
            .collect();
        let item = match marker {
            "//!" => None,
            "///" => item_below(&lines[end..]).or_else(|| item_around(&lines, at)),
            _ => item_around(&lines, at),
        }
        .unwrap_or_default();
        let is_test = in_tests || tests_start.is_some_and(|start| at > start);
        if is_test && !item.is_empty() && !tests.contains(&item.as_str()) {
            at = end;
            continue;
        }
        citations.extend(
            sections(&words.join(" "))
                .into_iter()
                .map(|section| Citation {
                    section,
                    file: file.to_owned(),
                    item: item.clone(),
                    is_test,
                }),
        );
        at = end;
    }
    citations
}

/// How a comment line begins; empty for any other line.
fn marker(line: &str) -> &'static str {
    let line = line.trim_start();
    let markers = ["//!", "///", "//"];
    markers
        .into_iter()
        .find(|marker| line.starts_with(marker))
        .unwrap_or_default()
}

static ITEM: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^\s*(?:pub(?:\([a-z]+\))? )?(?:(?:const|async|static) )*(?:fn|struct|enum|trait|type|const|static|mod|impl(?:<[^>]*>)?(?: \w+(?:<[^>]*>)? for)?) (\w+)",
    )
});

static TEST: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"#\[(?:tokio::)?test\b[^\n]*\n(?:\s*#\[[^\n]*\n)*\s*(?:async )?fn (\w+)")
});

static CITED: LazyLock<Regex> =
    LazyLock::new(|| regex(r"RFC (\d{4})|§(\d+(?:\.\d+)*)(?: steps? (\d+(?:(?:, | and )\d+)*))?"));

#[expect(clippy::expect_used, reason = "the expression is a constant")]
fn regex(text: &str) -> Regex {
    Regex::new(text).expect("a regular expression")
}

/// What a documentation comment is about, if it is an item.
fn item_below(lines: &[&str]) -> Option<String> {
    let line = lines.iter().find(|line| {
        !line.trim_start().starts_with("#[") && !line.trim_start().starts_with("//")
    })?;
    Some(ITEM.captures(line)?[1].to_owned())
}

/// The item that a line is in.
fn item_around(lines: &[&str], at: usize) -> Option<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let own = indent(lines[at]);
    let above = lines[..=at].iter().rev();
    let mut items = above.filter(|line| indent(line) < own || std::ptr::eq(**line, lines[at]));
    items.find_map(|line| Some(ITEM.captures(line)?[1].to_owned()))
}

/// The sections in a text; what has no number of its own belongs to the RFC that was named last.
fn sections(text: &str) -> Vec<String> {
    let (mut found, mut rfc, mut is_whole) = (Vec::new(), None, false);
    for cited in CITED.captures_iter(text) {
        if let Some(number) = cited.get(1) {
            if is_whole {
                found.extend(rfc.map(|rfc: &str| format!("RFC {rfc}")));
            }
            rfc = Some(number.as_str());
            is_whole = true;
            continue;
        }
        let Some(rfc) = rfc else { continue };
        is_whole = false;
        let section = format!("RFC {rfc} §{}", &cited[2]);
        match cited.get(3) {
            None => found.push(section),
            Some(steps) => {
                let steps = steps.as_str().replace(" and ", ", ");
                found.extend(
                    steps
                        .split(", ")
                        .map(|step| format!("{section} step {step}")),
                );
            }
        }
    }
    if is_whole {
        found.extend(rfc.map(|rfc| format!("RFC {rfc}")));
    }
    found
}

impl Citation {
    /// Whether this is about `section`, or about a part of it.
    pub(crate) fn is_of(&self, section: &str) -> bool {
        let rest = self.section.strip_prefix(section);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ' ']))
    }
}

#[test]
fn citations_are_found_where_they_are() {
    let text = "//! About RFC 5658.\n\n/// Counts down (RFC 3261\n/// §16.6 steps 3 and 8), and RFC 3581 §4.\nfn \
                edit() {\n    // As in RFC 4320 §4.1, §4.2.\n    step();\n}\n\n#[cfg(test)]\nmod tests {\n    \
                /// RFC 3261 §17.1\n    #[test]\n    fn it_does() {}\n}\n";
    let found: Vec<_> = of_file(text, "core/a.rs", false)
        .into_iter()
        .map(|found| (found.section, found.item, found.is_test))
        .collect();
    let expected = [
        ("RFC 5658", "", false),
        ("RFC 3261 §16.6 step 3", "edit", false),
        ("RFC 3261 §16.6 step 8", "edit", false),
        ("RFC 3581 §4", "edit", false),
        ("RFC 4320 §4.1", "edit", false),
        ("RFC 4320 §4.2", "edit", false),
        ("RFC 3261 §17.1", "it_does", true),
    ];
    let expected = expected.map(|(section, item, is_test)| (section.into(), item.into(), is_test));
    assert_eq!(found, expected);
}
