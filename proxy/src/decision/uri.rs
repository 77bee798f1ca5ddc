//! A URI as queries show it: as it was written, and taken apart.

use sigbox_wire::{Host, Scheme, Uri};

use super::json::Json;

/// More parameters than these are not shown; nobody routes by the 33rd.
const MAX_PARAMS: usize = 32;

/// Writes a URI, taken apart when it can be parsed. With `clip`, every text is cut to that many
/// bytes and there are no parameters.
pub(super) fn write_uri(json: &mut Json<'_>, text: &[u8], clip: Option<usize>) {
    json.raw(r#"{"text":"#);
    json.text(clipped(text, clip));
    json.raw(r#","scheme":"#);
    let Ok(uri) = Uri::parse(text) else {
        let scheme = match memchr::memchr(b':', text) {
            Some(colon) => &text[..colon],
            None => b"",
        };
        json.lower(clipped(scheme, clip));
        json.raw("}");
        return;
    };
    match uri.scheme {
        Scheme::Sip => json.raw(r#""sip""#),
        Scheme::Sips => json.raw(r#""sips""#),
        Scheme::Tel => json.raw(r#""tel""#),
        Scheme::Other(name) => json.lower(clipped(name, clip)),
    }
    if let Some(user) = uri.user {
        json.raw(r#","user":"#);
        json.unescaped(clipped(user, clip));
    }
    if let Some(host) = uri.host {
        json.raw(r#","host":"#);
        match host {
            Host::V4(ip) => json.ip(ip.into()),
            Host::V6(ip) => json.ip(ip.into()),
            Host::Name(name) => json.lower(clipped(name, clip)),
        }
    }
    if let Some(port) = uri.port {
        json.raw(r#","port":"#);
        json.number(port);
    }
    if clip.is_none() {
        write_params(json, uri.params, None);
    }
    json.raw("}");
}

/// Writes parameters as a member `params`, if there are any: names in lower case, the first of a
/// name counts, no value is `""`. Leaves out the one that is shown elsewhere.
pub(super) fn write_params(
    json: &mut Json<'_>,
    params: sigbox_wire::Params<'_>,
    shown: Option<&str>,
) {
    let mut lead = r#","params":{"#;
    for (position, (name, value)) in params.iter().take(MAX_PARAMS).enumerate() {
        let is_shown = shown.is_some_and(|shown| name.eq_ignore_ascii_case(shown.as_bytes()))
            || params
                .iter()
                .take(position)
                .any(|(earlier, _)| earlier.eq_ignore_ascii_case(name));
        if is_shown {
            continue;
        }
        json.raw(lead);
        lead = ",";
        json.lower(name);
        json.raw(":");
        json.unescaped(value.map(unquote).unwrap_or_default());
    }
    if lead == "," {
        json.raw("}");
    }
}

/// At most `clip` bytes.
pub(super) fn clipped(text: &[u8], clip: Option<usize>) -> &[u8] {
    &text[..text.len().min(clip.unwrap_or(usize::MAX))]
}

/// A quoted value without its quotes.
fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        other => other,
    }
}
