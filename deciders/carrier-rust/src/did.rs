use sigbox_decider::{Dialled, Found, Snapshot, prelude::*};

/// The table of our own numbers.
pub(crate) const DIDS: &str = "dids";

/// Where a number of ours rings: at `uri`, over the trunk `dst_uri` or one of the gateway set `gateways`. `None` when the
/// number is not ours; one of ours that rings nowhere is not found, and does not go out to a carrier, who would only
/// bring it back.
pub(crate) fn inbound(snapshot: &Snapshot, dialled: &Dialled<'_>) -> Option<Answer> {
    let found = snapshot.table(DIDS).get(dialled.number())?;
    let customer = found.text("customer");
    let reason = match &customer {
        Some(customer) => format!("{} -> {customer}", found.reason),
        None => found.reason.clone(),
    };
    Some(match target(&found, dialled) {
        Some(target) => {
            let target = match customer {
                Some(customer) => target.header("X-Customer", customer),
                None => target,
            };
            route([target]).because(reason)
        }
        None => reject(404).because(format!("{reason}, which rings nowhere")),
    })
}

fn target(found: &Found, dialled: &Dialled<'_>) -> Option<Target> {
    let (uri, hop, set) = (
        found.text("uri"),
        found.text("dst_uri"),
        found.text("gateways"),
    );
    if uri.is_none() && hop.is_none() && set.is_none() {
        return None;
    }
    let mut target = to(hop.unwrap_or_default());
    if let Some(uri) = uri {
        target = target.uri(uri.replace("{number}", dialled.number()));
    }
    if let Some(set) = set {
        target = target.gateways(set);
    }
    Some(target)
}

#[cfg(test)]
mod tests {
    use sigbox_decider::testing::uri;
    use sigbox_decider::{Route, Tables};
    use sigbox_tables::Kind;

    use super::*;

    fn decision(number: &str) -> Option<Decision> {
        let tables = Tables::new();
        tables
            .set_csv(DIDS, Kind::Numbers, include_str!("../dids.csv"))
            .unwrap();
        let uri = uri(&format!("sip:{number}@example.com"));
        let dialled = Dialled::of(&uri)?;
        inbound(&tables.now(), &dialled).map(Decision::from)
    }

    fn route_of(number: &str) -> Route {
        decision(number).unwrap().routes.remove(0)
    }

    #[test]
    fn a_number_of_ours_rings_where_its_row_says() {
        let route = route_of("+49305550100");
        assert_eq!(route.uri.as_deref(), Some("sip:alice@127.0.0.1:5073"));
        assert_eq!(route.dst_uri, None);
        let trunk = route_of("0049305550200");
        assert_eq!(trunk.dst_uri.as_deref(), Some("sip:127.0.0.1:5074"));
        assert_eq!(trunk.uri, None, "the trunk sees what was dialled");
        assert_eq!(trunk.headers.set["X-Customer"], "bakery");
        let set = route_of("+49305550300");
        assert_eq!(set.gateways.as_deref(), Some("office"));
        assert_eq!(set.uri.as_deref(), Some("sip:49305550300@office.example"));
    }

    #[test]
    fn the_reason_names_table_version_and_row() {
        let reasons = decision("+49305550200").unwrap().reasons;
        assert_eq!(reasons, ["dids v1: number 49305550200 -> bakery"]);
    }

    #[test]
    fn a_number_of_ours_that_rings_nowhere_does_not_go_out() {
        let decision = decision("+49305550900").unwrap();
        assert_eq!(decision.status, Some(404));
    }

    #[test]
    fn a_number_is_ours_as_a_whole() {
        for number in ["+4930555010", "+493055501001", "+4930123"] {
            assert_eq!(decision(number), None, "{number}");
        }
    }
}
