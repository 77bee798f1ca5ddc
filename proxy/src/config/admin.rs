//! `[admin]`: where it listens and who may ask.

mod tls;

use std::net::SocketAddr;

use toml::de::DeValue;

use super::diagnostic::Diagnostic;
use super::folder::Folder;
use super::listen::host_name;
use super::reader::Section;
use super::value::Value;
use super::{Admin, Client, Named, Scope, Token};

pub(super) fn read(section: &Section<'_>, folder: Folder<'_>) -> Option<Admin> {
    let tokens = entries(section, "token", "admin.token", token);
    let clients = entries(section, "client", "admin.client", client);
    refuse_namesakes(section);
    let tls = tls::read(section, folder);
    let listen = section.read("listen", |value| {
        let help = "such as \"127.0.0.1:9090\"; port 0 lets the system choose";
        let address: SocketAddr = value.parsed("an address and a port", Some(help), |text| {
            text.parse()
                .map_err(|_| "not an address and a port".to_owned())
        })?;
        if address.ip().is_loopback() {
            return Some(address);
        }
        let has_tokens = listed(section, "token").is_some();
        if !has_tokens && listed(section, "client").is_none() {
            let help = "say who may ask, with a token that `sigbox token` makes:\n\n    [[admin.token]]\n    name = \"ops\"\n    sha256 = \"…\"\n    scopes = [\"read\", \"tables\"]\n\nor reach it through a tunnel";
            return value.fault(
                "`admin.listen` must be a loopback address when nobody has to say who they are".to_owned(),
                "everybody could change what calls do",
                Some(help.to_owned()),
            );
        }
        if has_tokens && section.value("tls").is_none() {
            let message = "`admin.listen` is not a loopback address, and there is no `admin.tls`";
            let help = "serve it over TLS:\n\n    [admin]\n    tls = { cert = \"/etc/sigbox/admin.pem\", key = \"/etc/sigbox/admin.key\" }\n\nor reach it through a tunnel";
            section.faults.push(
                Diagnostic::warning(Some(value.span()), message)
                    .label("tokens go over the network in the clear")
                    .help(help),
            );
        }
        Some(address)
    });
    Some(Admin {
        listen: listen?,
        ready_without_nats: section.flag("ready_without_nats"),
        decisions: section.number("decisions").unwrap_or_default(),
        tls: tls.ok()?,
        tokens,
        clients,
    })
}

/// The tables of a list, each read by `read`.
fn entries<T>(
    section: &Section<'_>,
    key: &str,
    name: &'static str,
    read: impl Fn(&Section<'_>) -> Option<T>,
) -> Vec<T> {
    let tables = tables(section, key, name);
    let tables = tables.iter().inspect(|table| table.refuse_unknown(&[]));
    tables.filter_map(read).collect()
}

/// What the file says for a list; an empty one is as good as none.
fn listed<'a>(section: &Section<'a>, key: &str) -> Option<Value<'a>> {
    section.value(key).filter(|value| !value.is_empty_list())
}

fn tables<'a>(section: &Section<'a>, key: &str, name: &'static str) -> Vec<Section<'a>> {
    let Some(value) = section.value(key) else {
        return Vec::new();
    };
    let DeValue::Array(items) = value.value.get_ref() else {
        value.fault::<()>(
            format!("`{name}` must be a list of tables"),
            "one table",
            Some(format!("write `[[{name}]]` with two brackets")),
        );
        return Vec::new();
    };
    let table = |value| Value {
        key: name.to_owned(),
        value,
        faults: section.faults,
    };
    items
        .iter()
        .map(|item| Section::of(name, table(item)))
        .collect()
}

/// The audit log would not tell them apart.
fn refuse_namesakes(section: &Section<'_>) {
    // What is wrong with them has been said.
    let unheard = super::reader::Faults::default();
    let mut seen: Vec<&str> = Vec::new();
    for (key, name) in [("token", "admin.token"), ("client", "admin.client")] {
        let Some(DeValue::Array(items)) = section.value(key).map(|value| value.value.get_ref())
        else {
            continue;
        };
        for item in items {
            let value = Value {
                key: name.to_owned(),
                value: item,
                faults: &unheard,
            };
            let Some(value) = Section::of(name, value).value("name") else {
                continue;
            };
            let Some(text) = value.text() else {
                continue;
            };
            if seen.contains(&text) {
                let message = match key {
                    "token" => format!("there are two tokens of `{text}`"),
                    _ => format!("there are two called `{text}`"),
                };
                let fault = Diagnostic::error(Some(value.span()), message);
                section.faults.push(fault.label("which one is it?"));
            }
            seen.push(text);
        }
    }
}

fn token(section: &Section<'_>) -> Option<Token> {
    for key in ["name", "sha256"] {
        if section.value(key).is_none() {
            let at = section.span.map(|(start, end)| start..end);
            let fault = Diagnostic::error(at, format!("this token has no `{key}`"));
            section
                .faults
                .push(fault.help("`sigbox token NAME` prints a whole one"));
        }
    }
    let name = name(section);
    let sha256 = section.read("sha256", |value| {
        let help = "the SHA-256 of the token, not the token: `sigbox token NAME` prints both";
        value.parsed("64 hexadecimal digits", Some(help), digest)
    });
    Some(Token {
        name: name?,
        sha256: sha256?,
        scopes: scopes(section),
    })
}

fn client(section: &Section<'_>) -> Option<Client> {
    let at = || section.span.map(|(start, end)| start..end);
    if section.value("name").is_none() {
        let fault = Diagnostic::error(at(), "this client has no `name`");
        section.faults.push(fault.help("the audit log has it"));
    }
    let name = name(section);
    let ways = ["dns", "uri", "cn"].map(|key| section.value(key));
    match ways.iter().flatten().collect::<Vec<_>>().as_slice() {
        [] => {
            let fault = Diagnostic::error(at(), "this client has no `dns`, `uri` or `cn`");
            section
                .faults
                .push(fault.help("say what its certificate is known by: cn = \"ops\""));
        }
        [_] => {}
        [first, second, ..] => {
            let message = "one client is known by one name";
            let fault = Diagnostic::error(Some(second.span()), message);
            section.faults.push(
                fault
                    .related(first.span(), "one")
                    .label("two")
                    .help("write a second `[[admin.client]]`"),
            );
        }
    }
    let dns = section.read("dns", |value| {
        value.parsed("a host name", None, host_name).map(Named::Dns)
    });
    let uri = section.read("uri", |value| {
        let help = "such as \"spiffe://example.com/ops\"";
        let uri = value.parsed("a URI", Some(help), |text| match text.contains(':') {
            true => plain(text),
            false => Err("there is no scheme".to_owned()),
        });
        uri.map(Named::Uri)
    });
    let cn = section.read("cn", |value| {
        value.parsed("a name", None, plain).map(Named::CommonName)
    });
    Some(Client {
        name: name?,
        names: dns.or(uri).or(cn)?,
        scopes: scopes(section),
    })
}

fn name(section: &Section<'_>) -> Option<Box<str>> {
    section.read("name", |value| value.parsed("a name", None, plain))
}

fn plain(text: &str) -> Result<Box<str>, String> {
    match text.chars().any(char::is_control) {
        false if !text.is_empty() => Ok(text.into()),
        _ => Err("empty, or holds a control character".to_owned()),
    }
}

fn scopes(section: &Section<'_>) -> Vec<Scope> {
    section.list("scopes", |value| {
        value.choice(&Scope::ALL.map(|scope| (scope.label(), scope)))
    })
}

fn digest(text: &str) -> Result<[u8; 32], String> {
    let wrong = || "not a SHA-256".to_owned();
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        let pair = text.get(2 * at..2 * at + 2).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(digest)
}
