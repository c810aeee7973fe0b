//! The settings of tenants change while they are served: from one call to the next everybody goes by
//! the new ones. A call that has begun ends by those it began with.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use reqwest::Url;

use super::allowance::{Allowance, Quota};
use super::caller::Caller;
use super::certificates::{CertifiedCallers, CertifiedNames};
use super::service::Service;
use super::tenant::{Policies, Tenant, TenantPolicy};
use super::web_tokens::IssuerKeys;
use crate::ids::TenantId;

/// The tenants that were opened, and what all have chosen.
pub(super) struct Tenants {
    /// How often the policies have changed; a tenant that was opened before is out of date.
    round: AtomicU64,
    now: RwLock<Now>,
}

struct Now {
    policies: Policies,
    open: HashMap<TenantId, Arc<Tenant>>,
}

impl Tenants {
    pub fn new(policies: Policies) -> Self {
        let now = Now { policies, open: HashMap::new() };
        Self { round: AtomicU64::new(0), now: RwLock::new(now) }
    }

    /// The tenant, if it is open.
    pub fn get(&self, id: TenantId) -> Option<Arc<Tenant>> {
        self.read().open.get(&id).cloned()
    }

    /// Opens it with the policy of that name, unless somebody else was faster.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn open<E>(
        &self,
        id: TenantId,
        name: &str,
        open: impl FnOnce(Arc<TenantPolicy>, u64) -> Result<Tenant, E>,
    ) -> Result<Arc<Tenant>, E> {
        let mut now = self.write();
        if let Some(tenant) = now.open.get(&id) {
            return Ok(Arc::clone(tenant));
        }
        // Under the lock the round is that of the policies.
        let tenant = open(now.policies.of(name), self.round.load(Ordering::Relaxed))?;
        let tenant = Arc::new(tenant);
        now.open.insert(id, Arc::clone(&tenant));
        Ok(tenant)
    }

    fn bring_up_to_date(&self, caller: &mut Caller) {
        if caller.tenant.round != self.round.load(Ordering::Acquire)
            && let Some(tenant) = self.get(caller.tenant.id)
        {
            caller.tenant = tenant;
        }
    }

    fn change(&self, policies: Policies) {
        let mut now = self.write();
        let round = self.round.load(Ordering::Relaxed) + 1;
        for tenant in now.open.values_mut() {
            let policy = policies.of(&tenant.name);
            // Whoever has used up their calls has not more of them now.
            let quota = match tenant.policy.tenant_calls == policy.tenant_calls {
                true => Arc::clone(&tenant.quota),
                false => Arc::new(Quota::of(policy.tenant_calls)),
            };
            *tenant = Arc::new(tenant.with(policy, quota, round));
        }
        now.policies = policies;
        self.round.store(round, Ordering::Release);
    }

    /// How much each caller of the tenant of that name may call.
    fn calls_of(&self, name: &str) -> Allowance {
        self.read().policies.of(name).key_calls
    }

    fn read(&self) -> RwLockReadGuard<'_, Now> {
        // Only whole values are put behind this lock: a poisoned one is still whole.
        self.now.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Now> {
        self.now.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// A caller goes by the settings as they are now. Costs one read of one number, but for the first
    /// time after they have changed.
    pub fn bring_up_to_date(&self, caller: &mut Caller) {
        self.tenants.bring_up_to_date(caller);
    }

    /// From now on everybody goes by these. Key sets that issuers serve are fetched anew; those that
    /// nobody names any more are forgotten.
    pub fn change_policies(&self, policies: Policies, certified: CertifiedNames) {
        let all = policies.by_tenant.values().chain([&policies.default]);
        let issuers = all.filter_map(|policy| policy.web_token.as_ref());
        let urls: Vec<Url> = issuers
            .filter_map(|issuer| match &issuer.keys {
                IssuerKeys::Served(url) => Some(url.clone()),
                IssuerKeys::Listed(_) => None,
            })
            .collect();
        self.tenants.change(policies);
        // Whoever calls first in between is allowed what the new settings allow.
        let allowed = |tenant: &str| self.tenants.calls_of(tenant);
        self.certified.change(CertifiedCallers::new(certified), allowed);
        self.key_sets.renew(&urls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::continuity::counts::Counts;
    use crate::crypto::{DataKey, TenantSecrets};
    use crate::ids::Entropy;
    use crate::meters::Meters;

    fn of(tenant: &str, locale: &str, rate: i64) -> Policies {
        let allowed = Allowance::of(rate);
        let own =
            TenantPolicy { locale: locale.into(), tenant_calls: allowed, ..Default::default() };
        Policies { by_tenant: [(tenant.to_owned(), Arc::new(own))].into(), ..Default::default() }
    }

    fn open(tenants: &Tenants) -> Arc<Tenant> {
        let (entropy, meters) = (Entropy::seeded(1), Meters::default());
        let opened = tenants.open(TenantId(1), "acme", |policy, round| {
            Ok::<_, ()>(Tenant {
                id: TenantId(1),
                name: "acme".into(),
                test: false,
                secrets: Arc::new(TenantSecrets::generate(&entropy)),
                key: Arc::new(DataKey::generate(&entropy)),
                policy_version: policy.identity.version(),
                quota: Arc::new(Quota::of(policy.tenant_calls)),
                policy,
                round,
                counts: Arc::new(Counts::new(&meters).of(&meters.tenant("acme", false))),
            })
        });
        opened.unwrap()
    }

    fn caller(tenant: Arc<Tenant>) -> Caller {
        Caller {
            tenant,
            key_id: "k".into(),
            roles: 1,
            source: "default".into(),
            may_address: [].into(),
            max_assurance: None,
        }
    }

    #[test]
    fn whoever_called_before_goes_by_the_new_policy_and_has_no_more_calls() {
        let tenants = Tenants::new(of("acme", "en", 5));
        let mut known = caller(open(&tenants));
        let before = Arc::clone(&known.tenant);
        tenants.bring_up_to_date(&mut known);
        assert!(Arc::ptr_eq(&before, &known.tenant), "nothing has changed");
        tenants.change(of("acme", "de", 5));
        assert_eq!(known.tenant.policy.locale, "en", "a call ends by what it began with");
        tenants.bring_up_to_date(&mut known);
        assert_eq!(known.tenant.policy.locale, "de");
        assert!(Arc::ptr_eq(&before.quota, &known.tenant.quota), "its calls are as they were");
        assert!(Arc::ptr_eq(&before.secrets, &known.tenant.secrets));
        tenants.change(of("acme", "de", 6));
        tenants.bring_up_to_date(&mut known);
        assert!(known.tenant.quota.is_of(Allowance::of(6)), "another rate is another allowance");
        // And so is who comes from a memory of before all that.
        let mut old = caller(before);
        tenants.bring_up_to_date(&mut old);
        assert!(Arc::ptr_eq(&old.tenant, &known.tenant));
        assert!(Arc::ptr_eq(&open(&tenants), &known.tenant));
    }

    #[test]
    fn who_is_opened_later_has_the_newest_policy() {
        let tenants = Tenants::new(of("acme", "en", 5));
        tenants.change(of("acme", "de", 5));
        let mut late = caller(open(&tenants));
        assert_eq!(late.tenant.policy.locale, "de");
        tenants.change(Policies::default());
        tenants.bring_up_to_date(&mut late);
        assert_eq!(late.tenant.policy.locale, "en-US");
    }
}
