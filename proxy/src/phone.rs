//! Scripted phones: `sigbox call` and the demo's callers and callees.
