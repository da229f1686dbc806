//! What the binary tells the gateway about the rest of the process.

use serde_json::Value;

/// The state of the process, for `GET /health` and `GET /readyz`.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthReport {
    /// Whether traffic should come here. Degraded is ready: only being unable to store is not.
    pub ready: bool,
    /// What `/health` answers; it is public, so it holds nothing private.
    pub body: Value,
}

/// Knows the state of the process. Asked on every health request, so it answers from memory, at once.
pub trait HealthSource: Send + Sync + 'static {
    /// The state now.
    fn report(&self) -> HealthReport;
}

impl<F> HealthSource for F
where
    F: Fn() -> HealthReport + Send + Sync + 'static,
{
    fn report(&self) -> HealthReport {
        self()
    }
}
