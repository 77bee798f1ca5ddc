//! `[admin]`: where it listens and who may ask.

use std::net::SocketAddr;

use toml::de::DeValue;

use super::diagnostic::Diagnostic;
use super::reader::Section;
use super::value::Value;
use super::{Admin, Scope, Token};

pub(super) fn read(section: &Section<'_>) -> Option<Admin> {
    let tokens = tokens(section);
    let listen = section.read("listen", |value| {
        let help = "such as \"127.0.0.1:9090\"; port 0 lets the system choose";
        let address: SocketAddr = value.parsed("an address and a port", Some(help), |text| {
            text.parse()
                .map_err(|_| "not an address and a port".to_owned())
        })?;
        if !address.ip().is_loopback() && section.value("token").is_none() {
            let help = "say who may ask, with a token that `sigbox token` makes:\n\n    [[admin.token]]\n    name = \"ops\"\n    sha256 = \"…\"\n    scopes = [\"read\", \"tables\"]\n\nor reach it through a tunnel";
            return value.fault(
                "`admin.listen` must be a loopback address when nobody has to say who they are".to_owned(),
                "everybody could change what calls do",
                Some(help.to_owned()),
            );
        }
        Some(address)
    });
    Some(Admin {
        listen: listen?,
        ready_without_nats: section.flag("ready_without_nats"),
        tokens,
    })
}

fn tokens(section: &Section<'_>) -> Vec<Token> {
    let Some(value) = section.value("token") else {
        return Vec::new();
    };
    let DeValue::Array(items) = value.value.get_ref() else {
        value.fault::<()>(
            "`admin.token` must be a list of tables".to_owned(),
            "one table",
            Some("write `[[admin.token]]` with two brackets".to_owned()),
        );
        return Vec::new();
    };
    let mut tokens: Vec<Token> = Vec::new();
    for item in items {
        let key = "admin.token".to_owned();
        let section = Section::of(
            "admin.token",
            Value {
                key,
                value: item,
                faults: section.faults,
            },
        );
        section.refuse_unknown(&[]);
        let Some(token) = token(&section) else {
            continue;
        };
        if tokens.iter().any(|other| other.name == token.name) {
            let at = section.value("name").map(|value| value.span());
            let message = format!("there are two tokens of `{}`", token.name);
            section
                .faults
                .push(Diagnostic::error(at, message).label("which one is it?"));
        }
        tokens.push(token);
    }
    tokens
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
    let name = section.read("name", |value| {
        value.parsed("a name", None, |text| {
            match text.chars().any(char::is_control) {
                false if !text.is_empty() => Ok(Box::<str>::from(text)),
                _ => Err("empty, or holds a control character".to_owned()),
            }
        })
    });
    let sha256 = section.read("sha256", |value| {
        let help = "the SHA-256 of the token, not the token: `sigbox token NAME` prints both";
        value.parsed("64 hexadecimal digits", Some(help), digest)
    });
    let scopes = section.list("scopes", |value| {
        value.choice(&Scope::ALL.map(|scope| (scope.label(), scope)))
    });
    Some(Token {
        name: name?,
        sha256: sha256?,
        scopes,
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
