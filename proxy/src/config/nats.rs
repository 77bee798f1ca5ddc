//! `[nats]`

use std::str::FromStr;

use sigbox_contracts::Prefix;

use super::diagnostic::Diagnostic;
use super::folder::Folder;
use super::reader::Section;
use super::sections::{SLUG_HELP, slug};
use super::{Breaker, Login, Nats, Secret, listen};

/// `None` when there is no tenant to work with, which has been reported.
pub(super) fn read(nats: &Section<'_>, breaker: &Section<'_>, folder: Folder<'_>) -> Option<Nats> {
    let servers = nats.list("servers", |value| {
        let help = Some("such as \"nats://127.0.0.1:4222\"");
        value.parsed("a NATS URL", help, |text| {
            server(text).map(|()| text.to_owned())
        })
    });
    if let Some(value) = nats.value("servers")
        && value
            .one_or_many(Some)
            .is_some_and(|entries| entries.is_empty())
    {
        value.fault::<()>(
            "`nats.servers` must name a server".to_owned(),
            "empty",
            None,
        );
    }
    let prefix = nats.read("prefix", |value| {
        value.parsed("slugs joined by dots", Some(SLUG_HELP), |text| {
            Prefix::from_str(text).map_err(|error| error.to_string())
        })
    });
    let tenant = nats.read("tenant", slug);
    let login = login(nats, folder);
    let read = Nats {
        servers,
        prefix: prefix.unwrap_or_default(),
        tenant: tenant?,
        login,
        ping_interval: nats.duration("ping_interval_ms").unwrap_or_default(),
        connect_timeout: nats.duration("connect_timeout_ms").unwrap_or_default(),
        breaker: Breaker {
            enabled: breaker.flag("enabled"),
            window: breaker.duration("window_ms").unwrap_or_default(),
            min_requests: breaker.number("min_requests").unwrap_or_default(),
            failure_ratio: breaker.share("failure_ratio"),
            open: breaker.duration("open_ms").unwrap_or_default(),
            probes: breaker.number("probes").unwrap_or_default(),
        },
        adaptive: nats.flag("adaptive"),
    };
    Some(read)
}

fn server(text: &str) -> Result<(), String> {
    if text.contains('@') {
        return Err("the user belongs in `nats.user`, not in the URL".to_owned());
    }
    let (scheme, rest) = text.split_once("://").ok_or("there is no scheme")?;
    if !matches!(scheme, "nats" | "tls") {
        return Err(format!("`{scheme}` is neither nats nor tls"));
    }
    let authority = rest.trim_end_matches('/');
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if let Some(port) = port
        && port.parse::<std::num::NonZeroU16>().is_err()
    {
        return Err(format!("`{port}` is not a port"));
    }
    if host
        .trim_matches(['[', ']'])
        .parse::<std::net::IpAddr>()
        .is_err()
    {
        listen::host_name(host)?;
    }
    Ok(())
}

fn login(nats: &Section<'_>, folder: Folder<'_>) -> Login {
    let ways = ["creds", "user", "token"]
        .into_iter()
        .filter_map(|key| nats.value(key));
    if let [first, second, ..] = ways.collect::<Vec<_>>().as_slice() {
        let message = format!(
            "`{}` and `{}` are two ways to log in",
            first.key, second.key
        );
        nats.faults.push(
            Diagnostic::error(Some(second.span()), message)
                .related(first.span(), "one")
                .label("two")
                .help("keep one of them"),
        );
    }
    for (key, other) in [("user", "password"), ("password", "user")] {
        if let Some(value) = nats.value(key)
            && nats.value(other).is_none()
        {
            value.fault::<()>(format!("`nats.{key}` needs `nats.{other}`"), "alone", None);
        }
    }
    let text = |key| nats.read(key, |value| value.text().map(str::to_owned));
    if let Some(path) = nats.read("creds", |value| folder.path(&value)) {
        if let (Err(error), Some(value)) = (std::fs::File::open(&path), nats.value("creds")) {
            let message = "`nats.creds` cannot be read".to_owned();
            let label = format!("{}: {error}", path.display());
            value.fault::<()>(message, &label, folder.help(&value));
        }
        return Login::Credentials(path);
    }
    match (text("user"), text("password"), text("token")) {
        (Some(user), Some(password), _) => Login::User(user, Secret(password)),
        (_, _, Some(token)) => Login::Token(Secret(token)),
        _ => Login::None,
    }
}

#[cfg(test)]
mod tests {
    use super::server;

    #[test]
    fn a_server_is_a_url_without_a_user() {
        for good in [
            "nats://127.0.0.1:4222",
            "tls://nats.example.com",
            "nats://[::1]:4222/",
        ] {
            assert_eq!(server(good), Ok(()), "{good}");
        }
        for bad in [
            "127.0.0.1:4222",
            "ws://a",
            "nats://",
            "nats://a:0",
            "nats://u:p@a",
            "nats://a b",
        ] {
            assert!(server(bad).is_err(), "{bad}");
        }
    }
}
