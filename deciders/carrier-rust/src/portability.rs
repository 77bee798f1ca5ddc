use sigbox_decider::{Dialled, RoutingNumber, Snapshot};

/// The table of ported numbers.
pub(crate) const PORTED: &str = "ported";

/// What a dip into the ported numbers came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dip {
    /// What rates are looked up by: the routing number of a ported number, else the number.
    pub(crate) number: String,
    /// The Request-URI that says so to those further on; `None` when it stays as it is.
    pub(crate) uri: Option<String>,
    /// The row, for the decision's reasons.
    pub(crate) reason: Option<String>,
}

/// Looks a number up, unless somebody did before (RFC 4694 §5). A row without a routing number says that the number is
/// not ported. A number without a row stays as it is: the table knows of some countries, and not of this one.
pub(crate) fn dip(snapshot: &Snapshot, dialled: &Dialled<'_>) -> Dip {
    let nothing = |reason| Dip {
        number: dialled.routed_by().to_owned(),
        uri: None,
        reason,
    };
    if dialled.is_dipped() {
        return nothing(Some(format!("dipped before: {}", dialled.routed_by())));
    }
    let Some(found) = snapshot.table(PORTED).get(dialled.number()) else {
        return nothing(None);
    };
    let Some(text) = found.text("rn") else {
        return Dip {
            uri: Some(dialled.after_dip(None)),
            ..nothing(Some(format!("{} is not ported", found.reason)))
        };
    };
    match RoutingNumber::parse(&text) {
        Ok(rn) => Dip {
            number: rn.digits(),
            uri: Some(dialled.after_dip(Some(&rn))),
            reason: Some(match found.text("carrier") {
                Some(carrier) => format!("{} -> {rn} of {carrier}", found.reason),
                None => format!("{} -> {rn}", found.reason),
            }),
        },
        Err(error) => nothing(Some(format!("{}: {text:?}: {error}", found.reason))),
    }
}

#[cfg(test)]
mod tests {
    use sigbox_decider::Tables;
    use sigbox_decider::testing::uri;
    use sigbox_tables::Kind;

    use super::*;

    fn dipped(text: &str) -> Dip {
        let tables = Tables::new();
        tables
            .set_csv(PORTED, Kind::Numbers, include_str!("../ported.csv"))
            .unwrap();
        let uri = uri(text);
        dip(&tables.now(), &Dialled::of(&uri).unwrap())
    }

    #[test]
    fn a_ported_number_goes_by_its_routing_number_and_says_so() {
        let dip = dipped("sip:+493012345@example.com;user=phone");
        assert_eq!(dip.number, "49199123");
        assert_eq!(
            dip.uri.as_deref(),
            Some("sip:+493012345;npdi;rn=+49199123@example.com;user=phone")
        );
        assert_eq!(
            dip.reason.as_deref(),
            Some("ported v1: number 493012345 -> +49199123 of otherwise")
        );
    }

    #[test]
    fn a_dip_is_not_done_twice() {
        let dip = dipped("sip:+493012345;npdi@example.com");
        assert_eq!((dip.number.as_str(), dip.uri), ("493012345", None));
        let dip = dipped("sip:+493012345;npdi;rn=+4915999@example.com");
        assert_eq!((dip.number.as_str(), dip.uri), ("4915999", None));
        assert_eq!(dip.reason.as_deref(), Some("dipped before: 4915999"));
    }

    #[test]
    fn a_row_without_a_routing_number_is_a_dip_that_found_none() {
        let dip = dipped("sip:+493012346@example.com");
        assert_eq!(dip.number, "493012346");
        assert_eq!(dip.uri.as_deref(), Some("sip:+493012346;npdi@example.com"));
    }

    #[test]
    fn a_number_without_a_row_stays_as_it_is() {
        let dip = dipped("sip:+12125550100@example.com");
        assert_eq!(
            (dip.number.as_str(), dip.uri, dip.reason),
            ("12125550100", None, None)
        );
    }

    #[test]
    fn a_routing_number_that_is_none_is_named_and_not_sent() {
        let tables = Tables::new();
        tables
            .set_csv(PORTED, Kind::Numbers, "number,rn\n49301,D123\n")
            .unwrap();
        let uri = uri("sip:+49301@example.com");
        let dip = dip(&tables.now(), &Dialled::of(&uri).unwrap());
        assert_eq!((dip.number.as_str(), dip.uri), ("49301", None));
        assert_eq!(
            dip.reason.as_deref(),
            Some(
                "ported v1: number 49301: \"D123\": a routing number is + and digits (RFC 4694), like +49199000"
            )
        );
    }
}
