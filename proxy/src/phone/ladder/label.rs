//! What an arrow says.

use sigbox_wire::{Index, Limits, Message, Method};

use crate::phone::terminal::Tone;

/// A message in a few characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) text: String,
    pub(super) tone: Tone,
}

/// The label of a message of this call; `None` for every other datagram.
pub(super) fn of(bytes: &[u8], call_id: &str) -> Option<Label> {
    let mut index = Index::default();
    index.parse(bytes, &Limits::default()).ok()?;
    let message = Message::new(bytes, &index);
    (message.call_id() == call_id.as_bytes()).then(|| {
        if message.is_request() {
            request(message)
        } else {
            response(message)
        }
    })
}

fn request(message: Message<'_>) -> Label {
    let method = message.method();
    let user = message
        .uri()
        .ok()
        .and_then(|uri| uri.user)
        .filter(|_| method == Method::Invite);
    let text = match user {
        Some(user) => format!("{method} {}", plain(user)),
        None => plain(method.as_bytes()),
    };
    Label {
        text,
        tone: Tone::Request,
    }
}

fn response(message: Message<'_>) -> Label {
    let status = message.status();
    let mut text = format!("{status} {}", plain(message.reason()));
    // Which request a response is for goes without saying for an INVITE.
    if message.method() != Method::Invite {
        text.push_str(&format!(" ({})", message.method()));
    }
    let tone = match status {
        100..=199 => Tone::Progress,
        200..=299 => Tone::Good,
        300..=399 => Tone::Notice,
        _ => Tone::Bad,
    };
    Label { text, tone }
}

/// Text that a terminal shows as it is: control characters never reach it.
fn plain(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
