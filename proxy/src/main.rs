//! A SIP proxy, registrar and redirect server that asks your code where calls go.
fn main() {}
