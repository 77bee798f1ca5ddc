//! URIs, alone and where they stand in messages.

use sigbox_core::Target;
use sigbox_wire::{Index, Limits, Message, NameAddr, Scheme, Uri};

use crate::ask::ask_uri;
use crate::within::is_within;

/// One URI, or two with a line feed between them:
///
/// - the parts are pieces of the text, and put together again they are read as the same parts;
/// - a URI that is accepted can break out of neither a request line nor angle brackets;
/// - what the core takes for a target is a URI, with a host unless it is a telephone number;
/// - comparing is symmetric.
pub fn uri(bytes: &[u8]) {
    let mut texts = bytes.splitn(2, |byte| *byte == b'\n');
    let mut next = || texts.next().and_then(checked);
    if let (Some(one), Some(two)) = (next(), next()) {
        assert_eq!(one.same_as(&two), two.same_as(&one));
    }
}

fn checked(text: &[u8]) -> Option<Uri<'_>> {
    let parsed = Uri::parse(text);
    let target = std::str::from_utf8(text).map(Target::parse);
    let uri = match parsed {
        Ok(uri) => uri,
        Err(fault) => {
            assert!(fault.at <= text.len(), "{fault}");
            assert!(!matches!(target, Ok(Ok(_))), "a target that is no URI");
            return None;
        }
    };
    if let Ok(Ok(target)) = target {
        assert_eq!(target.text().as_bytes(), text);
        assert_eq!(target.hop().is_some(), uri.host.is_some());
        assert!(target.hop().is_some() || uri.scheme == Scheme::Tel);
    }
    ask_uri(Ok(uri));
    let user = [uri.user, uri.password, uri.headers];
    for part in user.into_iter().flatten().chain([uri.params.as_bytes()]) {
        assert!(is_within(part, text));
    }
    assert_eq!(uri.raw, text);

    let rebuilt = rebuilt(&uri);
    let again = Uri::parse(&rebuilt).expect("its own parts are parts of a URI");
    assert_eq!(
        (again.user, again.password, again.host, again.port),
        (uri.user, uri.password, uri.host, uri.port)
    );
    assert_eq!((again.params, again.headers), (uri.params, uri.headers));

    let request = [b"OPTIONS ", text, b" SIP/2.0\r\nCall-ID: 1\r\n\r\n"].concat();
    let mut index = Index::default();
    index.parse(&request, &Limits::default()).unwrap();
    let message = Message::new(&request, &index);
    assert_eq!(message.request_uri(), text);
    assert_eq!(message.call_id(), b"1");
    let bracketed = [b"<", text, b">;tag=1"].concat();
    let address = NameAddr::parse(&bracketed).unwrap();
    assert_eq!((address.uri, address.tag()), (text, Some(&b"1"[..])));
    Some(uri)
}

/// The URI written anew from what was read.
fn rebuilt(uri: &Uri<'_>) -> Vec<u8> {
    let scheme = match uri.scheme {
        Scheme::Sip => "sip",
        Scheme::Sips => "sips",
        Scheme::Tel => "tel",
        Scheme::Other(_) => return uri.raw.to_vec(),
    };
    let mut text = format!("{scheme}:").into_bytes();
    if let Some(user) = uri.user {
        text.extend_from_slice(user);
        if let Some(password) = uri.password {
            text.push(b':');
            text.extend_from_slice(password);
        }
        if uri.scheme != Scheme::Tel {
            text.push(b'@');
        }
    }
    if let Some(host) = uri.host {
        text.extend_from_slice(host.to_string().as_bytes());
    }
    if let Some(port) = uri.port {
        text.extend_from_slice(format!(":{port}").as_bytes());
    }
    text.extend_from_slice(uri.params.as_bytes());
    if let Some(headers) = uri.headers {
        text.push(b'?');
        text.extend_from_slice(headers);
    }
    text
}
