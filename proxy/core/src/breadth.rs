//! How many branches a request may have in the whole network at once (RFC 5393 §5).

use sigbox_wire::{HeaderId, Message, Splicer, write_decimal};

/// What a request without Max-Breadth gets, and the most that is believed (RFC 5393 §5.3.2).
const USUAL: u8 = 60;

/// The Max-Breadth of a request; `None` when it is no number.
pub(crate) fn of(request: Message<'_>) -> Option<u8> {
    let Some(header) = request.header(HeaderId::MaxBreadth) else {
        return Some(USUAL);
    };
    let is_number = !header.value.is_empty() && header.value.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        header.value.iter().fold(0, |number: u8, digit| {
            (number.saturating_mul(10).saturating_add(digit - b'0')).min(USUAL)
        })
    })
}

/// The share of one of `count` branches: all get the same, and the first what is left over.
pub(crate) fn share(breadth: u8, count: usize, position: usize) -> u8 {
    let count = u8::try_from(count.max(1)).unwrap_or(u8::MAX);
    let over = if position == 0 { breadth % count } else { 0 };
    breadth / count + over
}

/// Collects the edits that give a branch its share.
pub(crate) fn edit(splicer: &mut Splicer, request: Message<'_>, breadth: u8) {
    let mut lines = request.all(HeaderId::MaxBreadth);
    match lines.next() {
        Some(header) => {
            splicer.replace(header.value_range, |out| {
                write_decimal(breadth.into(), out);
            });
        }
        None => {
            splicer.insert(request.headers_start(), |out| {
                out.extend_from_slice(b"Max-Breadth: ");
                write_decimal(breadth.into(), out);
                out.extend_from_slice(b"\r\n");
            });
        }
    }
    for header in lines {
        splicer.remove(header.line);
    }
}

#[cfg(test)]
mod tests {
    use sigbox_wire::{Index, Limits};

    use super::*;

    #[test]
    fn what_a_request_may_have() {
        for (line, breadth) in [
            ("", Some(60)),
            ("Max-Breadth: 0\r\n", Some(0)),
            ("Max-Breadth: 7\r\n", Some(7)),
            ("Max-Breadth: 007\r\n", Some(7)),
            ("Max-Breadth: 61\r\n", Some(60)),
            ("Max-Breadth: 99999999999\r\n", Some(60)),
            ("Max-Breadth: -1\r\n", None),
            ("Max-Breadth:\r\n", None),
        ] {
            let text = format!("INVITE sip:a@b SIP/2.0\r\n{line}\r\n");
            let mut index = Index::default();
            index.parse(text.as_bytes(), &Limits::default()).unwrap();
            assert_eq!(of(Message::new(text.as_bytes(), &index)), breadth, "{line}");
        }
    }

    #[test]
    fn shares_add_up() {
        for breadth in 0..=60 {
            for count in 1..=usize::from(breadth.max(1)) {
                let shares = (0..count).map(|position| share(breadth, count, position));
                assert_eq!(shares.map(u32::from).sum::<u32>(), breadth.into());
            }
        }
        assert_eq!([share(60, 7, 0), share(60, 7, 1)], [12, 8]);
    }
}
