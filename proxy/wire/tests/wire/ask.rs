//! Every accessor there is, and what holds of each answer. The fuzz targets (`proxy/fuzz`) ask the same.

use std::net::SocketAddr;

use sigbox_wire::{
    Credentials, Index, Malformed, Message, NameAddr, Params, Reply, Stored, Uri, Via,
};

/// Asks everything there is to ask, whatever the bytes.
pub(crate) fn ask_everything(raw: &[u8], index: &Index) {
    let message = Message::new(raw, index);
    let _ = (
        message.validate(),
        message.answerable(),
        message.method(),
        message.status(),
    );
    let _ = (
        message.reason(),
        message.uri(),
        message.body(),
        message.content_length(),
    );
    let _ = (
        message.max_forwards(),
        message.expires(),
        message.call_id(),
        message.cseq(),
    );
    let _ = (
        message.headers_start(),
        message.headers_end(),
        message.request_uri_range(),
    );
    for header in message.headers() {
        let id = header.id;
        assert_eq!(
            message.raw().get(header.value_range).unwrap_or_default(),
            header.value
        );
        assert!(message.raw().get(header.line).is_some());
        let _ = (message.header(id), message.named(header.name).count());
        let _ = (message.tokens(id).count(), message.first_value_range(id));
        message.addresses(id).flatten().for_each(ask_address);
        message.credentials(id).for_each(ask_credentials);
        ask_values(header.value);
    }
    for via in message.vias() {
        ask_via(via);
    }
    [message.from(), message.to()]
        .into_iter()
        .flatten()
        .for_each(ask_address);
    let mut out = Vec::new();
    let reply = Reply {
        status: 400,
        reason: "Bad Request",
        to_tag: Some(b"t"),
        server: None,
        extra: b"",
    };
    reply.write(message, source(), &mut out);
    assert!(Stored::new(message).view().headers().count() <= 256);
}

pub(crate) fn ask_values(text: &[u8]) {
    ask_via(Via::parse(text));
    if let Ok(address) = NameAddr::parse(text) {
        ask_address(address);
    }
    ask_credentials(Credentials::parse(text));
    ask_uri(Uri::parse(text));
    let _ = (
        sigbox_wire::CSeq::parse(text),
        sigbox_wire::Host::parse(text),
        Uri::unescape(text),
    );
}

fn ask_params(params: Params<'_>) {
    assert!(params.iter().count() <= params.as_bytes().len());
    let _ = params.get("tag");
}

pub(crate) fn ask_address(address: NameAddr<'_>) {
    ask_params(address.params);
    let _ = (address.tag(), address.display_unquoted());
    ask_uri(address.parsed_uri());
}

pub(crate) fn ask_uri(uri: Result<Uri<'_>, Malformed>) {
    let Ok(uri) = uri else { return };
    ask_params(uri.params);
    assert!(uri.same_as(&uri), "{}", uri.raw.escape_ascii());
}

pub(crate) fn ask_via(via: Result<Via<'_>, Malformed>) {
    let Ok(via) = via else { return };
    ask_params(via.params);
    let _ = (via.branch(), via.received_ip(), via.rport(), via.sent_by());
    let mut out = Vec::new();
    via.write_stamped(source(), &mut out);
    let again = Via::parse(&out).unwrap_or_else(|fault| panic!("{fault}: {}", out.escape_ascii()));
    assert_eq!(
        (again.branch(), again.sent_by()),
        (via.branch(), via.sent_by())
    );
    assert!(again.rport() != Some(None));
    let mut twice = Vec::new();
    again.write_stamped(source(), &mut twice);
    // A parameter that is gone may leave the white space in front of it.
    assert_eq!(twice, out.trim_ascii_end());
}

fn ask_credentials(credentials: Result<Credentials<'_>, Malformed>) {
    let Ok(credentials) = credentials else { return };
    let _ = (credentials.get("realm"), credentials.params.iter().count());
}

pub(crate) fn source() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5060))
}
