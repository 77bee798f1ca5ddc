/// Bounds that every decision is held to. The proxy can be configured to others; SDKs use the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest reply, in bytes.
    pub max_bytes: usize,
    /// Most routes in a decision.
    pub max_routes: usize,
    /// Most contacts in a redirect.
    pub max_contacts: usize,
}

impl Limits {
    /// Longest `fr_timer`, `fr_inv_timer` and `extend_ms`, in milliseconds: 10 minutes.
    pub const MAX_TIMER_MS: u64 = 600_000;

    /// Longest `retry_after_ms` and `cache.ttl_ms`, in milliseconds: a day.
    pub const MAX_DAY_MS: u64 = 86_400_000;

    /// Longest `cache.key`, in characters.
    pub const MAX_KEY: usize = 256;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 65_536,
            max_routes: 32,
            max_contacts: 32,
        }
    }
}
