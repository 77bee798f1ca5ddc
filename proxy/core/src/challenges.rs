//! Challenges of all branches in one response (RFC 3261 §16.7 step 7): the caller can only answer those it sees.

use sigbox_wire::{HeaderId, Message};

/// The most bytes that are added to a response.
const MOST: usize = 8 * 1_024;

/// The longest response that is added to: it must still fit into a datagram.
const LONGEST: usize = 65_000;

/// Challenges of the branches that answered 401 or 407.
#[derive(Debug, Default)]
pub(crate) struct Challenges(Vec<(u8, Box<[u8]>)>);

impl Challenges {
    /// Notes what the response of a branch asks for.
    pub(crate) fn note(&mut self, branch: u8, response: Message<'_>) {
        if !matches!(response.status(), 401 | 407) {
            return;
        }
        let lines: Vec<u8> = [HeaderId::WwwAuthenticate, HeaderId::ProxyAuthenticate]
            .into_iter()
            .flat_map(|id| response.all(id))
            .flat_map(|header| &response.raw()[header.line])
            .copied()
            .collect();
        let kept: usize = self.0.iter().map(|(_, lines)| lines.len()).sum();
        if !lines.is_empty() && kept + lines.len() <= MOST {
            self.0.push((branch, lines.into_boxed_slice()));
        }
    }

    /// Adds the other branches' challenges to the response of `branch`, below its own headers.
    pub(crate) fn add_to(&self, branch: u8, response: &mut Vec<u8>) {
        let others = self.0.iter().filter(|(from, _)| *from != branch);
        let others: Vec<u8> = others.flat_map(|(_, lines)| lines).copied().collect();
        // It was parsed: there is an empty line below its headers.
        let end = response.windows(4).position(|end| end == b"\r\n\r\n");
        if let Some(end) = end
            && response.len() + others.len() <= LONGEST
        {
            response.splice(end + 2..end + 2, others);
        }
    }
}
