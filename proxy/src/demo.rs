//! `sigbox demo`: the whole system on loopback, call by call.
