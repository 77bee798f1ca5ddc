//! Which shard a message belongs to, found without parsing it.
//!
//! All messages of one call meet in one shard: a request by its Call-ID, a response by the shard
//! number that was written into our Via branch. So they never overtake each other.

use sigbox_core::shard_of_branch;
use sigbox_wire::{Peek, peek};

/// Where a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// It is ours.
    Here,
    /// It belongs to this shard.
    Shard(usize),
    /// A keep-alive (RFC 5626 §4.4.1); it has done its work by arriving.
    KeepAlive,
    /// Something else that uses our port.
    NotSip,
}

/// The same rule for every shard of a process.
#[derive(Clone, Debug)]
pub struct Steer {
    shards: usize,
    /// Keyed freshly for each process, so that nobody outside can pile calls up on one shard.
    hasher: ahash::RandomState,
}

impl Steer {
    /// For a process of `shards` shards.
    pub fn new(shards: usize) -> Self {
        Self {
            shards,
            hasher: ahash::RandomState::new(),
        }
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shards
    }

    pub(super) fn course(&self, here: usize, datagram: &[u8]) -> Course {
        let shard = match peek(datagram) {
            Peek::KeepAlive => return Course::KeepAlive,
            Peek::NotSip => return Course::NotSip,
            _ if self.shards == 1 => return Course::Here,
            Peek::Request(request) => self.of_call(request.call_id()),
            // A branch that is not ours is dropped, and counted, by whichever core gets it.
            Peek::Response(response) => match shard_of_branch(response.branch()).map(usize::from) {
                Some(shard) if shard < self.shards => shard,
                _ => here,
            },
        };
        if shard == here {
            Course::Here
        } else {
            Course::Shard(shard)
        }
    }

    /// The shard of the calls with this Call-ID.
    pub fn of_call(&self, call_id: &[u8]) -> usize {
        let hash = self.hasher.hash_one(call_id);
        // The high bits of a product spread as well as a remainder, without the division.
        ((u128::from(hash) * self.shards as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, call_id: &str) -> Vec<u8> {
        format!(
            "{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\n\
             Call-ID: {call_id}\r\nCSeq: 1 {method}\r\n\r\n"
        )
        .into_bytes()
    }

    #[test]
    fn every_request_of_a_call_meets_in_one_shard() {
        let steer = Steer::new(4);
        let mut used = [false; 4];
        for call in 0..200 {
            let call_id = format!("call-{call}@example.com");
            let shard = steer.of_call(call_id.as_bytes());
            used[shard] = true;
            for method in ["INVITE", "CANCEL", "ACK", "BYE"] {
                let course = steer.course(shard, &request(method, &call_id));
                assert_eq!(course, Course::Here, "{method} of {call_id}");
                let elsewhere = (shard + 1) % 4;
                let course = steer.course(elsewhere, &request(method, &call_id));
                assert_eq!(course, Course::Shard(shard));
            }
        }
        assert_eq!(used, [true; 4], "calls spread");
    }

    #[test]
    fn what_is_not_sip_goes_nowhere() {
        let steer = Steer::new(1);
        assert_eq!(steer.course(0, b"\r\n\r\n"), Course::KeepAlive);
        assert_eq!(
            steer.course(0, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            Course::NotSip
        );
        assert_eq!(steer.course(0, &request("INVITE", "a")), Course::Here);
    }

    #[test]
    fn a_response_with_a_strange_branch_stays() {
        let steer = Steer::new(4);
        let response =
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKnotours\r\n\r\n";
        assert_eq!(steer.course(2, response), Course::Here);
    }
}
