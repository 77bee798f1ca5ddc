//! Addresses: From, To, Contact, Route.

use sigbox_wire::{Begins, HeaderId, Index, Limits, Message, NameAddr};

use crate::ask::ask_address;
use crate::within::is_within;

/// One address:
///
/// - the parts are pieces of it, and put together again they are read as the same parts;
/// - as From, To or Contact it is that address, and takes nothing of what stands after it;
/// - what is told of the To tag before anything is parsed is what parsing it tells.
pub fn name_addr(bytes: &[u8]) {
    let address = match NameAddr::parse(bytes) {
        Ok(address) => address,
        Err(fault) => return assert!(fault.at <= bytes.len(), "{fault}"),
    };
    ask_address(address);
    let options = [address.display, address.tag()];
    let parts = [address.uri, address.raw, address.params.as_bytes()];
    for part in parts.into_iter().chain(options.into_iter().flatten()) {
        assert!(is_within(part, bytes), "{}", part.escape_ascii());
    }

    let display = address.display.unwrap_or_default();
    let uri = address.uri;
    let rebuilt = [display, b" <", uri, b">", address.params.as_bytes()].concat();
    let again = NameAddr::parse(&rebuilt).expect("its own parts are parts of an address");
    assert_eq!(
        (again.display, again.uri, again.params),
        (address.display, uri, address.params)
    );
    assert_eq!(again.tag(), address.tag());

    if address.raw.len() > 8_000 {
        return;
    }
    let lines = [
        b"INVITE sip:a@b SIP/2.0\r\nTo: ",
        address.raw,
        b"\r\nFrom: ",
        address.raw,
        b"\r\nContact: ",
        address.raw,
        b" , <sip:next@example.com>\r\n\r\n",
    ]
    .concat();
    let mut index = Index::default();
    index.parse(&lines, &Limits::default()).unwrap();
    let message = Message::new(&lines, &index);
    for parsed in [message.from(), message.to()] {
        assert_eq!(parsed.map(|parsed| parsed.raw), Ok(address.raw));
    }
    let begins = match address.tag() {
        Some(_) => Begins::Nothing,
        None => Begins::Call,
    };
    assert_eq!(Begins::of(&lines), begins);
    // A display name without quotes may hold a comma where there is one address, and not in a list.
    if address
        .display
        .is_none_or(|display| display.starts_with(b"\""))
    {
        let contacts: Vec<_> = message
            .addresses(HeaderId::Contact)
            .map(|contact| contact.map(|contact| contact.raw))
            .collect();
        assert_eq!(contacts, [Ok(address.raw), Ok(b"<sip:next@example.com>")]);
    }
}
