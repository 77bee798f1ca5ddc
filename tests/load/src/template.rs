//! Requests rendered once; what differs from call to call is patched in place.

use std::ops::Range;

use crate::call_key::KeyText;

/// A fixed-width field.
#[derive(Clone, Copy, Debug)]
enum Field {
    /// Call-ID, 32 characters.
    CallId,
    /// Branch or tag, 16 characters.
    Mark,
    /// Decimal digits of the call's number, the last ones when it has more.
    Number,
}

/// Text with places for fields. In the pattern, `{call_id}` and `{mark}` stand for themselves and a run of `#` for as
/// many digits of the call's number.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    text: Vec<u8>,
    fields: Vec<(Range<usize>, Field)>,
}

impl Template {
    /// Renders a pattern.
    pub(crate) fn new(pattern: &str) -> Self {
        let mut text = Vec::with_capacity(pattern.len() + 64);
        let mut fields = Vec::new();
        let mut rest = pattern;
        while let Some(position) = rest.find(['{', '#']) {
            let (before, here) = rest.split_at(position);
            text.extend_from_slice(before.as_bytes());
            let (field, width, taken) = if here.starts_with("{call_id}") {
                (Field::CallId, crate::call_key::LENGTH, "{call_id}".len())
            } else if here.starts_with("{mark}") {
                (Field::Mark, crate::call_key::MARK_LENGTH, "{mark}".len())
            } else if here.starts_with('#') {
                let width = here.len() - here.trim_start_matches('#').len();
                (Field::Number, width, width)
            } else {
                text.push(b'{');
                rest = &here[1..];
                continue;
            };
            fields.push((text.len()..text.len() + width, field));
            text.resize(text.len() + width, b'0');
            rest = &here[taken..];
        }
        text.extend_from_slice(rest.as_bytes());
        Self { text, fields }
    }

    /// Appends the text for one call.
    pub(crate) fn write(&self, key: &KeyText, number: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.text);
        let text = &mut out[start..];
        for (range, field) in &self.fields {
            let place = &mut text[range.clone()];
            match field {
                Field::CallId => place.copy_from_slice(key.call_id()),
                Field::Mark => place.copy_from_slice(key.mark()),
                Field::Number => {
                    let mut number = number;
                    for digit in place.iter_mut().rev() {
                        *digit = b'0' + (number % 10) as u8;
                        number /= 10;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call_key::CallKey;
    use crate::clock::Moment;

    #[test]
    fn fields_are_patched_and_the_rest_stands() {
        let template = Template::new("INVITE sip:+49#### {x} {mark} i:{call_id}@h #");
        let key = CallKey {
            slot: 1,
            round: 2,
            due: Moment::from_nanos(3),
            ..CallKey::default()
        };
        let mut out = b"before ".to_vec();
        template.write(&key.text(), 98_765, &mut out);
        assert_eq!(
            out.escape_ascii().to_string(),
            "before INVITE sip:+498765 {x} 0000000100000002 i:00000001000000020000000000000003@h 5"
        );
    }
}
