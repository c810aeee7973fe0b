//! Rate, errors and duration of each call. Every meter is looked up once and then held, so that
//! recording takes no lock; where tenants are told apart, finding a tenant's meters takes one.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use crate::continuity::tenant::Tenant;
use crate::grpc::protocol::{ANOTHER, PROTOCOL};
use crate::ids::TenantId;
use crate::meters::{Counter, Counters, Histogram, Histograms, Meters, SECONDS, TenantLabel, took};

/// The meters of all calls.
pub(super) struct Calls {
    meters: Meters,
    durations: Histograms,
    errors: Counters,
    /// Those of calls that are nobody's, or everybody's.
    all: Held,
    tenants: RwLock<HashMap<TenantId, Arc<Held>>>,
}

/// Meters that were looked up.
struct Held {
    label: TenantLabel,
    durations: Vec<OnceLock<Histogram>>,
    errors: Vec<OnceLock<Counter>>,
}

impl Held {
    fn of(label: TenantLabel) -> Self {
        let calls = PROTOCOL.calls.len() + 1;
        let durations = (0..calls).map(|_| OnceLock::new()).collect();
        let errors = (0..calls * PROTOCOL.reasons.len()).map(|_| OnceLock::new()).collect();
        Self { label, durations, errors }
    }
}

impl Calls {
    pub fn new(meters: &Meters) -> Self {
        let calls = Self {
            meters: meters.clone(),
            durations: meters.histograms_of_tenants(
                "threadline_rpc_duration_seconds",
                "Calls, by how long they took until their answer, or a stream's end.",
                &["method"],
                SECONDS,
            ),
            errors: meters.counters_of_tenants(
                "threadline_rpc_errors_total",
                "Calls that were refused or cancelled, by the reason their caller was told.",
                &["method", "reason"],
            ),
            all: Held::of(TenantLabel::nobody()),
            tenants: RwLock::default(),
        };
        // What was never called is there with zero, so that a first call is seen as one.
        for call in 0..=PROTOCOL.calls.len() {
            calls.duration(&calls.all, call);
        }
        calls
    }

    /// Whether tenants are told apart.
    pub fn by_tenant(&self) -> bool {
        self.meters.by_tenant()
    }

    /// A call has ended after that time, refused if there is a reason.
    pub fn ended(
        &self,
        call: Option<usize>,
        tenant: Option<&Tenant>,
        time: Duration,
        reason: Option<usize>,
    ) {
        let call = call.unwrap_or(PROTOCOL.calls.len());
        match tenant {
            None => self.record(&self.all, call, time, reason),
            Some(tenant) => self.record(&self.held(tenant), call, time, reason),
        }
    }

    fn record(&self, held: &Held, call: usize, time: Duration, reason: Option<usize>) {
        took(self.duration(held, call), time);
        if let Some(reason) = reason {
            let counter = &held.errors[call * PROTOCOL.reasons.len() + reason];
            let values = || [name(call), &PROTOCOL.reasons[reason]];
            counter.get_or_init(|| self.errors.of_tenant(&values(), &held.label)).inc();
        }
    }

    fn duration<'a>(&self, held: &'a Held, call: usize) -> &'a Histogram {
        let made = || self.durations.of_tenant(&[name(call)], &held.label);
        held.durations[call].get_or_init(made)
    }

    fn held(&self, tenant: &Tenant) -> Arc<Held> {
        // Only whole entries are put behind this lock: a poisoned one is still whole.
        if let Some(held) =
            self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(&tenant.id)
        {
            return Arc::clone(held);
        }
        let held = Arc::new(Held::of(self.meters.tenant(&tenant.name, tenant.test)));
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tenants.entry(tenant.id).or_insert(held))
    }
}

fn name(call: usize) -> &'static str {
    PROTOCOL.calls.get(call).map_or(ANOTHER, |call| &call.name)
}
