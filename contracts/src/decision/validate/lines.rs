//! What becomes part of a SIP message must not end its line, or a decision could write headers nobody checked.

use super::Checked;
use crate::invalid::{Invalid, InvalidReason};

/// Headers that only the proxy writes, with their compact forms (RFC 3261 §7.3.3). From and To have fields of their
/// own, which keep the tag.
const PROTECTED: &[&str] = &[
    "via",
    "v",
    "route",
    "record-route",
    "call-id",
    "i",
    "cseq",
    "content-length",
    "l",
    "max-forwards",
    "max-breadth",
    "from",
    "f",
    "to",
    "t",
];

/// Text within a line: no control character but a tab.
pub(super) fn one_line(pointer: &str, text: &str) -> Checked {
    match text.bytes().find(|b| b.is_ascii_control() && *b != b'\t') {
        None => Ok(()),
        Some(control) => Err(Invalid::new(
            InvalidReason::HeaderInjection,
            pointer,
            format!(
                "contains {:?}, which would end the line or is not text",
                char::from(control)
            ),
        )),
    }
}

/// The name of a header that may be written: a token (RFC 3261 §25.1), and not a protected one.
pub(super) fn header_name(pointer: &str, name: &str) -> Checked {
    one_line(pointer, name)?;
    let token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        return Err(Invalid::new(
            InvalidReason::BadHeader,
            pointer,
            format!("{name:?} is not a header name"),
        ));
    }
    if PROTECTED
        .iter()
        .any(|protected| protected.eq_ignore_ascii_case(name))
    {
        return Err(Invalid::new(
            InvalidReason::ProtectedHeader,
            pointer,
            format!("{name} is written by the proxy only"),
        ));
    }
    Ok(())
}

/// Whole header lines, each ended by CRLF; at the end of the last one it may be missing.
pub(super) fn extra_lines(pointer: &str, lines: &str) -> Checked {
    for line in lines.strip_suffix("\r\n").unwrap_or(lines).split("\r\n") {
        one_line(pointer, line)?;
        if line.is_empty() {
            return Err(Invalid::new(
                InvalidReason::HeaderInjection,
                pointer,
                "an empty line ends the headers",
            ));
        }
        let Some((name, _)) = line.split_once(':') else {
            return Err(Invalid::new(
                InvalidReason::BadHeader,
                pointer,
                format!("{line:?} has no colon; write \"Name: value\\r\\n\""),
            ));
        };
        header_name(pointer, name.trim_end_matches([' ', '\t']))?;
    }
    Ok(())
}

/// What a URI may hold: visible ASCII without quotes and angle brackets.
const IS_URI: [bool; 256] = {
    let mut is_uri = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        is_uri[byte] =
            matches!(byte as u8, b'!'..=b'~') && !matches!(byte as u8, b'<' | b'>' | b'"');
        byte += 1;
    }
    is_uri
};

/// What can be said of a URI without its grammar: a scheme we can use, and no character that ends a URI in a header.
pub(super) fn uri(pointer: &str, text: &str, schemes: &[&str]) -> Checked {
    let is_one = text.bytes().all(|b| IS_URI[usize::from(b)]);
    if !is_one {
        one_line(pointer, text)?;
    }
    let Some(colon) = text.bytes().position(|b| b == b':') else {
        return Err(Invalid::new(
            InvalidReason::BadUri,
            pointer,
            format!("{text:?} has no scheme; write \"sip:user@host\""),
        ));
    };
    let (scheme, rest) = text.split_at(colon);
    if rest == ":" || !is_one {
        return Err(Invalid::new(
            InvalidReason::BadUri,
            pointer,
            format!(
                "{text:?} is not a URI on its own; no name, brackets, spaces or text beyond ASCII"
            ),
        ));
    }
    if !schemes
        .iter()
        .any(|known| known.eq_ignore_ascii_case(scheme))
    {
        return Err(Invalid::new(
            InvalidReason::BadScheme,
            pointer,
            format!("{scheme:?}; here a URI is one of {}", schemes.join(", ")),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(checked: Checked) -> Option<InvalidReason> {
        checked.err().map(|invalid| invalid.reason)
    }

    #[test]
    fn a_line_holds_text_and_tabs() {
        assert_eq!(reason(one_line("", "a\tb \u{e4} \u{2028}")), None);
        for control in ["\r", "\n", "\0", "\u{7f}", "\u{1b}[0m"] {
            assert_eq!(
                reason(one_line("", control)),
                Some(InvalidReason::HeaderInjection)
            );
        }
    }

    #[test]
    fn protected_headers_are_protected_in_every_spelling() {
        for name in PROTECTED {
            for spelling in [(*name).to_owned(), name.to_uppercase()] {
                assert_eq!(
                    reason(header_name("", &spelling)),
                    Some(InvalidReason::ProtectedHeader),
                    "{spelling}"
                );
            }
        }
        assert_eq!(
            reason(extra_lines("", "X: 1\r\nvIA : x\r\n")),
            Some(InvalidReason::ProtectedHeader)
        );
        assert_eq!(reason(header_name("", "X-Via")), None);
    }

    #[test]
    fn extra_is_whole_lines() {
        for good in ["A: b", "A: b\r\n", "A:\r\nB : c: d\r\n"] {
            assert_eq!(reason(extra_lines("", good)), None, "{good:?}");
        }
        for (bad, expected) in [
            ("A: b\nB: c", InvalidReason::HeaderInjection),
            ("A: b\rB: c", InvalidReason::HeaderInjection),
            ("A: b\r\n\r\n", InvalidReason::HeaderInjection),
            ("\r\nA: b", InvalidReason::HeaderInjection),
            ("A: b\r\n folded", InvalidReason::BadHeader),
            ("A: b\r\n folded: c", InvalidReason::BadHeader),
            ("no colon", InvalidReason::BadHeader),
            (": b", InvalidReason::BadHeader),
            ("A B: c", InvalidReason::BadHeader),
        ] {
            assert_eq!(reason(extra_lines("", bad)), Some(expected), "{bad:?}");
        }
    }

    #[test]
    fn a_uri_has_a_scheme_we_can_use() {
        for good in [
            "sip:h",
            "SIPS:u@h:5061;transport=tcp?X=y",
            "tel:+4930",
            "sip:[2001:db8::1]",
        ] {
            assert_eq!(
                reason(uri("", good, &["sip", "sips", "tel"])),
                None,
                "{good:?}"
            );
        }
        for (bad, expected) in [
            ("", InvalidReason::BadUri),
            ("sip:", InvalidReason::BadUri),
            ("192.0.2.1", InvalidReason::BadUri),
            ("<sip:h>", InvalidReason::BadUri),
            ("sip:a b@h", InvalidReason::BadUri),
            ("sip:h>;tag=1", InvalidReason::BadUri),
            ("sip:j\u{f6}rg@h", InvalidReason::BadUri),
            ("sip:h\r\nX: y", InvalidReason::HeaderInjection),
            ("sip:h\0", InvalidReason::HeaderInjection),
            ("http://h", InvalidReason::BadScheme),
            ("example.com:5060", InvalidReason::BadScheme),
        ] {
            assert_eq!(
                reason(uri("", bad, &["sip", "sips", "tel"])),
                Some(expected),
                "{bad:?}"
            );
        }
    }
}
