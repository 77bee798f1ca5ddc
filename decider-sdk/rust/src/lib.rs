//! Write a sigbox decider in Rust.
