//! How patient Twilio is with one URL, and what the URL's fragment changes about that:
//! `https://host/hook#rc=5&rp=all&ct=2000&rt=3000`.

use std::time::Duration;
use url::Url;

/// Timeouts and retries for one delivery. The fragment is never sent and never signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overrides {
    /// For the TCP connection; 100 to 10,000 ms.
    pub(crate) connect_timeout: Duration,
    /// From the request's end to the answer's first byte; 100 to 15,000 ms.
    pub(crate) read_timeout: Duration,
    /// For all tries together; 100 to 15,000 ms.
    pub(crate) total_timeout: Duration,
    /// Tries after the first; 0 to 5.
    pub(crate) retries: u8,
    /// What is tried again.
    pub(crate) policy: RetryPolicy,
}

/// Which failures are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RetryPolicy {
    /// Answers of 400 to 499.
    pub(crate) client_error: bool,
    /// Answers of 500 to 599.
    pub(crate) server_error: bool,
    /// No connection.
    pub(crate) connect: bool,
    /// No answer in time, or one cut short.
    pub(crate) read: bool,
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(15),
            total_timeout: Duration::from_secs(15),
            retries: 1,
            policy: RetryPolicy { connect: true, ..RetryPolicy::default() },
        }
    }
}

impl Overrides {
    /// Reads the fragment of `url`. What is out of range or unknown keeps its default, as Twilio does.
    pub(crate) fn of(url: &Url) -> Self {
        let mut overrides = Self::default();
        for pair in url.fragment().unwrap_or_default().split('&') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            match name {
                "ct" => set_ms(&mut overrides.connect_timeout, value, 10_000),
                "rt" => set_ms(&mut overrides.read_timeout, value, 15_000),
                "tt" => set_ms(&mut overrides.total_timeout, value, 15_000),
                "rc" => {
                    if let Some(count) = value.parse().ok().filter(|count| *count <= 5) {
                        overrides.retries = count;
                    }
                }
                "rp" => {
                    if let Some(policy) = RetryPolicy::parse(value) {
                        overrides.policy = policy;
                    }
                }
                _ => {}
            }
        }
        overrides
    }
}

impl RetryPolicy {
    fn parse(list: &str) -> Option<Self> {
        let mut policy = Self::default();
        for word in list.split(',') {
            match word {
                "4xx" => policy.client_error = true,
                "5xx" => policy.server_error = true,
                "ct" => policy.connect = true,
                "rt" => policy.read = true,
                "all" => {
                    policy = Self { client_error: true, server_error: true, connect: true, read: true };
                }
                _ => return None,
            }
        }
        Some(policy)
    }

    /// Whether an answer with this HTTP status is tried again.
    pub(crate) const fn covers_status(self, status: u16) -> bool {
        match status {
            400..=499 => self.client_error,
            500..=599 => self.server_error,
            _ => false,
        }
    }
}

fn set_ms(setting: &mut Duration, value: &str, most: u64) {
    if let Some(ms) = value.parse().ok().filter(|ms| (100..=most).contains(ms)) {
        *setting = Duration::from_millis(ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(fragment: &str) -> Overrides {
        let mut url = Url::parse("https://example.org/hook?a=1").expect("valid");
        url.set_fragment(Some(fragment));
        Overrides::of(&url)
    }

    #[test]
    fn without_a_fragment_one_retry_on_connection_failure() {
        let overrides = of("");
        assert_eq!(overrides, Overrides::default());
        assert_eq!(overrides.retries, 1);
        assert!(overrides.policy.connect && !overrides.policy.read && !overrides.policy.covers_status(503));
    }

    #[test]
    fn the_recommended_fragment() {
        let overrides = of("rc=5&rp=all&ct=2000&rt=3000");
        assert_eq!(overrides.retries, 5);
        assert_eq!(overrides.connect_timeout, Duration::from_secs(2));
        assert_eq!(overrides.read_timeout, Duration::from_secs(3));
        assert!(overrides.policy.covers_status(503) && overrides.policy.covers_status(404));
        assert!(!overrides.policy.covers_status(200) && !overrides.policy.covers_status(302));
    }

    #[test]
    fn out_of_range_keeps_the_default() {
        assert_eq!(of("rc=6&ct=99&rt=15001&tt=x&rp=6xx"), Overrides::default());
        assert_eq!(
            of("rp=4xx,rt").policy,
            RetryPolicy { client_error: true, read: true, ..RetryPolicy::default() }
        );
    }

    proptest! {
        #[test]
        fn any_fragment_stays_within_bounds(fragment in "[a-z0-9=&,#%]{0,60}") {
            let overrides = of(&fragment);
            prop_assert!(overrides.retries <= 5);
            prop_assert!(overrides.total_timeout <= Duration::from_secs(15));
            prop_assert!(overrides.connect_timeout >= Duration::from_millis(100));
        }
    }
}
