//! The places of a file that are never shown, in whatever message.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// The keys that hold a secret.
const KEYS: [&str; 2] = ["password", "token"];

/// The secrets of a file that was read.
pub(super) fn of(text: &str, root: &DeTable<'_>) -> Vec<Range<usize>> {
    let Some(DeValue::Table(nats)) = root.get("nats").map(|nats| nats.get_ref()) else {
        return Vec::new();
    };
    let servers = nats
        .get("servers")
        .into_iter()
        .flat_map(|value| match value.get_ref() {
            DeValue::Array(servers) => servers.iter().collect(),
            _ => vec![value],
        });
    // A server without a scheme is not seen as a URL in the text.
    let with_user = servers.filter(|server| text[server.span()].contains('@'));
    let secrets = KEYS
        .iter()
        .filter_map(|key| nats.get(*key))
        .chain(with_user);
    secrets.map(|value| value.span()).collect()
}

/// What may be a secret in a file that could not be read: the rest of the line after such a key.
pub(super) fn guessed(text: &str) -> Vec<Range<usize>> {
    let after = |key: &'static str| {
        text.match_indices(key).filter_map(move |(at, _)| {
            let end = text[at..]
                .find('\n')
                .map_or(text.len(), |length| at + length);
            text[at..end].find('=').map(|equals| at + equals + 1..end)
        })
    };
    KEYS.into_iter()
        .flat_map(after)
        .chain(in_urls(text))
        .collect()
}

/// User and password of every `scheme://user:password@host`.
fn in_urls(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices("://").filter_map(|(at, _)| {
        let start = at + 3;
        let rest = &text[start..];
        let end = rest
            .find(['"', '\'', '/', '\n', ' ', ','])
            .unwrap_or(rest.len());
        rest[..end].rfind('@').map(|user| start..start + user)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[nats]\nservers = [\"nats://me:hunter1@a:1\", \"nats://b:2\"]\npassword = \"hunter2\"\ntoken = \"hunter3\" # x\nuser = \"me\"\n";

    fn found(places: Vec<Range<usize>>) -> Vec<&'static str> {
        places.into_iter().map(|place| &TEXT[place]).collect()
    }

    #[test]
    fn passwords_tokens_and_users_in_urls_are_secret() {
        let table = DeTable::parse(TEXT).unwrap();
        let secrets = of(TEXT, table.get_ref());
        assert_eq!(
            found(secrets),
            ["\"hunter2\"", "\"hunter3\"", "\"nats://me:hunter1@a:1\""]
        );
    }

    #[test]
    fn what_looks_like_one_is_enough_when_the_file_cannot_be_read() {
        assert_eq!(
            found(guessed(TEXT)),
            [" \"hunter2\"", " \"hunter3\" # x", "me:hunter1"]
        );
    }
}
