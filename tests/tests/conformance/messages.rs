//! The messages of RFC 4475 and RFC 5118, and what is expected of them.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use e2e::{repository, sample_file};
use serde::Deserialize;

/// One row of `messages.toml`, which says what the fields are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) here: bool,
    pub(crate) section: String,
    pub(crate) about: String,
    pub(crate) demand: String,
    pub(crate) accept: Vec<String>,
    pub(crate) udp: String,
    pub(crate) tcp: String,
    pub(crate) note: Option<String>,
    pub(crate) deviates: Option<String>,
}

#[derive(Deserialize)]
struct Cases {
    message: Vec<Case>,
}

/// All of them, in the order of their sections.
pub(crate) fn all() -> Result<Vec<Case>> {
    let path = sample_file("tests/tests/conformance/messages.toml")?;
    let cases: Cases = toml::from_str(&fs::read_to_string(path)?)?;
    Ok(cases.message)
}

/// The bytes of a message, as its RFC has them.
pub(crate) fn bytes(section: &str, name: &str) -> Result<Vec<u8>> {
    if section.starts_with("RFC 4475") {
        let path = repository().join(format!(".local/rfc4475/{name}.dat"));
        let mut bytes = fs::read(&path)
            .with_context(|| format!("{}: scripts/bootstrap fetches it", path.display()))?;
        if name == "baddn" {
            // The file ends before the empty line that the RFC prints.
            bytes.extend_from_slice(b"\r\n");
        }
        return Ok(bytes);
    }
    let path = sample_file("tests/tests/conformance/rfc5118.toml")?;
    let texts: BTreeMap<String, String> = toml::from_str(&fs::read_to_string(path)?)?;
    let text = texts
        .get(name)
        .with_context(|| format!("no message {name}"))?;
    Ok(text.replace('\n', "\r\n").into_bytes())
}

impl Case {
    /// What is sent: the message as it is; or one that leads from this proxy to this phone, if that is the case.
    pub(crate) fn text(&self, proxy: SocketAddr, phone: SocketAddr) -> Result<Vec<u8>> {
        let bytes = bytes(&self.section, &self.name)?;
        if !self.here {
            return Ok(bytes);
        }
        let text = String::from_utf8(bytes).context("only text is sent to another address")?;
        let (line, headers) = text.split_once("\r\n").context("a request line")?;
        let uri = line.split(' ').nth(1).context("a Request-URI")?;
        let host = uri
            .split_once('@')
            .map_or(uri.trim_start_matches("sip:"), |(_, host)| host);
        let host = host.split([';', '?']).next().unwrap_or(host);
        let line = line.replacen(host, &phone.to_string(), 1);
        let foreign = "services.example.com";
        let headers = if headers.contains(foreign) {
            headers.replace(foreign, &proxy.to_string())
        } else {
            format!("Route: <sip:{proxy};lr>\r\n{headers}")
        };
        Ok(format!("{line}\r\n{headers}").into_bytes())
    }

    /// Fails unless the RFC allows each part of an outcome, or the table says why not.
    fn must_be_allowed(&self, outcome: &str) -> Result<()> {
        let allowed = outcome.split("; ").all(|part| {
            let what = part.split(' ').next().unwrap_or(part);
            self.accept.iter().any(|accepted| accepted == what)
        });
        ensure!(
            allowed != self.deviates.is_some(),
            "{}: {outcome} is {} by {}",
            self.name,
            if allowed { "allowed" } else { "not allowed" },
            self.section
        );
        Ok(())
    }
}

/// Runs every message through `run` and compares with the column that `expected` shows.
pub(crate) fn compare(
    expected: impl Fn(&Case) -> &str,
    run: impl Fn(&Case) -> Result<String>,
) -> Result<()> {
    let mut faults = Vec::new();
    for case in all()? {
        let here = if case.here { ", addressed here" } else { "" };
        match run(&case) {
            Ok(outcome) if outcome == expected(&case) => {}
            Ok(outcome) => faults.push(format!(
                "{}{here}: {outcome}, not {}",
                case.name,
                expected(&case)
            )),
            Err(error) => faults.push(format!("{}{here}: {error:#}", case.name)),
        }
    }
    ensure!(faults.is_empty(), "\n{}", faults.join("\n"));
    Ok(())
}

#[test]
fn p1_every_message_is_in_the_table_with_an_outcome_that_its_rfc_allows() -> Result<()> {
    let cases = all()?;
    for case in &cases {
        case.must_be_allowed(&case.udp)?;
        case.must_be_allowed(&case.tcp)?;
    }
    let names = |rfc: &str| {
        let cases = cases.iter().filter(|case| case.section.starts_with(rfc));
        cases
            .map(|case| case.name.as_str())
            .collect::<HashSet<_>>()
            .len()
    };
    assert_eq!((names("RFC 4475"), names("RFC 5118")), (49, 12));
    Ok(())
}
