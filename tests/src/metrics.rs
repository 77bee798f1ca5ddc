//! What `/metrics` says, in Prometheus's text format.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};

use crate::http::Request;

/// One scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    samples: Vec<Sample>,
}

#[derive(Clone, Debug, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    /// Fetches `/metrics` from an admin address.
    pub fn scrape(admin: SocketAddr) -> Result<Self> {
        let response = Request::new(admin, "GET", "/metrics").send()?;
        let (status, body) = (response.status, response.text());
        ensure!(status == 200, "/metrics answered {status}: {body}");
        Self::parse(&body)
    }

    /// Reads the text of a scrape.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines
            .map(|line| sample(line).with_context(|| format!("sample {line:?}")))
            .collect::<Result<_>>()?;
        Ok(Self { samples })
    }

    /// The sum of all samples of `name` whose labels include `labels`; 0 when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(key, value)| sample.labels.get(*key).is_some_and(|have| have == value))
        };
        self.samples
            .iter()
            .filter(fits)
            .map(|sample| sample.value)
            .sum()
    }

    /// What the samples of `name` have grown by since `before`, by label values; unmoved ones left out.
    pub fn moved(&self, before: &Self, name: &str) -> BTreeMap<String, f64> {
        let mut moved = BTreeMap::new();
        for sample in self.samples.iter().filter(|sample| sample.name == name) {
            let same = |old: &&Sample| old.name == sample.name && old.labels == sample.labels;
            let by = sample.value
                - before
                    .samples
                    .iter()
                    .find(same)
                    .map_or(0.0, |old| old.value);
            if by != 0.0 {
                let labels: Vec<&str> = sample.labels.values().map(String::as_str).collect();
                moved.insert(labels.join(","), by);
            }
        }
        moved
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sample in &self.samples {
            writeln!(f, "{} {:?} {}", sample.name, sample.labels, sample.value)?;
        }
        Ok(())
    }
}

fn sample(line: &str) -> Result<Sample> {
    let (name_and_labels, value) = line.rsplit_once(' ').context("no value")?;
    let (name, labels) = match name_and_labels.split_once('{') {
        None => (name_and_labels, ""),
        Some((name, labels)) => (name, labels.strip_suffix('}').context("no closing brace")?),
    };
    let mut found = BTreeMap::new();
    for label in labels.split("\",").filter(|label| !label.is_empty()) {
        let (key, value) = label.split_once("=\"").context("a label without a value")?;
        found.insert(key.to_owned(), value.trim_end_matches('"').to_owned());
    }
    Ok(Sample {
        name: name.to_owned(),
        labels: found,
        value: value.parse()?,
    })
}

/// A request over HTTP/1.1, with a JSON body unless that is empty: status and body.
pub fn ask(address: SocketAddr, method: &str, path: &str, json: &str) -> Result<(u16, String)> {
    let request = Request::new(address, method, path).body("application/json", json);
    let response = request.send()?;
    Ok((response.status, response.text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_label() -> Result<()> {
        let text = "# TYPE drops counter\ndrops_total{reason=\"a\",kind=\"x, y\"} 2\ndrops_total{reason=\"b\",kind=\"z\"} 3\nup 1.5\n";
        let before = Metrics::parse(text)?;
        assert_eq!(before.sum("drops_total", &[]), 5.0);
        assert_eq!(before.sum("drops_total", &[("kind", "x, y")]), 2.0);
        assert_eq!(before.sum("up", &[]), 1.5);
        assert_eq!(before.sum("absent", &[]), 0.0);
        let after = Metrics::parse(&text.replace("} 3", "} 4"))?;
        assert_eq!(
            after.moved(&before, "drops_total"),
            BTreeMap::from([("z,b".to_owned(), 1.0)])
        );
        Ok(())
    }
}
