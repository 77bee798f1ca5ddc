//! The sans-IO SIP proxy: transactions, suspension, forking, local rules.
