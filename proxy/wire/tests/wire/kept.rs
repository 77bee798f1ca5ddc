//! Messages that outlive their datagram, and what they cost.

use sigbox_wire::{Message, Stored};

use super::{INVITE, index, with};

#[test]
fn a_stored_message_reads_as_it_did() {
    let raw = [b"\r\n", INVITE.as_bytes(), b"trailing"].concat();
    let index = index(&raw);
    let received = Message::new(&raw, &index);
    let stored = Stored::new(received);
    assert_eq!(stored.view().raw(), INVITE.as_bytes());
    assert!(stored.view().headers().eq(received.headers()));
    assert_eq!(stored.view().body(), received.body());
}

#[test]
fn an_ordinary_invite_is_kept_in_less_than_1300_bytes() {
    let index = index(INVITE.as_bytes());
    let stored = Stored::new(Message::new(INVITE.as_bytes(), &index));
    assert_eq!(stored.heap_bytes(), INVITE.len());
    let whole = size_of::<Stored>() + stored.heap_bytes();
    assert!(
        whole <= 1300,
        "{whole} bytes for {} of message",
        INVITE.len()
    );
}

#[test]
fn more_than_32_headers_are_counted_as_heap() {
    let lines: Vec<String> = (0..40).map(|n| format!("X-{n}: {n}")).collect();
    let raw = with(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let index = index(&raw);
    let stored = Stored::new(Message::new(&raw, &index));
    assert_eq!(stored.heap_bytes(), raw.len() + 45 * 8);
}
