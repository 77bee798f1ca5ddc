use sigbox_contracts::query::Uri;

/// A URI as the proxy takes it apart, for query documents in tests. Good for well-formed URIs without escapes; the
/// proxy has a parser.
pub fn uri(text: &str) -> Uri {
    let (scheme, rest) = text.split_once(':').unwrap_or(("sip", text));
    let rest = rest.split('?').next().unwrap_or(rest);
    let (userinfo, rest) = match rest.rsplit_once('@') {
        Some((userinfo, rest)) => (Some(userinfo), rest),
        None => (None, rest),
    };
    let mut parts = rest.split(';');
    let authority = parts.next().unwrap_or_default();
    let params = parts
        .map(|param| param.split_once('=').unwrap_or((param, "")))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let whole = || Uri {
        text: text.to_owned(),
        scheme: scheme.to_ascii_lowercase(),
        ..Uri::default()
    };
    if scheme.eq_ignore_ascii_case("tel") {
        return Uri {
            user: Some(authority.to_owned()),
            params,
            ..whole()
        };
    }
    let (host, port) = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((v6, port)) => (v6, port.strip_prefix(':')),
        None => authority
            .split_once(':')
            .map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let user = userinfo.map(|userinfo| userinfo.split(':').next().unwrap_or(userinfo).to_owned());
    Uri {
        user,
        host: Some(host.to_ascii_lowercase()),
        port: port.and_then(|port| port.parse().ok()),
        params,
        ..whole()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_come_apart_as_in_a_query() {
        let full = uri("sip:+4930123:pw@Example.com:5062;user=phone;lr?subject=x");
        assert_eq!(full.user.as_deref(), Some("+4930123"));
        assert_eq!(
            (full.host.as_deref(), full.port),
            (Some("example.com"), Some(5062))
        );
        assert_eq!(full.params["user"], "phone");
        assert_eq!(full.params["lr"], "");
        let v6 = uri("sips:[2001:db8::1]:5061");
        assert_eq!(
            (v6.host.as_deref(), v6.port, v6.user),
            (Some("2001:db8::1"), Some(5061), None)
        );
        let tel = uri("tel:+4930123;phone-context=example.com");
        assert_eq!((tel.user.as_deref(), tel.host), (Some("+4930123"), None));
    }
}
