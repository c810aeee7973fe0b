//! What is counted for operators: one registry for each instance, and the kinds of meters there are.
//!
//! Recording takes one atomic operation, a histogram's four: no lock, no allocation, no text. Whoever
//! counts makes its meters once, holds them, and records; names, labels and their values are constants
//! of the code, but for a tenant's name where the operator asks for it. Nothing that a caller said is
//! ever a label. Why these: ADR 0065.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

pub use prometheus::{Histogram, IntCounter as Counter, IntGauge as Gauge};

/// Tenants that have a label of their own; those that come later share one.
const MOST_TENANTS: usize = 200;
/// Whose name all other tenants go by: no tenant can be called that.
const OTHERS: &str = "(others)";
/// What the label is called.
const TENANT: &str = "tenant";

/// Bounds of what takes from a hundred microseconds to some seconds, in seconds. A start's budget is
/// among them.
pub const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The meters of one instance. Clones share them.
#[derive(Clone, Default)]
pub struct Meters {
    registry: Registry,
    by_tenant: bool,
    tenants: Arc<Mutex<BTreeSet<String>>>,
}

impl Meters {
    /// Meters of which those of tenants tell them apart, or do not.
    pub fn new(by_tenant: bool) -> Self {
        Self { by_tenant, ..Self::default() }
    }

    /// Whether tenants are told apart.
    pub fn by_tenant(&self) -> bool {
        self.by_tenant
    }

    /// What a tenant's meters are labelled with; the same for all where tenants are not told apart.
    pub fn tenant(&self, name: &str, test: bool) -> TenantLabel {
        if !self.by_tenant {
            return TenantLabel(String::new());
        }
        let name = if test { format!("{name} (test)") } else { name.to_owned() };
        // A set that is not whole cannot be left behind.
        let mut known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST_TENANTS {
            known.insert(name.clone());
        }
        TenantLabel(if known.contains(&name) { name } else { OTHERS.to_owned() })
    }

    /// Something that only grows.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        self.register(Counter::new(name, help))
    }

    /// The same, one for each combination of these labels.
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Counters {
        Counters(self.register(IntCounterVec::new(Opts::new(name, help), labels)), false)
    }

    /// The same, and, where tenants are told apart, for each of them.
    pub fn counters_of_tenants(&self, name: &str, help: &str, labels: &[&str]) -> Counters {
        let made = IntCounterVec::new(Opts::new(name, help), &self.with_tenant(labels));
        Counters(self.register(made), self.by_tenant)
    }

    /// Something that is as it is.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(name, help))
    }

    /// The same, one for each value of a label.
    pub fn gauges(&self, name: &str, help: &str, label: &str) -> Gauges {
        Gauges(self.register(IntGaugeVec::new(Opts::new(name, help), &[label])))
    }

    /// How often something was how large; `bounds` rise.
    pub fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        self.register(Histogram::with_opts(options(name, help, bounds)))
    }

    /// The same for each combination of these labels and, where they are told apart, tenants.
    pub fn histograms_of_tenants(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        bounds: &[f64],
    ) -> Histograms {
        let made = HistogramVec::new(options(name, help, bounds), &self.with_tenant(labels));
        Histograms(self.register(made), self.by_tenant)
    }

    /// What is known of the process itself: its time, memory and files. Linux only.
    pub fn own_use(&self) {
        #[cfg(target_os = "linux")]
        self.register(Ok(OfProcess(Arc::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))));
    }

    /// Everything, in Prometheus' text format 0.0.4.
    pub fn text(&self) -> String {
        let encoder = prometheus::TextEncoder::new();
        // It fails for a family without a name or meters, and none of ours is.
        encoder.encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    fn with_tenant<'a>(&self, labels: &[&'a str]) -> Vec<&'a str> {
        labels.iter().copied().chain(self.by_tenant.then_some(TENANT)).collect()
    }

    fn register<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        // Both fail for names that are no names or are taken: they are constants, and any test that
        // opens a service meets them.
        let made = made.expect("a name, labels and bounds that are valid");
        self.registry.register(Box::new(made.clone())).expect("a name that is not taken");
        made
    }
}

fn options(name: &str, help: &str, bounds: &[f64]) -> HistogramOpts {
    HistogramOpts::new(name, help).buckets(bounds.to_vec())
}

/// What a tenant's meters are labelled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantLabel(String);

impl TenantLabel {
    /// Of calls before it is known whose they are.
    pub fn nobody() -> Self {
        Self(String::new())
    }

    fn after<'a>(&'a self, values: &[&'a str], by_tenant: bool) -> Vec<&'a str> {
        values.iter().copied().chain(by_tenant.then_some(&*self.0)).collect()
    }
}

/// Counters with labels.
pub struct Counters(IntCounterVec, bool);

impl Counters {
    /// The one with these values, in the order of the labels.
    pub fn of(&self, values: &[&str]) -> Counter {
        self.0.with_label_values(values)
    }

    /// The same of a tenant.
    pub fn of_tenant(&self, values: &[&str], tenant: &TenantLabel) -> Counter {
        self.0.with_label_values(&tenant.after(values, self.1))
    }
}

/// Gauges with a label.
pub struct Gauges(IntGaugeVec);

impl Gauges {
    /// The one with this value.
    pub fn of(&self, value: &str) -> Gauge {
        self.0.with_label_values(&[value])
    }
}

/// Histograms with labels.
pub struct Histograms(HistogramVec, bool);

impl Histograms {
    /// The one with these values, in the order of the labels, of a tenant.
    pub fn of_tenant(&self, values: &[&str], tenant: &TenantLabel) -> Histogram {
        self.0.with_label_values(&tenant.after(values, self.1))
    }
}

/// Notes how long something took.
pub fn took(histogram: &Histogram, time: Duration) {
    histogram.observe(time.as_secs_f64());
}

/// The library's own collector cannot be cloned.
#[cfg(target_os = "linux")]
#[derive(Clone)]
struct OfProcess(Arc<prometheus::process_collector::ProcessCollector>);

#[cfg(target_os = "linux")]
impl Collector for OfProcess {
    fn desc(&self) -> Vec<&prometheus::core::Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<prometheus::proto::MetricFamily> {
        self.0.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_are_told_apart_only_where_it_was_asked_for() {
        for by_tenant in [false, true] {
            let meters = Meters::new(by_tenant);
            let counters = meters.counters_of_tenants("calls_total", "Calls.", &["kind"]);
            for (tenant, test) in [("acme", false), ("acme", true), ("globex", false)] {
                counters.of_tenant(&["x"], &meters.tenant(tenant, test)).inc();
            }
            let text = meters.text();
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
            let apart = [
                r#"calls_total{kind="x",tenant="acme"} 1"#,
                r#"calls_total{kind="x",tenant="acme (test)"} 1"#,
                r#"calls_total{kind="x",tenant="globex"} 1"#,
            ];
            assert_eq!(lines, if by_tenant { &apart[..] } else { &[r#"calls_total{kind="x"} 3"#] });
        }
    }

    #[test]
    fn more_tenants_than_have_labels_share_one() {
        let meters = Meters::new(true);
        for number in 0..MOST_TENANTS {
            assert_ne!(meters.tenant(&number.to_string(), false).0, OTHERS);
        }
        assert_eq!(meters.tenant("one more", false).0, OTHERS);
        assert_eq!(meters.tenant("0", false).0, "0");
    }

    #[test]
    fn a_process_knows_itself() {
        let meters = Meters::default();
        meters.own_use();
        assert!(meters.text().contains("process_cpu_seconds_total"));
    }
}
