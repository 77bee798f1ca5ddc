//! The I/O shell around `sigbox-core`, and the `sigbox` command.

pub mod admin;
pub mod api;
pub mod background;
pub mod bans;
pub mod bus;
pub mod cli;
pub mod config;
pub mod decision;
pub mod decisions;
pub mod demo;
pub mod describe;
pub mod explain;
pub mod gateways;
pub mod logging;
pub mod memory;
pub mod metrics;
pub mod node;
pub mod phone;
pub mod shard;
pub mod tables;
pub mod tls;
