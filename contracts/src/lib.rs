//! Query, Decision and Event: what sigbox and deciders say to each other.
