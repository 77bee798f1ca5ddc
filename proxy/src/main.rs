//! The `sigbox` command.

fn main() {}
