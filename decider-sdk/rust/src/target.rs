use std::time::Duration;

use sigbox_contracts::Route;
use sigbox_contracts::decision::{Contact, NameAddr};

/// One branch of a `route`: where the request goes, how long to wait there, and what changes on the way.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use = "a target does nothing until it is part of an answer"]
pub struct Target {
    route: Route,
}

/// A target by its next hop: `sip:192.0.2.20:5060;transport=tcp`. The Request-URI stays as it is unless
/// [`Target::uri`] changes it. An empty text sends to the Request-URI.
pub fn to(next_hop: impl Into<String>) -> Target {
    let next_hop = next_hop.into();
    Target {
        route: Route {
            dst_uri: (!next_hop.is_empty()).then_some(next_hop),
            ..Route::default()
        },
    }
}

/// A contact of a redirect with its preference `q`, 0 to 1.
pub fn contact(uri: impl Into<String>, q: f64) -> Contact {
    Contact {
        uri: uri.into(),
        q: Some(q),
        expires: None,
    }
}

/// `n` seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `n` milliseconds.
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

impl Target {
    /// The Request-URI of this branch.
    pub fn uri(mut self, uri: impl Into<String>) -> Self {
        self.route.uri = Some(uri.into());
        self
    }

    /// How long to wait for a first response before the next target is tried. At most 10 minutes.
    pub fn timeout(mut self, first_response: Duration) -> Self {
        self.route.fr_timer = Some(millis_up(first_response));
        self
    }

    /// How long it may ring: the wait for a final response to an INVITE. At most 10 minutes.
    pub fn ring_timeout(mut self, final_response: Duration) -> Self {
        self.route.fr_inv_timer = Some(millis_up(final_response));
        self
    }

    /// Writes a header, in place of all of that name.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.route.headers.set.insert(name.into(), value.into());
        self
    }

    /// Adds a header beside those that are there.
    pub fn add_header(mut self, name: &str, value: &str) -> Self {
        let lines = self.route.headers.extra.get_or_insert_default();
        // What breaks out of its line here is refused before it is sent, so nothing is escaped.
        lines.extend([name, ": ", value, "\r\n"]);
        self
    }

    /// Takes a header out.
    pub fn remove_header(mut self, name: impl Into<String>) -> Self {
        self.route.headers.remove.push(name.into());
        self
    }

    /// Changes the display name of From; `""` removes it.
    pub fn from_display(mut self, display: impl Into<String>) -> Self {
        name_addr(&mut self.route.headers.from).display = Some(display.into());
        self
    }

    /// Changes the URI of From. The proxy restores it in responses and later requests of the dialog.
    pub fn from_uri(mut self, uri: impl Into<String>) -> Self {
        name_addr(&mut self.route.headers.from).uri = Some(uri.into());
        self
    }

    /// Changes the display name of To; `""` removes it.
    pub fn to_display(mut self, display: impl Into<String>) -> Self {
        name_addr(&mut self.route.headers.to).display = Some(display.into());
        self
    }

    /// Changes the URI of To. The proxy restores it in responses and later requests of the dialog.
    pub fn to_uri(mut self, uri: impl Into<String>) -> Self {
        name_addr(&mut self.route.headers.to).uri = Some(uri.into());
        self
    }

    /// Targets with the same number are tried at once, lower numbers first. All targets have one, or none has.
    pub fn group(mut self, group: u16) -> Self {
        self.route.group = Some(group);
        self
    }

    /// Route set put before the request's own: `<sip:edge.example.net;lr>`, several with commas.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.route.path = Some(path.into());
        self
    }

    /// The proxy's listener to send from: `udp:192.0.2.1:5060`.
    pub fn socket(mut self, socket: impl Into<String>) -> Self {
        self.route.socket = Some(socket.into());
        self
    }

    /// Flags of the branch, as a bit mask; shown in events and metrics.
    pub fn branch_flags(mut self, flags: u32) -> Self {
        self.route.branch_flags = Some(flags);
        self
    }

    /// A gateway set of the proxy, one of which becomes the next hop: `to("").gateways("carriers-de")`.
    pub fn gateways(mut self, set: impl Into<String>) -> Self {
        self.route.gateways = Some(set.into());
        self
    }

    pub(crate) fn into_route(self) -> Route {
        self.route
    }
}

impl From<&str> for Target {
    fn from(next_hop: &str) -> Self {
        to(next_hop)
    }
}

impl From<String> for Target {
    fn from(next_hop: String) -> Self {
        to(next_hop)
    }
}

impl From<Route> for Target {
    fn from(route: Route) -> Self {
        Self { route }
    }
}

fn name_addr(edit: &mut Option<NameAddr>) -> &mut NameAddr {
    edit.get_or_insert_default()
}

/// Whole milliseconds, rounded up: a timeout under a millisecond is still a timeout.
pub(crate) fn millis_up(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_target_writes_what_it_was_told() {
        let target = to("sip:192.0.2.20:5060;transport=tcp")
            .uri("sip:+4930123@gw1.example.net")
            .timeout(Duration::from_micros(4_999_001))
            .ring_timeout(secs(30))
            .header("P-Asserted-Identity", "<sip:+4930@example.net>")
            .add_header("X-Carrier", "a")
            .add_header("X-Trunk", "7")
            .remove_header("X-Internal")
            .from_display("Alice")
            .from_uri("sip:alice@example.net")
            .to_display("")
            .to_uri("sip:bob@example.net")
            .group(2)
            .path("<sip:edge.example.net;lr>")
            .socket("udp:192.0.2.1:5060")
            .branch_flags(8)
            .gateways("carriers-de");
        assert_eq!(
            serde_json::to_value(target.into_route()).unwrap(),
            json!({
                "uri": "sip:+4930123@gw1.example.net", "dst_uri": "sip:192.0.2.20:5060;transport=tcp",
                "path": "<sip:edge.example.net;lr>", "socket": "udp:192.0.2.1:5060",
                "headers": {
                    "from": {"display": "Alice", "uri": "sip:alice@example.net"},
                    "to": {"display": "", "uri": "sip:bob@example.net"},
                    "extra": "X-Carrier: a\r\nX-Trunk: 7\r\n",
                    "set": {"P-Asserted-Identity": "<sip:+4930@example.net>"}, "remove": ["X-Internal"]},
                "branch_flags": 8, "fr_timer": 5000, "fr_inv_timer": 30000, "group": 2, "gateways": "carriers-de"})
        );
    }

    #[test]
    fn a_target_without_a_next_hop_goes_to_its_request_uri() {
        assert_eq!(
            serde_json::to_value(to("").into_route()).unwrap(),
            json!({})
        );
    }
}
