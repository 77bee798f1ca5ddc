//! What is measured, in Prometheus's terms.
