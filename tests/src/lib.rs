//! End-to-end tests: the real binary, real sockets, a real nats-server, SIPp.
