//! Whether what was forwarded is what was sent, but for what a proxy changes (RFC 3261 §16.6).

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, ensure};

/// A message taken apart at its line ends, and no further.
pub(crate) struct Parts<'a> {
    pub(crate) start: &'a [u8],
    /// Header lines with their folds.
    pub(crate) lines: Vec<&'a [u8]>,
    pub(crate) body: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Result<Self> {
        let end = find(message, b"\r\n\r\n").context("no empty line")?;
        let (head, body) = (&message[..end + 2], &message[end + 4..]);
        let (mut lines, mut at) = (Vec::new(), 0);
        while at < head.len() {
            let mut end = at;
            loop {
                end += find(&head[end..], b"\r\n").context("a line end")? + 2;
                if !matches!(head.get(end), Some(b' ' | b'\t')) {
                    break;
                }
            }
            lines.push(&head[at..end - 2]);
            at = end;
        }
        ensure!(!lines.is_empty(), "no start line");
        let start = lines.remove(0);
        Ok(Self { start, lines, body })
    }

    /// The lines with this name, long or compact.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.lines.iter().copied();
        lines.filter(move |line| name_of(line) == name)
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> Option<u16> {
        let code = self.start.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
        str::from_utf8(code).ok()?.parse().ok()
    }

    /// The port of the topmost Via, where responses go unless it has `rport`; 5060 is where all of this is sent from
    /// (RFC 3261 §18.2.2, RFC 3581 §4).
    pub(crate) fn response_port(&self) -> u16 {
        let via = self.named("via").next().unwrap_or_default();
        let via = String::from_utf8_lossy(via);
        if via.contains(";rport") {
            return 5060;
        }
        let sent_by = via.split([';', ',']).next().unwrap_or_default();
        let port = sent_by.rsplit_once(':').map(|(_, port)| port.trim());
        port.and_then(|port| port.parse().ok()).unwrap_or(5060)
    }

    /// A 200 to this request, as it is sent to the proxy before.
    pub(crate) fn answer(&self) -> Vec<u8> {
        let mut text = b"SIP/2.0 200 OK\r\n".to_vec();
        for name in ["via", "record-route", "from", "to", "call-id", "cseq"] {
            for line in self.named(name) {
                text.extend_from_slice(line);
                text.extend_from_slice(b"\r\n");
            }
        }
        text.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        text
    }

    fn max_forwards(&self) -> Option<u16> {
        let line = self.named("max-forwards").next()?;
        let text = String::from_utf8_lossy(line).into_owned();
        text.split_once(':')?.1.trim().parse().ok()
    }

    /// The lines but for those that a proxy takes away, adds or counts down.
    fn end_to_end(&self, proxy: SocketAddr) -> Vec<Vec<u8>> {
        let is_ours = |line: &[u8]| find(line, proxy.to_string().as_bytes()).is_some();
        let kept = self.lines.iter().filter(|line| match &*name_of(line) {
            // What a rule says takes the place of a Route.
            "max-forwards" | "max-breadth" | "route" => false,
            "record-route" | "via" => !is_ours(line),
            _ => true,
        });
        let mut lines: Vec<_> = kept.map(|line| line.to_vec()).collect();
        // Where the request came from is written into the topmost Via.
        if let Some(via) = lines.iter_mut().find(|line| name_of(line) == "via") {
            *via = unstamped(via);
        }
        lines
    }
}

/// Fails unless `got`, sent by `proxy`, is `sent`, which came from `source`.
pub(crate) fn check(sent: &[u8], got: &[u8], proxy: SocketAddr, source: IpAddr) -> Result<()> {
    let (sent, got) = (Parts::of(sent)?, Parts::of(got)?);
    ensure!(
        sent.start == got.start,
        "another request line: {}",
        got.start.escape_ascii()
    );
    let via = got.named("via").next().context("no Via")?;
    ensure!(
        String::from_utf8_lossy(via)
            .starts_with(&format!("Via: SIP/2.0/UDP {proxy};branch=z9hG4bK")),
        "the topmost Via is not the proxy's: {}",
        via.escape_ascii()
    );
    let stamped = got.named("via").nth(1).context("the Via of the sender")?;
    ensure!(
        find(stamped, format!(";received={source}").as_bytes()).is_some(),
        "not stamped: {}",
        stamped.escape_ascii()
    );
    let hops = sent.max_forwards().map_or(70, |hops| hops - 1);
    ensure!(got.max_forwards() == Some(hops), "Max-Forwards");
    let (before, after) = (sent.end_to_end(proxy), got.end_to_end(proxy));
    ensure!(before.len() == after.len(), "other header lines");
    for (before, after) in before.iter().zip(&after) {
        // Quotes may have been added where they were missing (RFC 4475 §3.1.2.15).
        let unquoted = |line: &[u8]| -> Vec<u8> {
            line.iter().copied().filter(|byte| *byte != b'"').collect()
        };
        let is_quoted = !before.contains(&b'"') && *before == unquoted(after);
        ensure!(
            before == after || is_quoted && matches!(&*name_of(before), "from" | "to"),
            "{}\nbecame\n{}",
            before.escape_ascii(),
            after.escape_ascii()
        );
    }
    let length = sent.named("content-length").next().map(|line| {
        let text = String::from_utf8_lossy(line).into_owned();
        let digits = text.split(':').nth(1).unwrap_or_default().trim();
        digits.parse::<usize>()
    });
    let body = match length {
        Some(length) => &sent.body[..length?],
        None => sent.body,
    };
    ensure!(body == got.body, "another body");
    Ok(())
}

/// Fails unless `got` is a 200 that goes back to the sender of `sent`.
pub(crate) fn check_answer(sent: &[u8], got: &[u8]) -> Result<()> {
    let (sent, got) = (Parts::of(sent)?, Parts::of(got)?);
    ensure!(
        got.status() == Some(200),
        "answered {}",
        got.start.escape_ascii()
    );
    for name in ["via", "call-id", "cseq"] {
        let lines = |parts: &Parts<'_>| -> Vec<_> { parts.named(name).map(unstamped).collect() };
        ensure!(lines(&sent) == lines(&got), "another {name}");
    }
    Ok(())
}

/// A Via line without `received` and the value of `rport`.
fn unstamped(line: &[u8]) -> Vec<u8> {
    let cut = |line: &[u8], from: &[u8], kept: usize| -> Vec<u8> {
        let Some(start) = find(line, from) else {
            return line.to_vec();
        };
        let (before, after) = line.split_at(start + kept);
        let is_end = |byte: &u8| matches!(byte, b';' | b',');
        let end = after
            .iter()
            .skip(1)
            .position(is_end)
            .map_or(after.len(), |end| end + 1);
        [before, &after[end..]].concat()
    };
    let line = cut(line, b";received=", 0);
    cut(&line, b";rport=", b";rport".len())
}

/// The name of a header line in lower case and long.
fn name_of(line: &[u8]) -> String {
    let name = line
        .split(|byte| *byte == b':')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let long = match &*name {
        "v" => "via",
        "f" => "from",
        "t" => "to",
        "i" => "call-id",
        "l" => "content-length",
        _ => return name,
    };
    long.to_owned()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
