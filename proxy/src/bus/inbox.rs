//! The subjects that answers come back on.
//!
//! One wildcard subscription takes the answers to every query of a shard, and the last token of the
//! subject says which query it answers: nothing is looked up by a string. The node's name is in
//! front, so that a server can be told that only this proxy may listen there; a number drawn at the
//! start of the process follows, so that two processes with one name never get each other's answers.

use async_nats::Subject;
use sigbox_contracts::Slug;
use sigbox_core::Token;

/// The inbox of one shard: `_INBOX_<node>.<process>.<shard>.<token>`.
#[derive(Clone, Debug)]
pub struct Inbox {
    /// With the trailing dot.
    prefix: Box<str>,
}

impl Inbox {
    /// The inbox of shard `shard` of the process that drew `process`.
    pub fn new(node: &Slug, process: u64, shard: u8) -> Self {
        Self {
            prefix: format!("_INBOX_{node}.{process:x}.{shard}.").into(),
        }
    }

    /// What to subscribe to.
    pub fn subscription(&self) -> String {
        format!("{}*", self.prefix)
    }

    /// Where the answer to `token` goes.
    pub fn subject(&self, token: Token) -> Subject {
        // As `Token` displays. With nothing to spare, the text becomes the subject without a copy.
        let (key, attempt) = (token.key.to_bits(), token.attempt.into());
        let len = self.prefix.len() + hex_len(key) + "-".len() + hex_len(attempt);
        let mut subject = String::with_capacity(len);
        subject.push_str(&self.prefix);
        push_hex(&mut subject, key);
        subject.push('-');
        push_hex(&mut subject, attempt);
        subject.into()
    }

    /// The query that a message on `subject` answers; `None` for anything that is not ours.
    pub fn token(&self, subject: &str) -> Option<Token> {
        Token::parse(subject.strip_prefix(&*self.prefix)?)
    }
}

/// How many hexadecimal digits a number has.
fn hex_len(number: u64) -> usize {
    (u64::BITS - (number | 1).leading_zeros()).div_ceil(4) as usize
}

fn push_hex(text: &mut String, number: u64) {
    for place in (0..hex_len(number)).rev() {
        let digit = number >> (4 * place) & 0xf;
        text.push(char::from(b"0123456789abcdef"[digit as usize]));
    }
}

#[cfg(test)]
mod tests {
    use sigbox_core::TransactionKey;

    use super::*;

    #[test]
    fn a_token_is_written_as_it_displays() {
        let inbox = Inbox::new(&Slug::new("edge-1").unwrap(), 1, 0);
        for bits in [0x1_0000_0000, 0x1_0000_0001, 0x12_0000_00ff, u64::MAX] {
            for attempt in [0, 1, 15, 16, 255] {
                let key = TransactionKey::from_bits(bits);
                let token = Token { key, attempt };
                let subject = inbox.subject(token);
                assert_eq!(subject.as_str(), format!("_INBOX_edge-1.1.0.{token}"));
                assert_eq!(inbox.token(&subject), Some(token));
            }
        }
    }

    #[test]
    fn an_answer_finds_its_query() {
        let inbox = Inbox::new(&Slug::new("edge-1").unwrap(), 0xbeef, 3);
        let token = Token {
            key: TransactionKey::from_bits(0x0000_0003_0000_002a),
            attempt: 2,
        };
        let subject = inbox.subject(token);
        assert_eq!(subject.as_str(), "_INBOX_edge-1.beef.3.30000002a-2");
        assert_eq!(inbox.subscription(), "_INBOX_edge-1.beef.3.*");
        assert_eq!(inbox.token(&subject), Some(token));
        for other in [
            "_INBOX_edge-1.beef.2.1-1",
            "_INBOX_edge-1.beef.3.",
            "_INBOX_edge-1.beef.3.x-1",
        ] {
            assert_eq!(inbox.token(other), None, "{other}");
        }
    }
}
