//! Display names that peers leave without the quotes they need, and that must not go on so (RFC 4475 §3.1.2.15).

use sigbox_wire::{Essentials, Message, Splicer};

/// The request with quotes around the display names of From and To that lack them; `None` when none does.
pub(crate) fn quoted(request: Message<'_>, read: &Essentials<'_>) -> Option<Vec<u8>> {
    if !read.from.lacks_quotes() && !read.to.lacks_quotes() {
        return None;
    }
    let mut splicer = Splicer::default();
    for party in [read.from, read.to] {
        let Some(name) = party.display.filter(|_| party.lacks_quotes()) else {
            continue;
        };
        let start = request.offset_of(name);
        splicer.replace(start..start + name.len(), |out| {
            out.push(b'"');
            for byte in name {
                // A quote would have ended the name.
                if *byte == b'\\' {
                    out.push(b'\\');
                }
                out.push(*byte);
            }
            out.push(b'"');
        });
    }
    let mut text = Vec::with_capacity(request.raw().len() + 8);
    splicer.finish(request.raw(), &mut text);
    Some(text)
}
