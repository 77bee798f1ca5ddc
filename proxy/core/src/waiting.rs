//! The transactions that wait for a decider.

use std::collections::BTreeSet;

use crate::secret::Fingerprint;

/// How many there are, and which requests.
#[derive(Default)]
pub(crate) struct Waiting {
    count: usize,
    requests: BTreeSet<u128>,
}

impl Waiting {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// One more waits, for this request.
    pub(crate) fn add(&mut self, request: Fingerprint) {
        self.count += 1;
        self.requests.insert(request.0);
    }

    /// One waits no longer.
    pub(crate) fn remove(&mut self, request: Fingerprint) {
        self.count -= 1;
        self.requests.remove(&request.0);
    }

    /// Whether this request is being asked about.
    pub(crate) fn holds(&self, request: Fingerprint) -> bool {
        self.requests.contains(&request.0)
    }
}
