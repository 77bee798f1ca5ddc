//! How much of a message is accepted before it is refused.

/// Bounds on one message. What exceeds them is [`Malformed`](crate::Malformed), never cut silently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole message. Offsets are 16 bits wide, so a value over 65,535 counts as 65,535.
    pub message: usize,
    /// Header lines; a folded header is one line.
    pub headers: usize,
    /// Bytes of one logical header line, folds included, without its final CRLF.
    pub header: usize,
    /// Via values, in separate lines or separated by commas. A forged chain of hundreds costs every
    /// hop that parses it, and 70 hops (the usual Max-Forwards) is as long as an honest one gets. A
    /// response may have one more.
    pub vias: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 65_535,
            headers: 256,
            header: 8192,
            vias: 70,
        }
    }
}
