//! One running proxy: its shards, its bus, its signals.
