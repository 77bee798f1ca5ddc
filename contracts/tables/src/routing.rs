use serde_json::{Value, json};
use sigbox_contracts::{Decision, Invalid, Limits};

use crate::row::Fields;

/// Fields that make one route when they stand in a row by themselves.
pub(crate) const ROUTE: [&str; 7] = [
    "uri",
    "dst_uri",
    "path",
    "socket",
    "gateways",
    "fr_timer",
    "fr_inv_timer",
];

/// Fields of a whole decision that a row can be (`extend_ms` is none of a row's).
pub(crate) const DECISION: [&str; 12] = [
    "action",
    "routing",
    "routes",
    "failover",
    "requery",
    "status",
    "reason",
    "headers",
    "retry_after_ms",
    "contacts",
    "reasons",
    "cache",
];

/// What a row of a `prefixes` or `numbers` table says about routing: it is a decision document with an `action` or
/// `routes`, or has the fields of one route. Other fields are attributes. `None` when it says nothing.
///
/// # Errors
/// [`Invalid`], as for a decider's reply.
pub fn decision_of(row: &Fields, limits: &Limits) -> Result<Option<Decision>, Invalid> {
    let document = if row.contains_key("action") || row.contains_key("routes") {
        Value::Object(row.clone())
    } else {
        let route: Fields = ROUTE
            .iter()
            .filter_map(|field| Some(((*field).to_owned(), row.get(*field)?.clone())))
            .collect();
        if !["uri", "dst_uri", "gateways"]
            .iter()
            .any(|field| route.contains_key(*field))
        {
            return Ok(None);
        }
        json!({ "routes": [route] })
    };
    let result = Decision::parse(document.to_string().as_bytes(), limits);
    result.map(Some).map_err(|mut invalid| {
        if !row.contains_key("routes") {
            invalid.pointer = invalid.pointer.replacen("/routes/0", "", 1);
        }
        invalid
    })
}

#[cfg(test)]
mod tests {
    use sigbox_contracts::Action;

    use super::*;

    fn decided(row: Value) -> Result<Option<Decision>, Invalid> {
        decision_of(row.as_object().unwrap(), &Limits::default())
    }

    #[test]
    fn a_row_is_a_decision_or_one_route_or_neither() {
        let route = decided(json!({"gateways": "de", "rate": "0.01"}))
            .unwrap()
            .unwrap();
        assert_eq!(route.routes[0].gateways.as_deref(), Some("de"));
        let reject = decided(json!({"action": "reject", "status": 404}))
            .unwrap()
            .unwrap();
        assert_eq!((reject.verb(), reject.status), (Action::Reject, Some(404)));
        let routes = decided(json!({"routes": [{"uri": "sip:a@b"}, {"uri": "sip:c@d"}]}));
        assert_eq!(routes.unwrap().unwrap().routes.len(), 2);
        assert_eq!(decided(json!({"carrier": "a", "rate": 1})), Ok(None));
    }

    /// A field that a decision gets has a meaning in rows.
    #[test]
    fn every_field_of_a_decision_is_known() {
        let schema = serde_json::to_value(schemars::schema_for!(Decision)).unwrap();
        let fields = schema["properties"].as_object().unwrap().keys();
        let fields: Vec<_> = fields
            .map(String::as_str)
            .filter(|field| !["version", "extend_ms"].contains(field))
            .collect();
        let mut known = DECISION.to_vec();
        known.sort_unstable();
        assert_eq!(known, fields);
    }

    #[test]
    fn a_fault_points_into_the_row() {
        assert_eq!(
            decided(json!({"dst_uri": "sip:a b"})).unwrap_err().pointer,
            "/dst_uri"
        );
        let nested = decided(json!({"routes": [{"uri": "sip:a b"}]})).unwrap_err();
        assert_eq!(nested.pointer, "/routes/0/uri");
    }
}
