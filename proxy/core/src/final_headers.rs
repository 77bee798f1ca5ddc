//! The headers of final responses made here, besides those that every response has.

use crate::forward::write_line;
use crate::header_edits::HeaderEdits;
use crate::plan::{Redirect, RedirectContact, Reject};
use crate::secret::Secret;

/// Complete lines.
pub(crate) fn of_reject(reject: &Reject, secret: &mut Secret) -> Vec<u8> {
    let mut extra = lines(&reject.headers);
    if let Some(range) = reject.retry_after {
        write_line(
            &mut extra,
            "Retry-After",
            &secret.seconds_between(range).to_string(),
        );
    }
    extra
}

/// Complete lines. A contact that names nobody gets `user`, if that is given.
pub(crate) fn of_redirect(redirect: &Redirect, user: Option<&[u8]>) -> Vec<u8> {
    let mut extra = lines(&redirect.headers);
    for contact in &redirect.contacts {
        let mut value = format!("<{}>", uri(contact, user));
        if let Some(q) = contact.q {
            value += &format!(";q={}.{:03}", q / 1000, q % 1000);
        }
        if let Some(expires) = contact.expires {
            value += &format!(";expires={expires}");
        }
        write_line(&mut extra, "Contact", &value);
    }
    extra
}

fn uri(contact: &RedirectContact, user: Option<&[u8]>) -> String {
    let text = contact.uri.text();
    let user = user.and_then(|user| std::str::from_utf8(user).ok());
    match (text.split_once(':'), user) {
        (Some((scheme, rest)), Some(user)) if !text.contains('@') => {
            format!("{scheme}:{user}@{rest}")
        }
        _ => text.to_owned(),
    }
}

fn lines(headers: &HeaderEdits) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in headers.sets() {
        write_line(&mut lines, name, value);
    }
    lines.extend_from_slice(headers.extra());
    lines
}
