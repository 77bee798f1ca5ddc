//! What the proxy does, told by what phones and deciders see, in simulated time.
//!
//! One file a behaviour. An id like `D6` names the fault that must be survived.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests panic"
)]

mod ack_by_name;
mod answers_too_late;
mod asked_again;
mod bare;
mod bare_display_name;
mod breadth;
mod broken_messages;
mod cancel_again;
mod cancel_before_provisional;
mod cancel_crosses_final;
mod cancel_while_suspended;
mod challenges;
mod comes_again;
mod decided_call;
mod decider_extends;
mod decider_fails;
mod decider_silent;
mod every_method;
mod explained;
mod extensions_pass;
mod fallback_forwards;
mod forbidden_targets;
mod foreign_response;
mod fork;
mod gateway_calls;
mod gateway_failover;
mod gateway_overload;
mod gateway_parallel;
mod gateway_probes;
mod gateway_reload;
mod gateway_retry_after;
mod gateways;
mod headers_per_branch;
mod in_dialog;
mod late_answer;
mod lingering;
mod local_rules;
mod lossy_network;
mod maddr;
mod mass_timeout;
mod max_forwards;
mod more_than_there_is_time_for;
mod names;
mod near_the_limits;
mod non_invite_responses;
mod open_hours;
mod options_to_proxy;
mod over_a_limit;
mod path_per_binding;
mod random_calls;
mod reason;
mod redirect_and_reject;
mod redirect_server;
mod redirected;
mod reliable_transport;
mod remembered_decisions;
mod repeated_while_suspended;
mod rewritten_parties;
mod serial_failover;
mod six_hundred;
mod stray_ack;
mod strict_routers;
mod suspended_at_the_cap;
mod timers_run_out;
mod urns;
mod world;
