//! HTTP/1.1 by hand, a connection for each request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::PATIENCE;
use crate::https::Tls;

/// An HTTP request in the making.
#[derive(Clone, Debug)]
pub struct Request {
    address: SocketAddr,
    head: String,
    has_host: bool,
    body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    head: String,
    /// The body, put together when it came in chunks.
    pub body: Vec<u8>,
}

impl Request {
    /// `path` with its query.
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            address,
            head: format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n"),
            has_host: false,
            body: Vec::new(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.has_host |= name.eq_ignore_ascii_case("host");
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Adds a body of that media type.
    #[must_use]
    pub fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("Content-Type", media_type)
            .header("Content-Length", &length)
    }

    /// Sends it and waits for the whole answer.
    pub fn send(self) -> Result<Response> {
        let mut stream = self.connect()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Response::parse(&answer)
    }

    /// The same over TLS.
    pub fn send_over(self, tls: &Tls) -> Result<Response> {
        let mut stream = tls.connect(self.address)?;
        self.write(&mut stream)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Response::parse(&answer)
    }

    /// Sends it; the answer is for the caller to read.
    pub fn connect(self) -> Result<TcpStream> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        self.write(&mut stream)?;
        Ok(stream)
    }

    fn write(&self, stream: &mut impl Write) -> Result<()> {
        let host = match self.has_host {
            true => String::new(),
            false => format!("Host: {}\r\n", self.address),
        };
        write!(stream, "{}{host}\r\n", self.head)?;
        // A server that refuses early may close before it has read everything.
        let _ = stream.write_all(&self.body);
        Ok(())
    }
}

impl Response {
    fn parse(answer: &[u8]) -> Result<Self> {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.with_context(|| {
            format!(
                "an HTTP response, not {:?}",
                String::from_utf8_lossy(answer)
            )
        })?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut response = Self {
            status: status.context("an HTTP status")?,
            head,
            body: answer[end + 4..].to_vec(),
        };
        if response
            .header("transfer-encoding")
            .is_some_and(|coding| coding == "chunked")
        {
            response.body = joined(&response.body)?;
        }
        Ok(response)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("JSON, not {:?}", self.text()))
    }

    /// The body as JSON, when the status is `status`.
    pub fn expect(&self, status: u16) -> Result<Value> {
        ensure!(
            self.status == status,
            "{} instead of {status}: {}",
            self.status,
            self.text()
        );
        match self.body.is_empty() {
            true => Ok(Value::Null),
            false => self.json(),
        }
    }
}

/// A chunked body put together (RFC 9112 §7.1).
fn joined(mut body: &[u8]) -> Result<Vec<u8>> {
    let mut joined = Vec::new();
    loop {
        let end = body
            .windows(2)
            .position(|two| two == b"\r\n")
            .context("a chunk's size")?;
        let size = std::str::from_utf8(&body[..end])?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
        body = &body[end + 2..];
        if size == 0 {
            return Ok(joined);
        }
        joined.extend_from_slice(body.get(..size).context("a whole chunk")?);
        body = body.get(size + 2..).context("the end of a chunk")?;
    }
}
