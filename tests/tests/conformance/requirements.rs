//! What the RFCs ask of a proxy, as `requirements.toml` has it.

use std::collections::HashSet;
use std::fs;

use anyhow::{Result, ensure};
use e2e::sample_file;
use serde::Deserialize;

use crate::citations::{self, Citation};

/// One requirement in a few words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requirement {
    /// As code and tests cite it.
    pub(crate) section: String,
    pub(crate) text: String,
    /// What of it is missing.
    pub(crate) gap: Option<String>,
}

#[derive(Deserialize)]
struct Requirements {
    requirement: Vec<Requirement>,
}

/// All of them, by section.
pub(crate) fn all() -> Result<Vec<Requirement>> {
    let path = sample_file("tests/tests/conformance/requirements.toml")?;
    let found: Requirements = toml::from_str(&fs::read_to_string(path)?)?;
    Ok(found.requirement)
}

impl Requirement {
    /// Where code, or tests, cite it.
    pub(crate) fn cited<'c>(&self, citations: &'c [Citation], is_test: bool) -> Vec<&'c Citation> {
        let cited = citations
            .iter()
            .filter(|citation| citation.is_test == is_test && citation.is_of(&self.section));
        cited.collect()
    }
}

#[test]
fn every_requirement_is_cited_or_named_as_a_gap() -> Result<()> {
    let citations = citations::all()?;
    let mut seen = HashSet::new();
    for requirement in all()? {
        let Requirement { section, text, gap } = &requirement;
        let is_cited = [false, true]
            .iter()
            .any(|is_test| !requirement.cited(&citations, *is_test).is_empty());
        ensure!(
            is_cited || gap.is_some(),
            "nothing cites {section} ({text}), and it is not said to be missing"
        );
        ensure!(
            seen.insert((section.clone(), text.clone())),
            "{section} twice: {text}"
        );
    }
    Ok(())
}
