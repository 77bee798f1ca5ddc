//! Where lines end.

use memchr::memchr3;

use crate::malformed::{Malformed, Reason};

/// One line of the header. `raw[start..end]` is the line without its CRLF, the next starts at `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) next: usize,
    /// Whether the line ended with CRLF rather than with the bytes.
    pub(crate) is_terminated: bool,
    /// The first byte in it that no line may have.
    pub(crate) fault: Option<Malformed>,
}

impl Line {
    /// The line at `start` up to its CRLF.
    pub(crate) fn physical(raw: &[u8], start: usize) -> Self {
        Self::read(raw, start, false)
    }

    /// The line at `start` with the continuation lines that follow it (RFC 3261 §7.3.1).
    pub(crate) fn logical(raw: &[u8], start: usize) -> Self {
        Self::read(raw, start, true)
    }

    fn read(raw: &[u8], start: usize, joins_folds: bool) -> Self {
        let mut fault = None;
        let mut at = start;
        loop {
            let ahead = raw.get(at..).unwrap_or_default();
            let Some(distance) = memchr3(b'\r', b'\n', 0, ahead) else {
                let end = raw.len();
                return Self {
                    start,
                    end,
                    next: end,
                    is_terminated: false,
                    fault,
                };
            };
            let stop = at + distance;
            let reason = match &ahead[distance..] {
                // The empty line ends the header: a body may start with a space.
                [b'\r', b'\n', b' ' | b'\t', ..] if joins_folds && stop > start => {
                    at = stop + 3;
                    continue;
                }
                [b'\r', b'\n', ..] => {
                    return Self {
                        start,
                        end: stop,
                        next: stop + 2,
                        is_terminated: true,
                        fault,
                    };
                }
                [b'\r', ..] => Reason::BareCr,
                [b'\n', ..] => Reason::BareLf,
                // RFC 4475 §3.1.1.2 has an escaped NUL in a display name and calls it valid.
                _ if ends_in_quoted_pair(&raw[start..stop]) => {
                    at = stop + 1;
                    continue;
                }
                _ => Reason::Nul,
            };
            fault = fault.or(Some(Malformed::new(reason, stop)));
            at = stop + 1;
        }
    }
}

/// Whether the byte after `text` is the second of a quoted pair within a quoted string.
fn ends_in_quoted_pair(text: &[u8]) -> bool {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for byte in text {
        match byte {
            b'"' if !is_escaped => is_quoted = !is_quoted,
            b'\\' if is_quoted && !is_escaped => {
                is_escaped = true;
                continue;
            }
            _ => {}
        }
        is_escaped = false;
    }
    is_escaped
}

#[cfg(test)]
mod tests {
    use super::Line;
    use crate::malformed::Reason;

    fn fault(raw: &[u8]) -> Option<(Reason, usize)> {
        Line::logical(raw, 0)
            .fault
            .map(|fault| (fault.reason, fault.at))
    }

    #[test]
    fn folds_belong_to_the_line_before_them() {
        let raw = b"a: 1\r\n\t2\r\n 3\r\nb: 4\r\n";
        assert_eq!(Line::logical(raw, 0).end, 12);
        assert_eq!(Line::physical(raw, 0).end, 4);
        assert_eq!(Line::logical(raw, 14).next, raw.len());
    }

    #[test]
    fn an_empty_line_has_no_fold() {
        assert_eq!(Line::logical(b"\r\n body", 0).next, 2);
    }

    #[test]
    fn a_line_without_crlf_is_not_terminated() {
        assert!(!Line::logical(b"a: 1", 0).is_terminated);
        assert!(!Line::logical(b"a: 1\r", 0).is_terminated);
    }

    #[test]
    fn p4_bare_line_breaks_and_nul_are_faults_that_do_not_end_the_line() {
        assert_eq!(fault(b"a: 1\rb: 2\r\n"), Some((Reason::BareCr, 4)));
        assert_eq!(fault(b"a: 1\nb: 2\r\n"), Some((Reason::BareLf, 4)));
        assert_eq!(fault(b"a: 1\0b: 2\r\n"), Some((Reason::Nul, 4)));
        assert_eq!(Line::logical(b"a: 1\nb: 2\r\n", 0).next, 11);
    }

    #[test]
    fn p4_a_nul_may_be_a_quoted_pair_and_nothing_else() {
        assert_eq!(fault(b"t: \"\\\0\" <sip:a@b>\r\n"), None);
        assert_eq!(fault(b"t: \"\0\" <sip:a@b>\r\n"), Some((Reason::Nul, 4)));
        assert_eq!(fault(b"t: \\\0 <sip:a@b>\r\n"), Some((Reason::Nul, 4)));
        assert_eq!(
            fault(b"t: \"\\\\\0\" <sip:a@b>\r\n"),
            Some((Reason::Nul, 6))
        );
    }
}
