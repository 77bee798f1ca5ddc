//! A SIP message as it came off the wire, read by a parser of the tests' own.

use std::fmt;
use std::net::SocketAddr;
use std::str;

use anyhow::{Context, Result, bail, ensure};

/// A received message. Reading is strict: what the proxy sends must be well-formed to the byte.
#[derive(Clone)]
pub struct Message {
    /// The request line or status line.
    pub start: String,
    /// Header fields in order, names as received, values trimmed and unfolded.
    pub headers: Vec<(String, String)>,
    /// Everything after the empty line.
    pub body: Vec<u8>,
    /// The datagram.
    pub raw: Vec<u8>,
    /// Who sent the datagram.
    pub source: SocketAddr,
}

impl Message {
    /// Reads one datagram: CRLF line ends, no folding, and a Content-Length that is true (RFC 3261 §18.3).
    pub fn parse(raw: &[u8], source: SocketAddr) -> Result<Self> {
        let end = raw
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .context("no empty line")?;
        let head = str::from_utf8(&raw[..end]).context("a head that is not UTF-8")?;
        ensure!(
            !head.replace("\r\n", "").contains(['\r', '\n', '\0']),
            "bare CR, LF or NUL in {head:?}"
        );
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line
                .split_once(':')
                .with_context(|| format!("no colon in {line:?}"))?;
            ensure!(
                !name.is_empty() && !name.contains(' '),
                "header name {name:?}"
            );
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let body = raw[end + 4..].to_vec();
        let message = Self {
            start,
            headers,
            body,
            raw: raw.to_vec(),
            source,
        };
        if let Some(length) = message.header("Content-Length") {
            ensure!(
                length.parse() == Ok(message.body.len()),
                "Content-Length {length} in {message}"
            );
        }
        Ok(message)
    }

    /// The status code, when this is a response.
    pub fn status(&self) -> Option<u16> {
        self.start
            .strip_prefix("SIP/2.0 ")?
            .split(' ')
            .next()?
            .parse()
            .ok()
    }

    /// The method of a request; for a response, the method that it answers.
    pub fn method(&self) -> &str {
        if self.status().is_some() {
            self.cseq().map_or("", |cseq| cseq.1)
        } else {
            self.start.split(' ').next().unwrap_or("")
        }
    }

    /// The Request-URI; empty for a response.
    pub fn request_uri(&self) -> &str {
        if self.status().is_some() {
            ""
        } else {
            self.start.split(' ').nth(1).unwrap_or_default()
        }
    }

    /// The first value of a header field, whatever form its name came in.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// All values of a header field in order, one for each line.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let wanted = long_name(name);
        self.headers
            .iter()
            .filter(|(name, _)| long_name(name) == wanted)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// A header field that must be there.
    pub fn required(&self, name: &str) -> Result<&str> {
        self.header(name)
            .with_context(|| format!("no {name} in {self}"))
    }

    /// The Call-ID, empty when there is none.
    pub fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or_default()
    }

    /// CSeq number and method.
    pub fn cseq(&self) -> Option<(u32, &str)> {
        let (number, method) = self.header("CSeq")?.split_once(' ')?;
        Some((number.parse().ok()?, method))
    }

    /// The branch of the topmost Via.
    pub fn branch(&self) -> Option<&str> {
        parameter(self.header("Via")?, "branch")
    }

    /// The tag of From or To.
    pub fn tag(&self, header: &str) -> Option<&str> {
        parameter(self.header(header)?, "tag")
    }

    /// The URI of a name-addr header such as Contact: what stands between the angle brackets.
    pub fn uri_of(&self, header: &str) -> Result<&str> {
        let value = self.required(header)?;
        within_brackets(value).with_context(|| format!("no <uri> in {header}: {value}"))
    }

    /// Fails unless this is a response with `status`.
    pub fn must_be_status(self, status: u16) -> Result<Self> {
        if self.status() != Some(status) {
            bail!("expected a {status}, received:\n{self}");
        }
        Ok(self)
    }

    /// Fails unless this is a request with `method`.
    pub fn must_be_request(self, method: &str) -> Result<Self> {
        if self.status().is_some() || self.method() != method {
            bail!("expected {method}, received:\n{self}");
        }
        Ok(self)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(String::from_utf8_lossy(&self.raw).trim_end())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} from {}", self.start, self.source)
    }
}

/// What stands between the first pair of angle brackets.
pub fn within_brackets(value: &str) -> Option<&str> {
    Some(value.split_once('<')?.1.split_once('>')?.0)
}

/// A parameter after the last `>` (or anywhere, when there are no brackets).
fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let after = value.rsplit_once('>').map_or(value, |(_, after)| after);
    let (_, found) = after
        .split(';')
        .skip(1)
        .filter_map(|one| one.split_once('='))
        .find(|(key, _)| key.trim() == name)?;
    Some(found.trim())
}

fn long_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let long = match lower.as_str() {
        "v" => "via",
        "f" => "from",
        "t" => "to",
        "m" => "contact",
        "i" => "call-id",
        "l" => "content-length",
        "c" => "content-type",
        "k" => "supported",
        _ => return lower,
    };
    long.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Message> {
        Message::parse(text.as_bytes(), SocketAddr::from(([127, 0, 0, 1], 5060)))
    }

    #[test]
    fn fields_are_found_by_either_name() -> Result<()> {
        let message = parse(
            "SIP/2.0 486 Busy Here\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nVia: SIP/2.0/UDP b\r\nTo: <sip:b;tag=no>;tag=x\r\n\
             CSeq: 7 INVITE\r\nl: 2\r\n\r\nhi",
        )?;
        assert_eq!(message.status(), Some(486));
        assert_eq!(message.method(), "INVITE");
        assert_eq!(message.branch(), Some("z9hG4bK1"));
        assert_eq!(message.all("Via").len(), 2);
        assert_eq!(message.tag("To"), Some("x"));
        assert_eq!(message.body, b"hi");
        Ok(())
    }

    #[test]
    fn a_false_length_and_a_broken_line_are_refused() {
        assert!(parse("OPTIONS sip:a SIP/2.0\r\nContent-Length: 3\r\n\r\nhi").is_err());
        assert!(parse("OPTIONS sip:a SIP/2.0\r\nX-A: b\nX-C: d\r\n\r\n").is_err());
        assert!(parse("OPTIONS sip:a SIP/2.0\r\nX-A: b").is_err());
    }
}
