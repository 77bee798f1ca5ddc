//! Between the wire contract and the core: queries written, decisions read.
