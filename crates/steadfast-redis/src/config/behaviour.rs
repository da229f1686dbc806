//! The settings of behaviour under load and in faults: lanes, breaker, limits, retries, health.

use super::setting::section;
use super::value::words;

section! {
    /// The lanes to each node: shared ones that many callers use at once, exclusive ones for commands that block
    /// or watch.
    Pool at pool {
        /// How many shared lanes stay open.
        lanes_min: u32 = 1, Count 1 to 256, Live, also ["pool.minSize", "pool.min_size"], env ["REDIS_POOL_MIN_SIZE"];
        /// How many there may be, when what is in flight and how long it takes asks for more.
        lanes_max: u32 = 20, Count 1 to 256, Live,
            also ["pool.maxSize", "pool.max_size", "pool_size"], env ["REDIS_POOL_MAX_SIZE", "REDIS_POOL_SIZE"];
        /// How many connections there may be to a node: shared, exclusive and for messages, all together.
        connections_max: u32 = 50, Count 1 to 10_000, Live,
            also ["max_connections"], env ["REDIS_MAX_CONNECTIONS"];
        /// The longest that a caller waits for a place among the commands in flight, or for a connection of its own while
        /// all are held; its deadline may end that sooner.
        acquire_timeout_ms: u64 = 5_000, Ms 1 to 60_000, Live, also ["pool.acquireTimeoutMs"];
        /// How many callers may wait for a lane, in the order in which they came; the next one is refused.
        waiters_max: u32 = 1_000, Count 0 to 1_000_000, Live;
        /// How long a lane above `lanes_min` may be idle before it is closed.
        idle_timeout_ms: u64 = 60_000, Ms 1_000 to 86_400_000, Live, also ["pool.idleTimeoutMs"];
        /// How often idle and aged lanes are looked for.
        reap_interval_ms: u64 = 10_000, Ms 100 to 3_600_000, Live, also ["pool.reapIntervalMs"];
        /// How old a connection may become before it is replaced. 0: any age.
        lifetime_ms: u64 = 1_800_000, Ms 0 to 604_800_000, Live;
        /// By how much each connection's lifetime differs, up or down, so that they do not end together.
        lifetime_jitter_percent: u32 = 10, Percent 0 to 50, Live;
        /// How often the making of a connection of its own is tried again for a caller that waits for it, if the failure
        /// may pass. Shared lanes are dialled again for as long as it takes.
        create_retry_count: u32 = 3, Count 0 to 100, Live, also ["pool.createRetryCount"];
        /// The pause before each such try, besides what the dial budget asks for.
        create_retry_interval_ms: u64 = 100, Ms 1 to 60_000, Live, also ["pool.createRetryIntervalMs"];
        /// The share of lanes or connections in use from which on it is warned.
        utilisation_warn_percent: u32 = 80, Percent 1 to 100, Live;
    }
}

section! {
    /// The circuit breaker, one for each node and kind of command.
    Breaker at breaker {
        /// Whether it may open.
        enabled: bool = true, None, Live;
        /// The time over which results are counted.
        window_ms: u64 = 10_000, Ms 1_000 to 100_000, Live,
            also ["breaker.monitoringPeriod", "circuitBreaker.monitoringPeriod"];
        /// How many calls the window must hold before their rates count. Hard evidence, such as a refused
        /// connection, needs none.
        calls_min: u32 = 5, Count 1 to 100_000, Live,
            also ["circuitBreaker.failureThreshold", "circuit_breaker_threshold"], env ["REDIS_CIRCUIT_BREAKER_THRESHOLD"];
        /// The share of failures that opens it.
        failure_percent: u32 = 50, Percent 1 to 100, Live;
        /// The share of slow calls that opens it.
        slow_percent: u32 = 80, Percent 1 to 100, Live;
        /// A call is slow when it takes this many times the long-run median...
        slow_factor: u32 = 4, Count 2 to 1_000, Live;
        /// ...and at least this long.
        slow_floor_ms: u64 = 100, Ms 1 to 60_000, Live;
        /// The bound of the first open time; the time is drawn from half the bound to the bound.
        open_min_ms: u64 = 250, Ms 10 to 60_000, Live;
        /// What the bound grows to, doubling with each trip.
        open_max_ms: u64 = 60_000, Ms 10 to 3_600_000, Live,
            also ["circuitBreaker.resetTimeout"], seconds ["circuit_breaker_timeout"], env ["REDIS_CIRCUIT_BREAKER_TIMEOUT"];
        /// How long it must have been healthy for the open time to halve again.
        decay_ms: u64 = 60_000, Ms 1_000 to 3_600_000, Live;
        /// How many calls run at once in the last step of half-open; the steps before are 1, 2, 4 and so on.
        half_open_permits_max: u32 = 16, Count 1 to 1_024, Live;
        /// How long a half-open call may keep its permit.
        permit_lease_ms: u64 = 5_000, Ms 100 to 60_000, Live;
    }
}

section! {
    /// The limit of commands in flight to a node; it finds its height by itself.
    Limiter at limiter {
        /// Whether there is one.
        enabled: bool = true, None, Live;
        /// What it never sinks below.
        in_flight_min: u32 = 8, Count 1 to 100_000, Live;
        /// What it begins with.
        in_flight_start: u32 = 1_024, Count 1 to 100_000, Live;
        /// What it never rises above.
        in_flight_max: u32 = 4_096, Count 1 to 100_000, Live;
        /// The share of it that commands of low priority may use.
        low_priority_percent: u32 = 50, Percent 1 to 100, Live;
    }
}

section! {
    /// Retries: only of what provably did no harm, only within the caller's deadline.
    Retry at retry {
        /// How often a command is tried again whose answer was lost, where that is safe. One that was refused before it
        /// was executed is tried again until its deadline, if the budget allows.
        attempts_max: u32 = 3, Count 0 to 20, Live,
            also ["maxRetries", "retry_attempts"], env ["REDIS_MAX_RETRIES"];
        /// The upper bound of the first pause; the pause is drawn evenly from nothing to the bound.
        backoff_base_ms: u64 = 20, Ms 1 to 60_000, Live,
            also ["retryDelay"], seconds ["retry_backoff"], env ["REDIS_RETRY_DELAY"];
        /// What the bound grows to, doubling with each try.
        backoff_cap_ms: u64 = 1_000, Ms 1 to 60_000, Live;
        /// How many retries there may be for 100 commands, over all callers of a node.
        budget_percent: u32 = 10, Percent 0 to 100, Live;
        /// How many retries there may be at once, however few the commands.
        budget_burst: u32 = 10, Count 1 to 10_000, Live;
    }
}

section! {
    /// The health monitor.
    Health at health {
        /// Whether nodes are asked when nothing else tells.
        enabled: bool = true, None, Live;
        /// How often each node is asked. In an outage it is asked sooner, by the breaker's prober.
        interval_ms: u64 = 30_000, Ms 100 to 3_600_000, Live,
            also ["health.checkInterval"], seconds ["health_check_interval"], env ["REDIS_HEALTH_CHECK_INTERVAL"];
        /// How soon it must answer.
        timeout_ms: u64 = 1_000, Ms 10 to 60_000, Live, also ["health.timeout"];
        /// Whether a key of our own is written to find out if writes are refused: `SET` of `probe_key`, gone after a
        /// second. Without it only calls show that.
        probe_writes: bool = true, None, Live;
        /// The key that is read and written, and the channel that is published to: no other may use it. In a cluster
        /// a number is added to it.
        probe_key: String = "steadfast:health".to_owned(), None, Live;
        /// How many failures in a row make it unhealthy.
        failure_threshold: u32 = 3, Count 1 to 100, Live, also ["health.failureThreshold"];
        /// How many successes in a row make it healthy again.
        success_threshold: u32 = 2, Count 1 to 100, Live, also ["health.successThreshold"];
    }
}

section! {
    /// Subscriptions.
    PubSub at pubsub {
        /// How often a message of our own goes through each subscribing connection; silence for twice as long
        /// replaces it. 0: never.
        heartbeat_ms: u64 = 5_000, Ms 0 to 600_000, Live;
        /// How many messages a subscriber may leave unread; then the oldest is dropped and a gap is told.
        buffer_max: u32 = 1_024, Count 1 to 1_000_000, Live;
    }
}

/// What is done about a server that may delete data when its memory is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Eviction {
    /// Refuse to start unless `maxmemory-policy` is `noeviction`: for queues and everything that may not vanish.
    Refuse,
    /// Start, and warn.
    #[default]
    Warn,
    /// Say nothing: for a server that is a cache and nothing else.
    Accept,
}

words!(Eviction { Refuse = "refuse", Warn = "warn", Accept = "accept" });

section! {
    /// What is expected of the server, looked at after the first connect.
    Server at server {
        /// What is done when its `maxmemory-policy` is not `noeviction`.
        eviction: Eviction = Eviction::Warn, None, Live;
    }
}
