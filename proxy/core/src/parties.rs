//! From and To that a plan rewrote, and how the rest of the dialog stays consistent with that.
//!
//! The caller's side goes on with the addresses it used, the callee's with those it was sent, and each
//! must see its own (RFC 3261 §12.2; RFC 4916 lets the URIs differ from dialog to dialog, not the tags).
//! Nothing is remembered here for the life of a call: both pairs stand in a parameter of our
//! Record-Route's URI, which both sides send back with every request within the dialog. Whoever changes
//! it changes what the other side of its own dialog sees, as it could with its own From.
//!
//! ```text
//! parties=base64url( caller's tag, hashed | From here | From there | To here | To there )
//! ```
//!
//! *Here* is the caller's side, *there* the callee's; an address that was not rewritten is empty.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sigbox_wire::{HeaderId, Malformed, Message, NameAddr, Splicer};

use crate::header_edits::{HeaderEdits, Party};
use crate::plan::Route;

/// The name of the parameter.
pub(crate) const PARAM: &str = "parties";

/// The most bytes that are recorded; a request with longer addresses would outgrow its datagram.
const MAX_RECORDED: usize = 1_024;

/// A plan's party that changes nothing.
const AS_IT_IS: Party = Party {
    display: None,
    uri: None,
};

/// What a request within a dialog, on its way to the other side, gets for From and To.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parties {
    from: Box<[u8]>,
    to: Box<[u8]>,
}

impl Parties {
    /// Reads what was recorded for the dialog of `request`, in the order of its Route set: a request
    /// that came through here twice when the dialog began has two of them, and what the last says is
    /// what the other side knows. `None` when nothing is readable, or the dialog is another.
    pub(crate) fn read(recorded: &[&[u8]], request: Message<'_>) -> Option<Box<Self>> {
        let each = recorded.iter().filter_map(|param| Self::of(param, request));
        let both = each.reduce(|earlier, last| Self {
            from: if last.from.is_empty() {
                earlier.from
            } else {
                last.from
            },
            to: if last.to.is_empty() {
                earlier.to
            } else {
                last.to
            },
        });
        both.map(Box::new)
    }

    fn of(param: &[u8], request: Message<'_>) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(param).ok()?;
        let (caller, mut rest) = bytes.split_first_chunk()?;
        let caller = u32::from_be_bytes(*caller);
        let mut next = || {
            let (length, after) = rest.split_first_chunk()?;
            let (text, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
            rest = after;
            (text.is_empty() || is_address(text)).then_some(text)
        };
        let [from_here, from_there, to_here, to_there] = [next()?, next()?, next()?, next()?];
        let is_caller = |party: Result<NameAddr<'_>, Malformed>| {
            let tag = party.ok().and_then(|party| party.tag());
            tag.is_some_and(|tag| hash(tag) == caller)
        };
        let (from, to) = if is_caller(request.from()) {
            (from_there, to_there)
        } else if is_caller(request.to()) {
            (to_here, from_here)
        } else {
            return None;
        };
        Some(Self {
            from: from.into(),
            to: to.into(),
        })
    }

    /// Collects the edits that put them in place of what the request has; the tags stay.
    pub(crate) fn edit(&self, splicer: &mut Splicer, request: Message<'_>) {
        let both = [
            (HeaderId::From, &self.from, request.from()),
            (HeaderId::To, &self.to, request.to()),
        ];
        for (id, address, original) in both {
            if let (Some(header), Ok(original)) = (request.header(id), original)
                && !address.is_empty()
            {
                splicer.replace(header.value_range.clone(), |out| {
                    out.extend_from_slice(address);
                    write_params(&original, out);
                });
            }
        }
    }
}

/// The parameter for our Record-Route in a request that opens a dialog; `None` when nothing is
/// rewritten, or the addresses are too long.
pub(crate) fn record(request: Message<'_>, edits: &HeaderEdits) -> Option<String> {
    if edits.from_party().is_none() && edits.to_party().is_none() {
        return None;
    }
    let (from, to) = (request.from().ok()?, request.to().ok()?);
    let mut bytes = hash(from.tag()?).to_be_bytes().to_vec();
    for (party, original) in [(edits.from_party(), &from), (edits.to_party(), &to)] {
        for party in [party.map(|_| &AS_IT_IS), party] {
            let mut text = Vec::new();
            if let Some(party) = party {
                write_address(party, original, &mut text);
            }
            bytes.extend_from_slice(&u16::try_from(text.len()).ok()?.to_be_bytes());
            // A folded display name is the same on one line.
            let line = text.iter().map(|byte| match byte {
                b'\r' | b'\n' | b'\t' => b' ',
                byte => *byte,
            });
            bytes.extend(line);
        }
    }
    (bytes.len() <= MAX_RECORDED).then(|| format!(";{PARAM}={}", URL_SAFE_NO_PAD.encode(&bytes)))
}

/// Collects the edits that rewrite From and To of a request that opens a dialog, or of one outside any.
pub(crate) fn rewrite(splicer: &mut Splicer, request: Message<'_>, edits: &HeaderEdits) {
    let both = [
        (HeaderId::From, edits.from_party(), request.from()),
        (HeaderId::To, edits.to_party(), request.to()),
    ];
    for (id, party, original) in both {
        if let (Some(party), Some(header), Ok(original)) = (party, request.header(id), original) {
            splicer.replace(header.value_range.clone(), |out| {
                write_address(party, &original, out);
                write_params(&original, out);
            });
        }
    }
}

/// The From and To of a request as its sender knows them, for [`turn_back`].
pub(crate) fn senders(request: Message<'_>) -> Vec<u8> {
    let value = |id| request.header(id).map_or(&b""[..], |header| header.value);
    let (from, to) = (value(HeaderId::From), value(HeaderId::To));
    // No header line is longer than a datagram.
    let length = (from.len() as u16).to_be_bytes();
    [&length[..], from, to].concat()
}

/// Collects the edits that give a response the From and To of the request's [`senders`]. A tag that
/// the request's To had not is kept.
pub(crate) fn turn_back(splicer: &mut Splicer, response: Message<'_>, senders: &[u8]) {
    let both = senders
        .split_first_chunk()
        .and_then(|(length, both)| both.split_at_checked(u16::from_be_bytes(*length).into()));
    let Some((from, to)) = both else {
        return;
    };
    if let Some(header) = response.header(HeaderId::From) {
        splicer.replace(header.value_range, |out| out.extend_from_slice(from));
    }
    if let Some(header) = response.header(HeaderId::To) {
        let tag = response.to().ok().and_then(|to| to.tag());
        let had_tag = NameAddr::parse(to).is_ok_and(|to| to.tag().is_some());
        splicer.replace(header.value_range, |out| {
            out.extend_from_slice(to);
            if let Some(tag) = tag.filter(|_| !had_tag) {
                out.extend_from_slice(b";tag=");
                out.extend_from_slice(tag);
            }
        });
    }
}

/// Whether a route rewrites From or To, so that responses must be turned back.
pub(crate) fn rewrites(route: Option<&Route>) -> bool {
    route
        .and_then(|route| route.edits.as_deref())
        .is_some_and(|edits| edits.from_party().is_some() || edits.to_party().is_some())
}

/// Display name and URI, the plan's or the original ones.
fn write_address(party: &Party, original: &NameAddr<'_>, out: &mut Vec<u8>) {
    match (&party.display, original.display) {
        (Some(display), _) if display.is_empty() => {}
        (Some(display), _) => {
            out.push(b'"');
            for byte in display.bytes() {
                if matches!(byte, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(byte);
            }
            out.extend_from_slice(b"\" ");
        }
        (None, Some(display)) => {
            out.extend_from_slice(display);
            out.push(b' ');
        }
        (None, None) => {}
    }
    out.push(b'<');
    let uri = party.uri.as_ref().map(|uri| uri.as_bytes());
    out.extend_from_slice(uri.unwrap_or(original.uri));
    out.push(b'>');
}

/// The tag and whatever else there is.
fn write_params(original: &NameAddr<'_>, out: &mut Vec<u8>) {
    for (name, value) in original.params {
        out.push(b';');
        out.extend_from_slice(name);
        if let Some(value) = value {
            out.push(b'=');
            out.extend_from_slice(value);
        }
    }
}

fn is_address(text: &[u8]) -> bool {
    let address = NameAddr::parse(text);
    // The caller's own URI may be none that parses; its bytes are such that may stand in a header.
    !text
        .iter()
        .any(|byte| matches!(byte, b'\r' | b'\n' | b'\0'))
        && address.is_ok_and(|address| address.params.into_iter().next().is_none())
}

/// FNV-1a: enough to tell two tags of one dialog apart, and the same after a restart.
fn hash(tag: &[u8]) -> u32 {
    tag.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use sigbox_wire::{Index, Limits};

    use super::*;

    const OPENING: [&str; 2] = [
        "\"Alice A.\" <sip:alice@a.example>;tag=a1",
        "sip:bob@b.example",
    ];

    fn edits() -> HeaderEdits {
        let mut edits = HeaderEdits::new();
        let party = |display: Option<&str>, uri: &str| Party {
            display: display.map(Into::into),
            uri: Some(uri.into()),
        };
        edits.from(party(Some(""), "sip:100@pbx.example")).unwrap();
        edits.to(party(Some("Sales"), "tel:+4930")).unwrap();
        edits
    }

    /// What `read` gives a request with these From and To.
    fn with<T>([from, to]: [&str; 2], read: impl FnOnce(Message<'_>) -> T) -> T {
        let text = format!("BYE sip:x@y SIP/2.0\r\nFrom: {from}\r\nTo: {to}\r\n\r\n");
        let mut index = Index::default();
        index.parse(text.as_bytes(), &Limits::default()).unwrap();
        read(Message::new(text.as_bytes(), &index))
    }

    fn recorded() -> String {
        let param = with(OPENING, |request| record(request, &edits())).unwrap();
        param.strip_prefix(";parties=").unwrap().to_owned()
    }

    /// The From and To of a request within the dialog after it was forwarded.
    fn forwarded(parties: [&str; 2]) -> Option<[String; 2]> {
        with(parties, |request| {
            let read = Parties::read(&[recorded().as_bytes()], request)?;
            let mut splicer = Splicer::default();
            splicer.clear();
            read.edit(&mut splicer, request);
            let mut text = Vec::new();
            splicer.finish(request.raw(), &mut text);
            let text = String::from_utf8(text).unwrap();
            let line = |name| text.lines().find_map(|line| line.strip_prefix(name));
            Some([line("From: ")?.to_owned(), line("To: ")?.to_owned()])
        })
    }

    #[test]
    fn each_side_sees_its_own_addresses() {
        let caller = [OPENING[0], "sip:bob@b.example;tag=b2"];
        let callee_sees = [
            "<sip:100@pbx.example>;tag=a1",
            "\"Sales\" <tel:+4930>;tag=b2",
        ];
        assert_eq!(forwarded(caller).unwrap(), callee_sees);

        let callee = [
            "\"Sales\" <tel:+4930>;tag=b2",
            "<sip:100@pbx.example>;tag=A1",
        ];
        let caller_sees = [
            "<sip:bob@b.example>;tag=b2",
            "\"Alice A.\" <sip:alice@a.example>;tag=A1",
        ];
        assert_eq!(forwarded(callee).unwrap(), caller_sees);
    }

    #[test]
    fn of_two_passes_the_last_one_that_rewrote_counts() {
        let second = {
            let mut edits = HeaderEdits::new();
            let uri = Some("sip:second@pbx.example".into());
            edits.from(Party { display: None, uri }).unwrap();
            // It saw what the first pass had written.
            let seen = ["<sip:100@pbx.example>;tag=a1", "\"Sales\" <tel:+4930>"];
            let param = with(seen, |request| record(request, &edits)).unwrap();
            param.strip_prefix(";parties=").unwrap().to_owned()
        };
        let (first, second) = (recorded(), second);
        let read = |parties, order: [&str; 2]| {
            let order = order.map(str::as_bytes);
            with(parties, |request| Parties::read(&order, request)).unwrap()
        };
        let caller = [OPENING[0], "sip:bob@b.example;tag=b2"];
        let read_by_callee = read(caller, [&first, &second]);
        assert_eq!(&*read_by_callee.from, b"<sip:second@pbx.example>");
        assert_eq!(&*read_by_callee.to, b"\"Sales\" <tel:+4930>");
        let callee = [
            "\"Sales\" <tel:+4930>;tag=b2",
            "<sip:second@pbx.example>;tag=a1",
        ];
        let read_by_caller = read(callee, [&second, &first]);
        assert_eq!(&*read_by_caller.from, b"<sip:bob@b.example>");
        assert_eq!(&*read_by_caller.to, b"\"Alice A.\" <sip:alice@a.example>");
    }

    #[test]
    fn another_dialog_and_what_was_not_recorded_here_change_nothing() {
        assert_eq!(forwarded(["<sip:a@b>;tag=x", "<sip:c@d>;tag=y"]), None);
        let evil = |from: &str| {
            let mut bytes = hash(b"a1").to_be_bytes().to_vec();
            bytes.extend_from_slice(&(from.len() as u16).to_be_bytes());
            bytes.extend_from_slice(from.as_bytes());
            bytes.extend_from_slice(&(from.len() as u16).to_be_bytes());
            bytes.extend_from_slice(from.as_bytes());
            bytes.extend_from_slice(&[0; 4]);
            URL_SAFE_NO_PAD.encode(bytes)
        };
        let read = |param: &str| {
            with(OPENING, |request| {
                Parties::read(&[param.as_bytes()], request)
            })
        };
        assert!(read(&evil("<sip:a@b>")).is_some());
        for param in [
            "",
            "!",
            "AAAA",
            &evil("<sip:a@b>;tag=c"),
            &evil("<sip:a@b>\r\nX: y"),
            &evil("no address"),
            &recorded()[..40],
        ] {
            assert_eq!(read(param), None, "{param}");
        }
    }

    #[test]
    fn odd_callers_are_turned_back_like_others() {
        for from in [
            "\"a\tb\" <sip:a@b>;tag=a1",
            "<sip:a@b:99999>;tag=a1",
            "a\r\n b <sip:a@b>;tag=a1",
        ] {
            let param = with([from, OPENING[1]], |request| record(request, &edits())).unwrap();
            let param = param.strip_prefix(";parties=").unwrap().as_bytes();
            let read = with([from, "<sip:b@c>;tag=b"], |request| {
                Parties::read(&[param], request)
            });
            assert_eq!(&*read.unwrap().from, b"<sip:100@pbx.example>", "{from:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_not_recorded() {
        let long = format!("\"{}\" <sip:a@b>;tag=c", "x".repeat(2_000));
        let record = |from: &str| with([from, OPENING[1]], |request| record(request, &edits()));
        assert!(record(OPENING[0]).is_some());
        assert_eq!(record(&long), None);
        assert_eq!(
            with(OPENING, |request| super::record(
                request,
                &HeaderEdits::new()
            )),
            None
        );
    }
}
