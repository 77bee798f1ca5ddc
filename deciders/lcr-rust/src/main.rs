//! Sample decider: longest-prefix routing over two carriers with failover.
fn main() {}
