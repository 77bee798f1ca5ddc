//! What deciders send all day, read in one pass from the text into the types.
//!
//! A document is usual when every field in it is one of ours, spelt as ours are, and every value is of its plain
//! type: no null, no fraction, nothing that is only in rtjson. Whatever else there is, allowed or not, this reader
//! gives up on, and the complete one ([`Decision::parse`]) starts over: it knows what may be, and what to say of the
//! rest. Both make the same of a usual document; tests hold them to it.

use super::{
    Action, CacheHint, Decision, HeaderEdits, NameAddr, RetryAfter, Route, Routing, StatusMatch,
};

/// Reads a usual document; `None` for any other text.
pub(super) fn read(text: &str) -> Option<Decision> {
    let mut reader = Reader { text, at: 0 };
    let mut decision = Decision::default();
    fields(&mut reader, &mut decision)?;
    // Without an action it is rtjson, where these are not ours, whatever they hold.
    let is_usual = decision.action.is_some()
        || decision.status.is_none()
            && decision.reason.is_none()
            && decision.headers.is_empty()
            && decision.retry_after_ms.is_none()
            && decision.extend_ms.is_none();
    (is_usual && reader.peek().is_none()).then_some(decision)
}

fn fields(reader: &mut Reader<'_>, decision: &mut Decision) -> Option<()> {
    reader.object(|reader, name| {
        match name {
            "version" => decision.version = Some(reader.text()?),
            "action" => decision.action = Some(Action::from_name(reader.plain()?)?),
            "routing" => decision.routing = Some(Routing::from_name(reader.plain()?)?),
            "routes" => reader.list(&mut decision.routes, route)?,
            "failover" => reader.list(decision.failover.insert(Vec::new()), status_match)?,
            "requery" => decision.requery = reader.flag()?,
            "status" => decision.status = Some(reader.number()?),
            "reason" => decision.reason = reader.text_or_unset()?,
            "headers" => header_edits(reader, &mut decision.headers)?,
            "retry_after_ms" => {
                decision.retry_after_ms = Some(RetryAfter::Fixed(reader.number()?));
            }
            "extend_ms" => decision.extend_ms = Some(reader.number()?),
            "reasons" => reader.list(&mut decision.reasons, Reader::push_text)?,
            "cache" => decision.cache = Some(cache_hint(reader)?),
            _ => return None,
        }
        Some(())
    })
}

fn route(reader: &mut Reader<'_>, routes: &mut Vec<Route>) -> Option<()> {
    // Filled where it will stay: it is large.
    routes.push(Route::default());
    let route = routes.last_mut()?;
    reader.object(|reader, name| {
        match name {
            "uri" => route.uri = reader.text_or_unset()?,
            "dst_uri" => route.dst_uri = reader.text_or_unset()?,
            "path" => route.path = reader.text_or_unset()?,
            "socket" => route.socket = reader.text_or_unset()?,
            "headers" => header_edits(reader, &mut route.headers)?,
            "branch_flags" => route.branch_flags = Some(reader.number()?),
            "fr_timer" => route.fr_timer = Some(reader.number()?),
            "fr_inv_timer" => route.fr_inv_timer = Some(reader.number()?),
            "group" => route.group = Some(reader.number()?),
            "gateways" => route.gateways = reader.text_or_unset()?,
            _ => return None,
        }
        Some(())
    })
}

fn header_edits(reader: &mut Reader<'_>, edits: &mut HeaderEdits) -> Option<()> {
    reader.object(|reader, name| {
        match name {
            "from" => name_addr(reader, edits.from.insert(NameAddr::default()))?,
            "to" => name_addr(reader, edits.to.insert(NameAddr::default()))?,
            "extra" => edits.extra = reader.text_or_unset()?,
            "set" => reader.object(|reader, name| {
                edits.set.insert(name.to_owned(), reader.text()?);
                Some(())
            })?,
            "remove" => reader.list(&mut edits.remove, Reader::push_text)?,
            _ => return None,
        }
        Some(())
    })
}

fn name_addr(reader: &mut Reader<'_>, address: &mut NameAddr) -> Option<()> {
    reader.object(|reader, name| {
        match name {
            "display" => address.display = Some(reader.text()?),
            "uri" => address.uri = reader.text_or_unset()?,
            _ => return None,
        }
        Some(())
    })
}

fn cache_hint(reader: &mut Reader<'_>) -> Option<CacheHint> {
    let (mut key, mut ttl_ms) = (None, None);
    reader.object(|reader, name| {
        match name {
            "key" => key = Some(reader.text()?),
            "ttl_ms" => ttl_ms = Some(reader.number()?),
            _ => return None,
        }
        Some(())
    })?;
    Some(CacheHint {
        key: key?,
        ttl_ms: ttl_ms?,
    })
}

fn status_match(reader: &mut Reader<'_>, list: &mut Vec<StatusMatch>) -> Option<()> {
    list.push(match reader.peek()? {
        b'"' => StatusMatch::from_class(reader.plain()?)?,
        _ => StatusMatch::from_status(reader.number()?)?,
    });
    Some(())
}

/// JSON text, and how far it has been read. Every method gives up with `None`.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// More fields than any of our objects has; an object with more is not usual.
const MAX_FIELDS: usize = 16;

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    /// Goes past this byte if it is the next one.
    fn skip(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip(byte).then_some(())
    }

    /// An object without a field that is there twice; `field` reads the value of one.
    fn object(&mut self, mut field: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        if self.skip(b'}') {
            return Some(());
        }
        let mut names = [""; MAX_FIELDS];
        for count in 0..MAX_FIELDS {
            let name = self.plain()?;
            if names[..count].contains(&name) {
                return None;
            }
            names[count] = name;
            self.expect(b':')?;
            field(self, name)?;
            if !self.skip(b',') {
                return self.expect(b'}');
            }
        }
        None
    }

    /// A list; `item` reads one item to its end.
    fn list<T>(
        &mut self,
        list: &mut Vec<T>,
        item: impl Fn(&mut Self, &mut Vec<T>) -> Option<()>,
    ) -> Option<()> {
        self.expect(b'[')?;
        if self.skip(b']') {
            return Some(());
        }
        loop {
            item(self, list)?;
            if !self.skip(b',') {
                return self.expect(b']');
            }
        }
    }

    /// A string that is text as it stands.
    fn plain(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let (rest, start) = (self.rest(), self.at);
        let len = rest
            .iter()
            .position(|byte| IS_SPECIAL[usize::from(*byte)])?;
        if rest[len] == b'"' {
            self.at += len + 1;
            self.text.get(start..start + len)
        } else {
            self.at -= 1;
            None
        }
    }

    /// Any string.
    fn text(&mut self) -> Option<String> {
        match self.plain() {
            Some(text) => Some(text.to_owned()),
            None => self.escaped(),
        }
    }

    /// A string with escapes. Where it ends is found here, what it says is left to serde_json.
    #[cold]
    fn escaped(&mut self) -> Option<String> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            let special = |byte: &u8| IS_SPECIAL[usize::from(*byte)];
            self.at += self.rest().iter().position(special)?;
            match self.rest()[0] {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => return None,
            }
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    /// Text, or `None` for `""`, which is the same as leaving the field out.
    fn text_or_unset(&mut self) -> Option<Option<String>> {
        let text = self.text()?;
        Some((!text.is_empty()).then_some(text))
    }

    fn push_text(&mut self, list: &mut Vec<String>) -> Option<()> {
        list.push(self.text()?);
        Some(())
    }

    /// A whole number without a sign that fits the field.
    fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        self.peek()?;
        let mut number = 0_u64;
        let mut digits = 0;
        for byte in self.rest().iter().take_while(|byte| byte.is_ascii_digit()) {
            number = number.checked_mul(10)?.checked_add((byte - b'0').into())?;
            digits += 1;
        }
        if digits == 0 || digits > 1 && self.rest()[0] == b'0' {
            return None;
        }
        self.at += digits;
        T::try_from(number).ok()
    }

    fn flag(&mut self) -> Option<bool> {
        self.peek()?;
        let flag = self.rest().starts_with(b"true");
        if !flag && !self.rest().starts_with(b"false") {
            return None;
        }
        self.at += if flag { 4 } else { 5 };
        Some(flag)
    }
}

/// The bytes that end a string or mean something in it; control characters must not be there.
const IS_SPECIAL: [bool; 256] = {
    let mut is_special = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        is_special[byte] = matches!(byte as u8, b'"' | b'\\' | 0..b' ');
        byte += 1;
    }
    is_special
};

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::super::parse::complete;
    use super::*;

    /// The golden decisions that are valid, or those that are not.
    fn examples(folder: &str) -> Vec<String> {
        let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap())
            .join("examples/decision")
            .join(folder);
        let files = fs::read_dir(folder).unwrap();
        let bytes = files.map(|file| fs::read(file.unwrap().path()).unwrap());
        bytes
            .filter_map(|bytes| String::from_utf8(bytes).ok())
            .collect()
    }

    /// A document is not usual, or both readers make the same of it. Whether it is usual.
    fn agree(text: &str) -> bool {
        let Some(decision) = read(text) else {
            return false;
        };
        assert_eq!(complete(text), Ok((decision, "")), "{text}");
        true
    }

    #[test]
    fn both_readers_make_the_same_of_the_examples() {
        let valid = examples("valid");
        let usual = valid.iter().filter(|text| agree(text)).count();
        assert!(usual > valid.len() / 2, "{usual} of {}", valid.len());
        for text in examples("invalid") {
            agree(&text);
        }
    }

    #[test]
    fn every_field_but_those_of_a_redirect_is_usual() {
        for text in [
            r#"{"version": "1.0", "action": "route", "routing": "parallel", "routes": [
                {"uri": "sip:a@b", "dst_uri": "", "path": "<sip:p;lr>", "socket": "udp:192.0.2.1:5060",
                 "headers": {"from": {"display": "J\u00f6rg \"J\"", "uri": "sip:a@b"}, "to": {"display": ""},
                             "extra": "X-A: b\r\n", "set": {"X-B": "ö"}, "remove": ["X-C", "X-D"]},
                 "branch_flags": 4294967295, "fr_timer": 0, "fr_inv_timer": 18446744073709551615,
                 "group": 65535, "gateways": "g"}, {}],
                "failover": [408, "5xx", 699], "requery": true, "reasons": ["a", ""],
                "cache": {"key": "k", "ttl_ms": 1}}"#,
            r#"{"action":"reject","status":486,"reason":"Not \\ now","headers":{},"retry_after_ms":500}"#,
            r#"{"action":"extend","extend_ms":1000,"requery":false}"#,
            " {\t}\r\n",
            r#"{"routes":[],"failover":[]}"#,
        ] {
            assert!(agree(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_usual_is_left_to_the_complete_reader() {
        for text in [
            "",
            "{",
            "{} {}",
            "[]",
            r#"{"action":"redirect","contacts":[{"uri":"sip:a@b"}]}"#,
            r#"{"Action":"pass"}"#,
            r#"{"act\u0069on":"pass"}"#,
            r#"{"action":"pass","action":"pass"}"#,
            r#"{"action":"challenge"}"#,
            r#"{"action":null}"#,
            r#"{"action":"pass",}"#,
            r#"{"action":"pass","other":1}"#,
            r#"{"rtjson":{"routes":[]}}"#,
            r#"{"status":200,"routes":[]}"#,
            r#"{"action":"extend","extend_ms":1000.0}"#,
            r#"{"action":"extend","extend_ms":01000}"#,
            r#"{"action":"extend","extend_ms":-1}"#,
            r#"{"action":"extend","extend_ms":1e3}"#,
            r#"{"action":"extend","extend_ms":18446744073709551616}"#,
            r#"{"routes":[{"group":65536}]}"#,
            r#"{"failover":[200]}"#,
            r#"{"failover":["2xx"]}"#,
            r#"{"requery":tru}"#,
            "{\"reasons\":[\"a\nb\"]}",
            "{\"reasons\":[\"\\n a\tb\"]}",
            r#"{"reasons":["\x"]}"#,
            r#"{"reasons":["\ud800"]}"#,
            r#"{"reasons":["\"]}"#,
            r#"{"reasons":["\ö"]}"#,
            r#"{"cache":{"key":"k"}}"#,
        ] {
            assert!(!agree(text), "{text}");
        }
    }

    /// What an edit may put into a document.
    const PIECES: &[&str] = &[
        "\"",
        "\\",
        "\\u0041",
        "\\n",
        "\n",
        " ",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "0",
        "1",
        "-",
        ".",
        "e9",
        "null",
        "true",
        "false",
        "\"\"",
        "ö",
        "\u{1f}",
        "\"uri\":\"\",",
        "\"status\":1,",
        "\"action\":\"pass\",",
        "\"Uri\":\"sip:a\",",
        "{},",
        "\"x\",",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn both_readers_make_the_same_of_edited_examples(
            example in any::<Index>(),
            edits in prop::collection::vec((any::<Index>(), 0_usize..4, any::<Index>()), 0..3),
        ) {
            let mut examples = examples("valid");
            let mut text = examples.swap_remove(example.index(examples.len()));
            for (at, removed, piece) in edits {
                let bounds: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
                let start = at.index(bounds.len());
                let end = (start + removed).min(bounds.len() - 1);
                text.replace_range(bounds[start]..bounds[end], PIECES[piece.index(PIECES.len())]);
            }
            agree(&text);
        }
    }
}
