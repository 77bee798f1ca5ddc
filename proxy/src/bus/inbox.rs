//! The subjects that answers come back on.
//!
//! One wildcard subscription takes the answers to every query of a shard, and the last token of the
//! subject says which query it answers: nothing is looked up by a string. The node's name is in
//! front, so that a server can be told that only this proxy may listen there; a number drawn at the
//! start of the process follows, so that two processes with one name never get each other's answers.

use std::fmt::Write as _;

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
        let mut subject = String::with_capacity(self.prefix.len() + 20);
        subject.push_str(&self.prefix);
        // Writing to a String cannot fail.
        let _ = write!(subject, "{token}");
        subject.into()
    }

    /// The query that a message on `subject` answers; `None` for anything that is not ours.
    pub fn token(&self, subject: &str) -> Option<Token> {
        Token::parse(subject.strip_prefix(&*self.prefix)?)
    }
}

#[cfg(test)]
mod tests {
    use sigbox_core::TransactionKey;

    use super::*;

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
