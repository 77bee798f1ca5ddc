//! Via, and what the receiver writes into it.

use std::net::SocketAddr;

use sigbox_wire::{Index, Limits, Message, Via};

use crate::ask::ask_via;
use crate::within::is_within;

/// One Via value:
///
/// - the parts are pieces of it;
/// - stamped by the receiver it says where it came from and nothing else has changed, whatever the
///   sender forged (RFC 3261 §18.2.1, RFC 3581 §4);
/// - as a header line it is one Via, which takes nothing of the next line.
pub fn via(bytes: &[u8]) {
    ask_via(Via::parse(bytes));
    let via = match Via::parse(bytes) {
        Ok(via) => via,
        Err(fault) => return assert!(fault.at <= bytes.len(), "{fault}"),
    };
    let values = [via.branch(), via.received()];
    let parts = [via.transport, via.host, via.raw, via.sent_by()];
    for part in parts.into_iter().chain(values.into_iter().flatten()) {
        assert!(is_within(part, bytes), "{}", part.escape_ascii());
    }
    for source in ["192.0.2.1:5060", "[2001:db8::1]:40000"] {
        is_stamped(&via, source.parse().unwrap());
    }

    // Commas count as Vias before it is known which of them separate.
    if via.raw.iter().filter(|byte| **byte == b',').count() > 60 || via.raw.len() > 8_000 {
        return;
    }
    let lines = [
        b"OPTIONS sip:a@b SIP/2.0\r\nVia: ",
        via.raw,
        b"\r\nVia: SIP/2.0/UDP below\r\n\r\n",
    ]
    .concat();
    let mut index = Index::default();
    index.parse(&lines, &Limits::default()).unwrap();
    let message = Message::new(&lines, &index);
    assert_eq!(message.via().map(|first| first.raw), Ok(via.raw));
    let hosts: Vec<_> = message.vias().map(|via| via.map(|via| via.host)).collect();
    assert_eq!(hosts, [Ok(via.host), Ok(b"below")]);
}

fn is_stamped(via: &Via<'_>, source: SocketAddr) {
    let mut stamped = Vec::new();
    via.write_stamped(source, &mut stamped);
    let again = Via::parse(&stamped).unwrap();
    let said = again.received_ip().or(again.sent_by_host().ip());
    assert_eq!(said.map(|ip| ip.to_canonical()), Some(source.ip()));
    assert_eq!(
        again.rport(),
        via.params.get("rport").map(|_| Some(source.port()))
    );
    let kept = |via: &Via<'_>| -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        via.params
            .iter()
            .filter(|(name, _)| {
                !name.eq_ignore_ascii_case(b"rport") && !name.eq_ignore_ascii_case(b"received")
            })
            .map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)))
            .collect()
    };
    assert_eq!(kept(&again), kept(via));
    assert_eq!(
        (again.transport, again.sent_by()),
        (via.transport, via.sent_by())
    );
}
