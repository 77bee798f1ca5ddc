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
    #[inline]
    pub(crate) fn physical(raw: &[u8], start: usize) -> Self {
        Self::read(raw, start, false)
    }

    /// The line at `start` with the continuation lines that follow it (RFC 3261 §7.3.1).
    #[inline]
    pub(crate) fn logical(raw: &[u8], start: usize) -> Self {
        Self::read(raw, start, true)
    }

    /// Nearly every line ends at the first byte that could end it.
    #[inline(always)]
    fn read(raw: &[u8], start: usize, joins_folds: bool) -> Self {
        if let Some(end) = next_stop(raw, start)
            && let [b'\r', b'\n', after @ ..] = &raw[end..]
            && !(joins_folds && end > start && matches!(after, [b' ' | b'\t', ..]))
        {
            return Self {
                start,
                end,
                next: end + 2,
                is_terminated: true,
                fault: None,
            };
        }
        Self::read_on(raw, start, joins_folds)
    }

    #[inline(never)]
    fn read_on(raw: &[u8], start: usize, joins_folds: bool) -> Self {
        let mut fault = None;
        let mut quoting = Quoting {
            seen: start,
            ..Quoting::default()
        };
        let mut at = start;
        loop {
            let Some(stop) = next_stop(raw, at) else {
                let end = raw.len();
                return Self {
                    start,
                    end,
                    next: end,
                    is_terminated: false,
                    fault,
                };
            };
            let reason = match &raw[stop..] {
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
                _ if quoting.escapes(raw, stop) => {
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

/// Where the next CR, LF or NUL is, from `at` on.
#[inline]
fn next_stop(raw: &[u8], at: usize) -> Option<usize> {
    Some(at + memchr3(b'\r', b'\n', 0, raw.get(at..)?)?)
}

/// Tells quoted pairs in quoted strings. Reads a line once however many NULs it has.
#[derive(Default)]
struct Quoting {
    seen: usize,
    is_quoted: bool,
    is_escaped: bool,
}

impl Quoting {
    /// Whether the byte at `at` is the second of a quoted pair.
    fn escapes(&mut self, raw: &[u8], at: usize) -> bool {
        for byte in &raw[self.seen..at] {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'"' => self.is_quoted = !self.is_quoted,
                b'\\' => self.is_escaped = self.is_quoted,
                _ => {}
            }
        }
        self.seen = at;
        self.is_escaped
    }
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
        assert_eq!(fault(b"t: \"\\\0\\\0\\\\\\\0\" <sip:a@b>\r\n"), None);
        assert_eq!(
            fault(b"t: \"\\\0\0\" <sip:a@b>\r\n"),
            Some((Reason::Nul, 6))
        );
        assert_eq!(fault(b"t: \"\0\" <sip:a@b>\r\n"), Some((Reason::Nul, 4)));
        assert_eq!(fault(b"t: \\\0 <sip:a@b>\r\n"), Some((Reason::Nul, 4)));
        assert_eq!(
            fault(b"t: \"\\\\\0\" <sip:a@b>\r\n"),
            Some((Reason::Nul, 6))
        );
    }
}
