//! Checks that need no SIP parser, in one order everywhere: version, what the action needs, what it does not use,
//! then the values in document order. The first thing found wrong is reported.

use super::{Action, Contact, Decision, HeaderEdits, Limits, NameAddr, RetryAfter, Route};
use crate::invalid::{Invalid, InvalidReason};
use crate::subject::Slug;

mod lines;

use lines::{extra_lines, header_name, one_line, uri};

type Checked = Result<(), Invalid>;

const SIP_OR_TEL: &[&str] = &["sip", "sips", "tel"];

/// A telephone number is nowhere to send a packet to.
const SIP: &[&str] = &["sip", "sips"];

impl Decision {
    /// Checks a decision that was built rather than read; [`Decision::parse`] calls it.
    ///
    /// What only the proxy can see is not checked: the full URI grammar, a target that is the proxy itself, the names
    /// of sockets and gateway sets.
    ///
    /// # Errors
    /// [`Invalid`] for the first thing found wrong.
    pub fn validate(&self, limits: &Limits) -> Result<(), Invalid> {
        self.check_version()?;
        match self.verb() {
            Action::Route => self.check_route(limits)?,
            Action::Reject => self.check_reject()?,
            Action::Redirect => self.check_redirect(limits)?,
            Action::Pass => self.check_unused(&[])?,
            Action::Extend => {
                self.check_unused(&["extend_ms"])?;
                let extend = self.extend_ms.ok_or_else(|| {
                    missing(
                        "/extend_ms",
                        "extend says how much longer to wait, in milliseconds",
                    )
                })?;
                within("/extend_ms", extend, Limits::MAX_TIMER_MS)?;
            }
        }
        if let Some(cache) = &self.cache {
            let length = cache.key.chars().count();
            if length == 0 || length > Limits::MAX_KEY {
                return Err(Invalid::new(
                    InvalidReason::BadName,
                    "/cache/key",
                    format!("{length} characters; a key has 1 to {}", Limits::MAX_KEY),
                ));
            }
            within("/cache/ttl_ms", cache.ttl_ms, Limits::MAX_DAY_MS)?;
        }
        Ok(())
    }

    fn check_version(&self) -> Checked {
        match &self.version {
            Some(version) if version != "1" && !version.starts_with("1.") => Err(Invalid::new(
                InvalidReason::UnknownVersion,
                "/version",
                format!("{version:?}; this proxy reads 1.x"),
            )),
            _ => Ok(()),
        }
    }

    fn check_route(&self, limits: &Limits) -> Checked {
        let Some(first) = self.routes.first() else {
            return Err(Invalid::new(
                InvalidReason::NoRoutes,
                "/routes",
                "a decision has routes or another action",
            ));
        };
        self.check_unused(&["routing", "routes", "failover", "requery"])?;
        at_most(
            self.routes.len(),
            limits.max_routes,
            InvalidReason::TooManyRoutes,
            "/routes",
        )?;
        for (index, route) in self.routes.iter().enumerate() {
            check_one_route(route).map_err(|invalid| invalid.under(&format!("/routes/{index}")))?;
            if route.group.is_some() != first.group.is_some() {
                return Err(missing(
                    format!(
                        "/routes/{}/group",
                        if route.group.is_none() { index } else { 0 }
                    ),
                    "either every route has a group or none",
                ));
            }
        }
        Ok(())
    }

    fn check_reject(&self) -> Checked {
        self.check_unused(&["status", "reason", "headers", "retry_after_ms"])?;
        match self.status {
            None => return Err(missing("/status", "reject says which status, 400 to 699")),
            Some(400..=699) => {}
            Some(other) => return Err(bad_status(other, "reject takes 400 to 699")),
        }
        self.check_response()?;
        match self.retry_after_ms {
            None => Ok(()),
            Some(RetryAfter::Fixed(ms)) => within("/retry_after_ms", ms, Limits::MAX_DAY_MS),
            Some(RetryAfter::Range { min, max }) => {
                within("/retry_after_ms/min", min, Limits::MAX_DAY_MS)?;
                within("/retry_after_ms/max", max, Limits::MAX_DAY_MS)?;
                if min > max {
                    return Err(Invalid::new(
                        InvalidReason::BadNumber,
                        "/retry_after_ms/min",
                        format!("{min} is more than max, {max}"),
                    ));
                }
                Ok(())
            }
        }
    }

    fn check_redirect(&self, limits: &Limits) -> Checked {
        self.check_unused(&["status", "reason", "headers", "contacts"])?;
        if let Some(status) = self.status
            && !(300..400).contains(&status)
        {
            return Err(bad_status(status, "redirect takes 300 to 399"));
        }
        self.check_response()?;
        if self.contacts.is_empty() {
            return Err(missing("/contacts", "redirect says where to go"));
        }
        let reason = InvalidReason::TooManyContacts;
        at_most(
            self.contacts.len(),
            limits.max_contacts,
            reason,
            "/contacts",
        )?;
        self.contacts
            .iter()
            .enumerate()
            .try_for_each(|(index, contact)| {
                check_contact(contact)
                    .map_err(|invalid| invalid.under(&format!("/contacts/{index}")))
            })
    }

    /// Reason phrase and headers of a response of ours.
    fn check_response(&self) -> Checked {
        if let Some(reason) = &self.reason {
            one_line("/reason", reason)?;
        }
        for (present, pointer) in [
            (self.headers.from.is_some(), "/headers/from"),
            (self.headers.to.is_some(), "/headers/to"),
            (!self.headers.remove.is_empty(), "/headers/remove"),
        ] {
            if present {
                return Err(Invalid::new(
                    InvalidReason::UnexpectedField,
                    pointer,
                    "the headers of a response can be set or added, nothing else",
                ));
            }
        }
        check_headers(&self.headers).map_err(|invalid| invalid.under("/headers"))
    }

    /// Refuses a field of another action: it would be ignored, and whoever wrote it believes otherwise. A document
    /// without an action is rtjson, where anything may stand beside the routes.
    fn check_unused(&self, used: &[&str]) -> Checked {
        if self.action.is_none() {
            return Ok(());
        }
        let fields = [
            ("routing", self.routing.is_some()),
            ("routes", !self.routes.is_empty()),
            ("failover", self.failover.is_some()),
            ("requery", self.requery),
            ("status", self.status.is_some()),
            ("reason", self.reason.is_some()),
            ("headers", !self.headers.is_empty()),
            ("retry_after_ms", self.retry_after_ms.is_some()),
            ("contacts", !self.contacts.is_empty()),
            ("extend_ms", self.extend_ms.is_some()),
        ];
        match fields
            .iter()
            .find(|(name, present)| *present && !used.contains(name))
        {
            None => Ok(()),
            Some((name, _)) => Err(Invalid::new(
                InvalidReason::UnexpectedField,
                format!("/{name}"),
                format!("has no effect on {}", self.verb()),
            )),
        }
    }
}

/// Pointers are relative to the route: only a refusal is worth writing one out for.
fn check_one_route(route: &Route) -> Checked {
    if let Some(text) = &route.uri {
        uri("/uri", text, SIP_OR_TEL)?;
    }
    if let Some(text) = &route.dst_uri {
        uri("/dst_uri", text, SIP)?;
    }
    if let Some(text) = &route.path {
        one_line("/path", text)?;
    }
    if let Some(text) = &route.socket {
        one_line("/socket", text)?;
    }
    check_headers(&route.headers).map_err(|invalid| invalid.under("/headers"))?;
    if let Some(ms) = route.fr_timer {
        within("/fr_timer", ms, Limits::MAX_TIMER_MS)?;
    }
    if let Some(ms) = route.fr_inv_timer {
        within("/fr_inv_timer", ms, Limits::MAX_TIMER_MS)?;
    }
    if let Some(name) = &route.gateways {
        Slug::new(name.as_str()).map_err(|error| {
            Invalid::new(InvalidReason::BadName, "/gateways", error.to_string())
        })?;
    }
    Ok(())
}

fn check_contact(contact: &Contact) -> Checked {
    if contact.uri.is_empty() {
        return Err(missing("/uri", "a contact has a URI"));
    }
    uri("/uri", &contact.uri, SIP_OR_TEL)?;
    match contact.q {
        Some(q) if !(0.0..=1.0).contains(&q) => Err(Invalid::new(
            InvalidReason::BadNumber,
            "/q",
            format!("{q} is not between 0 and 1"),
        )),
        _ => Ok(()),
    }
}

/// Pointers are relative to the headers.
fn check_headers(headers: &HeaderEdits) -> Checked {
    if let Some(from) = &headers.from {
        check_name_addr(from).map_err(|invalid| invalid.under("/from"))?;
    }
    if let Some(to) = &headers.to {
        check_name_addr(to).map_err(|invalid| invalid.under("/to"))?;
    }
    if let Some(lines) = &headers.extra {
        extra_lines("/extra", lines)?;
    }
    for (name, value) in &headers.set {
        check_set(headers, name, value).map_err(|invalid| {
            let mut pointer = "/set".to_owned();
            crate::read::push_token(&mut pointer, name);
            invalid.under(&pointer)
        })?;
    }
    for (index, name) in headers.remove.iter().enumerate() {
        header_name("", name).map_err(|invalid| invalid.under(&format!("/remove/{index}")))?;
    }
    Ok(())
}

/// Pointers are relative to the address.
fn check_name_addr(address: &NameAddr) -> Checked {
    if let Some(display) = &address.display {
        one_line("/display", display)?;
    }
    if let Some(text) = &address.uri {
        uri("/uri", text, SIP_OR_TEL)?;
    }
    Ok(())
}

/// One of the headers that `headers` sets; pointers are relative to it.
fn check_set(headers: &HeaderEdits, name: &str, value: &str) -> Checked {
    header_name("", name)?;
    one_line("", value)?;
    let mut names = headers.set.keys();
    if names.any(|other| other != name && other.eq_ignore_ascii_case(name)) {
        return Err(Invalid::new(
            InvalidReason::DuplicateField,
            "",
            "the same header is set twice; letter case does not count",
        ));
    }
    Ok(())
}

fn missing(pointer: impl Into<String>, detail: &str) -> Invalid {
    Invalid::new(InvalidReason::MissingField, pointer, detail)
}

fn bad_status(status: u16, detail: &str) -> Invalid {
    Invalid::new(
        InvalidReason::BadStatus,
        "/status",
        format!("{status}; {detail}"),
    )
}

fn within(pointer: &str, ms: u64, max: u64) -> Checked {
    if (1..=max).contains(&ms) {
        return Ok(());
    }
    Err(Invalid::new(
        InvalidReason::BadNumber,
        pointer,
        format!(
            "{ms} ms; 1 to {max} can be asked for, leave the field out for the proxy's setting"
        ),
    ))
}

fn at_most(count: usize, max: usize, reason: InvalidReason, pointer: &str) -> Checked {
    if count <= max {
        return Ok(());
    }
    Err(Invalid::new(
        reason,
        pointer,
        format!("{count}; at most {max} are taken"),
    ))
}
