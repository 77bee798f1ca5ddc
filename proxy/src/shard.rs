//! One shard: one thread, one core, one NATS connection.
