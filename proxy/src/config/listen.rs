//! Listen addresses: `udp:192.0.2.1:5060`.

use std::net::SocketAddr;

use sigbox_core::Transport;

use super::Listen;
use super::diagnostic::Diagnostic;
use super::reader::Section;
use super::suggest::any_of;
use super::value::Value;

const WANTED: &str = "a listen address such as \"udp:192.0.2.1:5060\"";

/// Parses `udp:192.0.2.1:5060` or `udp:[2001:db8::1]:5060`.
pub(super) fn socket(text: &str) -> Result<(Transport, SocketAddr), String> {
    let Some((transport, address)) = text.split_once(':') else {
        return Err("there is no transport in front".to_owned());
    };
    let Some(transport) = Transport::from_name(transport.as_bytes()) else {
        return Err(format!("`{transport}` is not a transport"));
    };
    match address.parse() {
        Ok(address) => Ok((transport, address)),
        Err(_) if address.parse::<std::net::IpAddr>().is_ok() => {
            Err("the port is missing".to_owned())
        }
        Err(_) => Err(format!("`{address}` is not an address and a port")),
    }
}

/// `sip.listen`: each entry with its place in the file.
pub(super) fn list(sip: &Section<'_>) -> Vec<(Listen, std::ops::Range<usize>)> {
    let Some(value) = sip.value("listen") else {
        let at = sip.span.map(|(start, end)| start..end);
        sip.faults.push(
            Diagnostic::error(at, "`sip.listen` is missing: there is nothing to listen on")
                .help("add `listen = \"udp:127.0.0.1:5060\"` under `[sip]`"),
        );
        return Vec::new();
    };
    let entries = value
        .one_or_many(|entry| Some((one(&entry)?, entry.span())))
        .unwrap_or_default();
    let mut seen: Vec<&(Listen, std::ops::Range<usize>)> = Vec::new();
    for entry in &entries {
        let same = |other: &&&(Listen, _)| {
            (other.0.transport, other.0.address) == (entry.0.transport, entry.0.address)
        };
        match seen.iter().find(same) {
            Some(first) if entry.0.address.port() != 0 => sip.faults.push(
                Diagnostic::error(
                    Some(entry.1.clone()),
                    "the same address is listened on twice",
                )
                .label("again")
                .related(first.1.clone(), "first here"),
            ),
            _ => seen.push(entry),
        }
    }
    entries
}

fn one(value: &Value<'_>) -> Option<Listen> {
    let (address_value, advertise) = if value.is_table() {
        let table = Section::of("sip.listen", value.again());
        table.refuse_unknown(&[]);
        let Some(address) = table.value("address") else {
            return value.fault(
                "`sip.listen` needs an `address`".to_owned(),
                "no address here",
                Some(
                    "{ address = \"udp:0.0.0.0:5060\", advertise = \"sip.example.com\" }"
                        .to_owned(),
                ),
            );
        };
        (address, table.value("advertise"))
    } else {
        (value.again(), None)
    };
    let help = "TRANSPORT:ADDRESS:PORT; the address is numeric, an IPv6 one stands in brackets";
    let (transport, address) = address_value.parsed(WANTED, Some(help), socket)?;
    if transport != Transport::Udp {
        return address_value.fault(
            format!("listening on {transport} is not available in this version"),
            "not available",
            Some("use `udp:`".to_owned()),
        );
    }
    let had_advertise = advertise.is_some();
    let advertise = match advertise {
        Some(value) => Some(value.parsed(
            "a host name or address, with or without a port",
            Some("such as \"sip.example.com\" or \"192.0.2.1:5060\""),
            |text| host_port(text, address.port()),
        )?),
        None => None,
    };
    if address.ip().is_unspecified() && !had_advertise {
        return address_value.fault(
            format!("listening on {} needs an `advertise`", address.ip()),
            "no peer could answer to this address",
            Some(format!(
                "{{ address = \"{transport}:{address}\", advertise = \"the name or address peers reach this proxy by\" }}"
            )),
        );
    }
    Some(Listen {
        transport,
        address,
        advertise,
    })
}

fn host_port(text: &str, default_port: u16) -> Result<(Box<str>, u16), String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok((host_of(address.ip()), address.port()));
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
        return Ok((host_of(ip), default_port));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (
            name,
            port.parse()
                .map_err(|_| format!("`{port}` is not a port"))?,
        ),
        None => (text, default_port),
    };
    host_name(name).map(|name| (name, port))
}

fn host_of(ip: std::net::IpAddr) -> Box<str> {
    match ip {
        std::net::IpAddr::V4(ip) => ip.to_string().into(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]").into(),
    }
}

/// A host name in lower case.
pub(super) fn host_name(text: &str) -> Result<Box<str>, String> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if text.len() > 253 || !text.trim_end_matches('.').split('.').all(label) {
        return Err("not a host name".to_owned());
    }
    Ok(text.to_ascii_lowercase().into())
}

/// The position of the listener that `text` names, among `known`.
pub(super) fn find(text: &str, known: &[Listen]) -> Result<usize, String> {
    let (transport, address) = socket(text)?;
    known
        .iter()
        .position(|listen| listen.transport == transport && listen.address == address)
        .ok_or_else(|| "not in `sip.listen`".to_owned())
}

/// What may stand where a listener is named.
pub(super) fn names(known: &[Listen]) -> String {
    let names: Vec<_> = known.iter().map(Listen::to_string).collect();
    any_of(names.iter().map(String::as_str))
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.transport, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_transport_and_a_port() {
        assert!(socket("udp:127.0.0.1:0").is_ok());
        assert!(socket("UDP:[::1]:5060").is_ok());
        for (text, reason) in [
            ("5060", "there is no transport in front"),
            ("127.0.0.1:5060", "`127.0.0.1` is not a transport"),
            ("udp:127.0.0.1", "the port is missing"),
            (
                "udp:sip.example.com:5060",
                "`sip.example.com:5060` is not an address and a port",
            ),
            (
                "udp:127.0.0.1:65536",
                "`127.0.0.1:65536` is not an address and a port",
            ),
        ] {
            assert_eq!(socket(text).unwrap_err(), reason, "{text}");
        }
    }

    #[test]
    fn what_is_advertised_has_a_port() {
        for (text, host, port) in [
            ("SIP.example.com", "sip.example.com", 5070),
            ("sip.example.com:5061", "sip.example.com", 5061),
            ("192.0.2.1", "192.0.2.1", 5070),
            ("[2001:db8::1]:5062", "[2001:db8::1]", 5062),
            ("2001:db8::1", "[2001:db8::1]", 5070),
        ] {
            assert_eq!(
                host_port(text, 5070).unwrap(),
                (host.into(), port),
                "{text}"
            );
        }
        for text in [
            "",
            "a..b",
            "sip.example.com:http",
            "-",
            "a b",
            "über.example",
        ] {
            assert!(host_port(text, 5060).is_err(), "{text}");
        }
    }
}
