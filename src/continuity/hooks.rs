//! Who calls through a web-hook: a helpdesk that the settings know, and no key of ours.
//!
//! That a delivery is the helpdesk's own was judged before (`http`), by its signature.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::Error;
use super::allowance::{Allowance, Quota};
use super::caller::{Caller, Role};
use super::service::Service;

/// A helpdesk's web-hook, and who it is once something was delivered through it.
pub struct HookCaller {
    name: String,
    tenant: String,
    source: String,
    known: OnceLock<(Caller, Arc<Quota>)>,
}

impl HookCaller {
    /// The hook of that name, whose interaction ids belong to `source`.
    pub fn new(name: &str, tenant: &str, source: &str) -> Self {
        let (name, tenant, source) = (name.to_owned(), tenant.to_owned(), source.to_owned());
        Self { name, tenant, source, known: OnceLock::new() }
    }

    /// The same hook as before the settings were read anew: what it has used up of its calls is used up,
    /// unless it is allowed others now.
    pub fn goes_on_from(&self, before: &Self, allowed: Allowance) {
        let known = before.known.get().filter(|(_, quota)| quota.is_of(allowed));
        if let Some((caller, quota)) = known
            && (&self.name, &self.tenant) == (&before.name, &before.tenant)
        {
            let caller = Caller { source: self.source.as_str().into(), ..caller.clone() };
            // Nobody else has asked it yet.
            let _ = self.known.set((caller, Arc::clone(quota)));
        }
    }

    /// The name of its tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }
}

impl Service {
    /// Who calls through this hook. Counts as one call of it and its tenant, which is made if there is
    /// none of that name. It ends interactions, and says when they were: a ticket is closed months
    /// after it was opened, and what it says of that is the helpdesk's own record.
    ///
    /// # Errors
    /// [`Error::RateLimited`]; the store's.
    pub async fn authenticate_hook(self: &Arc<Self>, hook: &HookCaller) -> Result<Caller, Error> {
        let (caller, quota) = match hook.known.get() {
            Some(known) => known,
            None => {
                let made = self.hook_caller(hook).await?;
                hook.known.get_or_init(|| made)
            }
        };
        self.called(caller, quota, Instant::now())
    }

    async fn hook_caller(&self, hook: &HookCaller) -> Result<(Caller, Arc<Quota>), Error> {
        let tenant = self.tenant_named(&hook.tenant, false).await?;
        let quota = Arc::new(Quota::of(tenant.policy.key_calls));
        let caller = Caller {
            tenant,
            key_id: format!("hook:{}", hook.name).into(),
            roles: Role::Helpdesk as u32 | Role::Backfill as u32,
            source: hook.source.as_str().into(),
            may_address: Arc::default(),
            max_assurance: None,
        };
        Ok((caller, quota))
    }
}
