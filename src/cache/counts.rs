//! What the cache counts of itself: how often it had what was looked for, and how much it holds.

use crate::meters::{Counter, Gauge, Meters};

/// The meters of all caches.
pub(super) struct Counts {
    pub owners: Lookups,
    pub people: Lookups,
    pub labels: Lookups,
    pub interactions: Lookups,
}

/// The meters of one cache.
pub(super) struct Lookups {
    hits: Counter,
    misses: Counter,
    /// What it holds, roughly.
    pub bytes: Gauge,
}

impl Counts {
    pub fn new(meters: &Meters) -> Self {
        let lookups = meters.counters(
            "threadline_cache_lookups_total",
            "What requests looked for in memory, by whether it was there.",
            &["kind", "result"],
        );
        let bytes = meters.gauges(
            "threadline_cache_bytes",
            "What is remembered, in bytes, roughly.",
            "kind",
        );
        let of = |kind: &str| Lookups {
            hits: lookups.of(&[kind, "hit"]),
            misses: lookups.of(&[kind, "miss"]),
            bytes: bytes.of(kind),
        };
        Self {
            owners: of("owners"),
            people: of("customers"),
            labels: of("labels"),
            interactions: of("interactions"),
        }
    }
}

impl Lookups {
    /// What was found, counted.
    pub fn of<T>(&self, found: Option<T>) -> Option<T> {
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.inc();
        found
    }
}
