//! A decider and a real nats-server, with the test in the place of the proxy.

mod answers;
mod cancelled;
mod drain;
mod extend;
mod outage;
mod permissions;
mod refusals;
mod registration;
mod stage;
mod tables;
