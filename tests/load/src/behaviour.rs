//! What a called party does, and where it listens.

use std::net::SocketAddrV4;
use std::str::FromStr;

/// What a called party does with an INVITE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// 180, then 200.
    #[default]
    Answer,
    /// 180, then nothing until CANCEL: the loser of a fork.
    Ring,
    /// A final response from 300 to 699: a carrier that fails.
    Refuse(u16),
    /// Nothing at all: a carrier that is gone.
    Silent,
}

/// A socket of the called party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddrV4,
    /// What it does.
    pub behaviour: Behaviour,
}

/// Why a listener cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenerError {
    /// Before the `=`.
    #[error("{0:?} is not an IPv4 address and port, such as 127.0.0.1:5080")]
    Address(String),
    /// After the `=`.
    #[error(
        "{0:?} is not one of answer, ring, silent, refuse:STATUS with a STATUS from 300 to 699"
    )]
    Behaviour(String),
}

/// `ADDRESS:PORT` or `ADDRESS:PORT=BEHAVIOUR`
impl FromStr for Listener {
    type Err = ListenerError;

    fn from_str(text: &str) -> Result<Self, ListenerError> {
        let (address, behaviour) = text.split_once('=').unwrap_or((text, "answer"));
        Ok(Self {
            address: address
                .parse()
                .map_err(|_| ListenerError::Address(address.to_owned()))?,
            behaviour: behaviour.parse()?,
        })
    }
}

/// `answer`, `ring`, `silent`, or `refuse:STATUS`
impl FromStr for Behaviour {
    type Err = ListenerError;

    fn from_str(text: &str) -> Result<Self, ListenerError> {
        let refused = || ListenerError::Behaviour(text.to_owned());
        Ok(match text {
            "answer" => Self::Answer,
            "ring" => Self::Ring,
            "silent" => Self::Silent,
            _ => {
                let status = text.strip_prefix("refuse:").ok_or_else(refused)?;
                let status = status.parse().map_err(|_| refused())?;
                if !(300..700).contains(&status) {
                    return Err(refused());
                }
                Self::Refuse(status)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read_from_text() {
        let behaviour = |text: &str| text.parse().map(|listener: Listener| listener.behaviour);
        assert_eq!(behaviour("127.0.0.1:1"), Ok(Behaviour::Answer));
        assert_eq!(behaviour("127.0.0.1:1=ring"), Ok(Behaviour::Ring));
        assert_eq!(behaviour("127.0.0.1:1=silent"), Ok(Behaviour::Silent));
        assert_eq!(
            behaviour("127.0.0.1:1=refuse:503"),
            Ok(Behaviour::Refuse(503))
        );
        for bad in ["refuse:200", "refuse:700", "refuse:x", "dance", ""] {
            let refused = ListenerError::Behaviour(bad.to_owned());
            assert_eq!(behaviour(&format!("127.0.0.1:1={bad}")), Err(refused));
        }
        assert_eq!(
            behaviour("[::1]:1"),
            Err(ListenerError::Address("[::1]:1".to_owned()))
        );
    }
}
