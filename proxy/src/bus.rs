//! NATS: queries out, answers in, events.
