use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use csv::{ReaderBuilder, StringRecord, Trim};

const COLUMNS: [&str; 6] = ["prefix", "carrier", "uri", "timeout_ms", "cost", "mode"];

/// One row of the file: one way to reach the numbers of a prefix.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rate {
    /// First characters of the number, without `+`.
    pub(crate) prefix: String,
    /// Who it is, for the reasons.
    pub(crate) carrier: String,
    /// Next hop as a SIP URI; for `redirect` the contact.
    pub(crate) uri: String,
    /// How long to wait for this carrier's first response.
    pub(crate) timeout: Option<Duration>,
    /// Rows of one prefix are tried in ascending order.
    pub(crate) cost: f64,
    pub(crate) mode: Mode,
}

/// What happens to calls of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Serial,
    Parallel,
    Redirect,
    Reject(u16),
    /// Never answers, for demonstrations.
    Silent,
}

/// The rates of a file, found by longest prefix. A prefix has at least one row, and the cheapest comes first.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    by_prefix: HashMap<String, Vec<Rate>>,
    longest: usize,
}

impl Rates {
    /// Reads a file as a whole, or names the line that cannot be right.
    pub(crate) fn parse(csv: &str) -> Result<Self> {
        let mut reader = ReaderBuilder::new()
            .trim(Trim::All)
            .from_reader(csv.as_bytes());
        let columns = reader.headers().context("line 1")?;
        ensure!(
            columns == COLUMNS.as_slice(),
            "line 1: must be \"{}\"",
            COLUMNS.join(",")
        );
        let mut rates = Self::default();
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let row = Rate::parse(&record).with_context(|| format!("line {line}"))?;
            rates.longest = rates.longest.max(row.prefix.len());
            rates
                .by_prefix
                .entry(row.prefix.clone())
                .or_default()
                .push(row);
        }
        for rows in rates.by_prefix.values_mut() {
            rows.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        }
        Ok(rates)
    }

    /// The rows of the longest prefix of `number`, and that prefix.
    pub(crate) fn longest<'n>(&self, number: &'n str) -> Option<(&'n str, &[Rate])> {
        (1..=self.longest.min(number.len()))
            .rev()
            .find_map(|length| {
                let prefix = number.get(..length)?;
                Some((prefix, self.exact(prefix)?))
            })
    }

    /// The rows of exactly this prefix.
    pub(crate) fn exact(&self, prefix: &str) -> Option<&[Rate]> {
        self.by_prefix.get(prefix).map(Vec::as_slice)
    }
}

impl Rate {
    fn parse(record: &StringRecord) -> Result<Self> {
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let prefix = cell(0).trim_start_matches('+');
        ensure!(!prefix.is_empty(), "prefix is empty");
        let (uri, mode) = (cell(2), Mode::parse(cell(5))?);
        if uri.is_empty() && matches!(mode, Mode::Serial | Mode::Parallel | Mode::Redirect) {
            bail!("mode {:?} needs a uri", cell(5));
        }
        let timeout = match cell(3) {
            "" => None,
            text => match text.parse() {
                Ok(ms @ 1..) => Some(Duration::from_millis(ms)),
                _ => bail!("timeout_ms {text:?} is no number of milliseconds"),
            },
        };
        let cost = match cell(4) {
            "" => 0.0,
            text => match text.parse::<f64>() {
                Ok(cost) if cost.is_finite() => cost,
                _ => bail!("cost {text:?} is no number"),
            },
        };
        let (prefix, carrier, uri) = (prefix.to_owned(), cell(1).to_owned(), uri.to_owned());
        Ok(Self {
            prefix,
            carrier,
            uri,
            timeout,
            cost,
            mode,
        })
    }
}

impl Mode {
    fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "" | "serial" => Self::Serial,
            "parallel" => Self::Parallel,
            "redirect" => Self::Redirect,
            "silent" => Self::Silent,
            _ => match text.strip_prefix("reject:").map(str::parse) {
                Some(Ok(status @ 400..700)) => Self::Reject(status),
                _ => bail!(
                    "mode {text:?}: one of serial, parallel, redirect, silent, reject:STATUS (400 to 699)"
                ),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "prefix,carrier,uri,timeout_ms,cost,mode\n";

    #[test]
    fn rows_of_a_prefix_come_by_cost_and_may_leave_cells_empty() {
        let rates = Rates::parse(&format!(
            "{HEADER}+49, b ,sip:192.0.2.2,,0.2,\n49,a,sip:192.0.2.1,500,0.1,serial\n\n4930,c,sip:192.0.2.3,,,\n"
        ))
        .unwrap();
        let (prefix, rows) = rates.longest("4989").unwrap();
        assert_eq!(prefix, "49");
        assert_eq!(
            rows.iter()
                .map(|row| row.carrier.as_str())
                .collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!(
            (rows[0].timeout, rows[1].timeout),
            (Some(Duration::from_millis(500)), None)
        );
        assert_eq!(rates.longest("4930").unwrap().0, "4930");
        assert_eq!(rates.longest("493").unwrap().0, "49");
        assert!(rates.longest("4").is_none() && rates.longest("").is_none());
        assert!(
            rates.longest("4ß").is_none(),
            "a prefix never ends inside a character"
        );
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        for (row, expected) in [
            (",a,sip:192.0.2.1,,,", "line 3: prefix is empty"),
            ("49,a,,,,", "line 3: mode \"\" needs a uri"),
            ("49,a,,,,redirect", "line 3: mode \"redirect\" needs a uri"),
            (
                "49,a,sip:192.0.2.1,0,,",
                "line 3: timeout_ms \"0\" is no number of milliseconds",
            ),
            (
                "49,a,sip:192.0.2.1,,cheap,",
                "line 3: cost \"cheap\" is no number",
            ),
            (
                "49,a,sip:192.0.2.1,,NaN,",
                "line 3: cost \"NaN\" is no number",
            ),
            ("49,a,,,,reject:200", "line 3: mode \"reject:200\""),
            ("49,a,,,,fork", "line 3: mode \"fork\""),
            ("49,a,sip:192.0.2.1", "line: 3"),
        ] {
            let csv = format!("{HEADER}1,a,sip:192.0.2.1,,,\n{row}\n");
            let error = format!("{:#}", Rates::parse(&csv).unwrap_err());
            assert!(error.contains(expected), "{row}: {error}");
        }
        let error = Rates::parse("prefix,carrier\n").unwrap_err();
        assert!(error.to_string().starts_with("line 1: must be"), "{error}");
    }
}
