//! rtjson keys are case-insensitive; ours are lower case. Folding is done on the text, before it is parsed, so that
//! the parser goes straight into the types and still sees a field that is there twice.

use std::borrow::Cow;

/// A document whose field names are in lower case.
pub(super) struct Folded<'a> {
    pub(super) text: Cow<'a, str>,
    /// It has a field `rtjson` at the top.
    pub(super) wrapped: bool,
    /// It has a field `action`, at the top or in `rtjson`.
    pub(super) names_action: bool,
}

/// An open object or array.
struct Frame {
    object: bool,
    /// Keys in here are names of the contract. Not so under `set`, where they are header names.
    fold: bool,
}

/// Writes every field name in lower case, borrowing the text when that changes nothing.
///
/// Text that is not JSON comes out as something that is not JSON either: nothing but the letters of keys changes.
pub(super) fn fold(text: &str) -> Folded<'_> {
    let bytes = text.as_bytes();
    let mut folded = String::new();
    let mut copied = 0;
    let mut stack: Vec<Frame> = Vec::with_capacity(8);
    let mut key_next = false;
    let mut names_next = false;
    let mut wrapped = false;
    let mut in_wrapper = false;
    let mut names_action = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let mut next = at + 1;
        match byte {
            b'"' => {
                next = string_end(bytes, next);
                if key_next && stack.last().is_some_and(|frame| frame.fold) {
                    let key = lower(&text[at..next]);
                    if let Cow::Owned(key) = &key {
                        folded.push_str(&text[copied..at]);
                        folded.push_str(key);
                        copied = next;
                    }
                    names_next = key == "\"set\"";
                    if stack.len() == 1 {
                        in_wrapper = key == "\"rtjson\"";
                        wrapped |= in_wrapper;
                    }
                    names_action |=
                        key == "\"action\"" && (stack.len() == 1 || stack.len() == 2 && in_wrapper);
                }
                key_next = false;
            }
            b'{' | b'[' => {
                let fold = !names_next && stack.last().is_none_or(|frame| frame.fold);
                key_next = byte == b'{';
                stack.push(Frame {
                    object: key_next,
                    fold,
                });
                names_next = false;
            }
            b'}' | b']' => {
                stack.pop();
                key_next = false;
            }
            b',' => {
                key_next = stack.last().is_some_and(|frame| frame.object);
                names_next = false;
            }
            _ => {}
        }
        at = next;
    }
    let text = if copied == 0 {
        Cow::Borrowed(text)
    } else {
        folded.push_str(&text[copied..]);
        Cow::Owned(folded)
    };
    Folded {
        text,
        wrapped,
        names_action,
    }
}

/// Index after the closing quote of a string whose content starts at `from`, or the end of the text.
fn string_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// A quoted key in lower case; escapes are resolved, or `"\u0055ri"` would pass for an unknown field.
fn lower(quoted: &str) -> Cow<'_, str> {
    if quoted.contains('\\')
        && let Ok(key) = serde_json::from_str::<String>(quoted)
    {
        return Cow::Owned(serde_json::Value::String(key.to_ascii_lowercase()).to_string());
    }
    if quoted.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(quoted.to_ascii_lowercase());
    }
    Cow::Borrowed(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_values_are_not() {
        let folded = fold(r#"{"Routes": [{"URI": "sip:A@B", "Dst_URI": ""}], "x": "\"Y\": Z"}"#);
        assert_eq!(
            folded.text,
            r#"{"routes": [{"uri": "sip:A@B", "dst_uri": ""}], "x": "\"Y\": Z"}"#
        );
        assert!(!folded.wrapped);
    }

    #[test]
    fn header_names_keep_their_case() {
        let text = r#"{"headers": {"set": {"Reason": "A", "X": "b"}, "remove": ["Path"]}}"#;
        assert!(matches!(fold(text).text, Cow::Borrowed(same) if same == text));
        let after = fold(r#"{"SET": {"Reason": "A"}, "Uri": 1}"#).text;
        assert_eq!(after, r#"{"set": {"Reason": "A"}, "uri": 1}"#);
    }

    #[test]
    fn escapes_do_not_hide_a_name() {
        assert_eq!(fold(r#"{"\u0055ri": "A"}"#).text, r#"{"uri": "A"}"#);
    }

    #[test]
    fn the_wrapper_is_seen_at_the_top_only() {
        assert!(fold(r#"{"success": true, "RTJSON": {}}"#).wrapped);
        assert!(!fold(r#"{"note": {"rtjson": {}}}"#).wrapped);
        assert!(!fold(r#"{"note": "rtjson"}"#).wrapped);
    }

    #[test]
    fn the_action_is_seen_where_a_decision_can_be() {
        assert!(fold(r#"{"routes": [], "Action": "pass"}"#).names_action);
        assert!(fold(r#"{"rtjson": {"action": "pass"}}"#).names_action);
        assert!(!fold(r#"{"note": {"action": "pass"}, "routes": [{"action": 1}]}"#).names_action);
        assert!(!fold(r#"{"rtjson": {}, "note": {"action": "pass"}}"#).names_action);
    }

    #[test]
    fn text_that_is_not_json_is_left_to_the_parser() {
        for text in [
            "",
            "\"",
            "{\"",
            "{\"A\\",
            "]}",
            "{\"A\":",
            "{,\"A\"",
            "\u{e4}{\"\u{c4}\"",
        ] {
            assert_eq!(fold(text).text.to_lowercase(), text.to_lowercase());
        }
    }
}
