//! Via (RFC 3261 §20.42) and what the receiver writes into it.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use nom::Parser;

use crate::chars::{trim, trim_end};
use crate::grammar::{lws, port, separator, sws, token, whole};
use crate::host::{Host, hostport};
use crate::malformed::{Malformed, Reason};
use crate::params::{Params, params};

/// One Via value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `TLS`, … in the case it came in.
    pub transport: &'a [u8],
    /// The host of sent-by as written, an IPv6 address in its brackets.
    pub host: &'a [u8],
    /// The port of sent-by.
    pub port: Option<u16>,
    /// branch, received, rport and whatever else.
    pub params: Params<'a>,
    /// The whole value, trimmed.
    pub raw: &'a [u8],
}

impl<'a> Via<'a> {
    /// Parses one value. Any protocol and version is accepted: a message in another version wants an
    /// answer (RFC 4475 §3.1.2.16), and it goes where this says.
    ///
    /// # Errors
    ///
    /// [`Reason::Via`], or [`Reason::Host`], [`Reason::Port`], [`Reason::Param`], [`Reason::Quote`]
    /// when it is known better.
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        whole(trim_end(value), Reason::Via, |input| {
            let (at_host, ((), _, _, _, _, transport, ())) = (
                sws,
                token,
                separator(b"/"),
                token,
                separator(b"/"),
                token,
                lws,
            )
                .parse(input)?;
            let (after, (_, host, port)) = hostport(at_host, separator(b":"))?;
            let (rest, params) = params(after)?;
            Ok((
                rest,
                Via {
                    transport,
                    host,
                    port,
                    params,
                    raw: trim(value),
                },
            ))
        })
    }

    /// The transaction identifier (RFC 3261 §17.1.3).
    pub fn branch(&self) -> Option<&'a [u8]> {
        self.params.value("branch")
    }

    /// The address the request was received from, as written by the receiver.
    pub fn received(&self) -> Option<&'a [u8]> {
        self.params.value("received")
    }

    /// RFC 3581: `Some(None)` asks for the source port, `Some(Some(port))` tells it. A value that is
    /// not a port counts as none.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.get("rport").map(|value| value.and_then(port))
    }

    /// The host of sent-by, parsed.
    pub fn sent_by_host(&self) -> Option<Host<'a>> {
        Host::parse(self.host).ok()
    }

    /// `host[:port]` as written.
    pub fn sent_by(&self) -> &'a [u8] {
        let start = self.host.as_ptr() as usize - self.raw.as_ptr() as usize;
        trim(&self.raw[start..self.raw.len() - self.params.as_bytes().len()])
    }

    /// Whether [`write_stamped`](Self::write_stamped) would change anything.
    pub fn needs_stamp(&self, source: SocketAddr) -> bool {
        self.params.get("rport").is_some()
            || self.params.get("received").is_some()
            || !self.is_from(source)
    }

    /// Appends the value with what RFC 3261 §18.2.1 and RFC 3581 §4 have the receiver say: `rport`
    /// gets the source port if the sender asked for it; `received` is there if it did, or if sent-by
    /// is not the source address. What the sender forged in their place is gone; all else is
    /// byte-exact.
    pub fn write_stamped(&self, source: SocketAddr, out: &mut Vec<u8>) {
        let mut wants_received = !self.is_from(source);
        let mut params = self.params.iter();
        out.extend_from_slice(&self.raw[..self.raw.len() - self.params.as_bytes().len()]);
        let mut has_rport = false;
        while let Some(param) = params.next_param() {
            if param.name.eq_ignore_ascii_case(b"rport") {
                if !has_rport {
                    append(out, format_args!(";rport={}", source.port()));
                }
                has_rport = true;
                wants_received = true;
            } else if !param.name.eq_ignore_ascii_case(b"received") {
                out.extend_from_slice(param.text);
            }
        }
        if wants_received {
            append(
                out,
                format_args!(";received={}", source.ip().to_canonical()),
            );
        }
    }

    fn is_from(&self, source: SocketAddr) -> bool {
        self.sent_by_host()
            .and_then(|host| host.ip())
            .map(|ip| ip.to_canonical())
            == Some(source.ip().to_canonical())
    }

    /// The address in `received`, with or without the brackets that RFC 5118 §4.5 tells of.
    pub fn received_ip(&self) -> Option<IpAddr> {
        let text = self.received()?;
        let text = match text {
            [b'[', text @ .., b']'] => text,
            text => text,
        };
        std::str::from_utf8(text).ok()?.parse().ok()
    }
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing into a Vec has no way to fail.
    let _ = out.write_fmt(text);
}
