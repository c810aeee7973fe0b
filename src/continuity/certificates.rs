//! Who calls with a client certificate and without a key: the settings say which name in a
//! certificate stands for whom.
//!
//! A key says who calls wherever there is one; a certificate is looked at only where there is none.
//! Who signed it was judged before (`server`), and is judged again while the connection lives.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use super::Error;
use super::allowance::{Allowance, Quota};
use super::caller::Caller;
use super::service::Service;
use super::tenant::Tenant;
use crate::identity::Assurance;

/// A name in a certificate's subject alternative names. Compared as a whole: `*` stands for nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateName {
    /// A DNS name, in lower case.
    Dns(String),
    /// A URI, such as `spiffe://example.com/pbx`.
    Uri(String),
}

impl fmt::Debug for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "dns {name}"),
            Self::Uri(name) => write!(f, "uri {name}"),
        }
    }
}

/// The client certificate of a connection, as the server has judged it.
#[derive(Clone)]
pub struct ClientCertificate {
    /// All its names.
    pub names: Arc<[CertificateName]>,
    /// Whether those who may sign still vouch for it, now.
    pub is_good: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// What a certificate's name stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct CertifiedTerms {
    /// What the audit calls it, after `cert:`.
    pub name: String,
    /// The tenant's name.
    pub tenant: String,
    /// Its roles, as a sum of [`Role`](super::caller::Role)s.
    pub roles: u32,
    /// The source its interaction ids belong to.
    pub source: String,
    /// Other sources it may name.
    pub may_address: Vec<String>,
    /// Its ceiling, if it has one.
    pub max_assurance: Option<Assurance>,
}

/// What the audit writes before a certificate's name.
const CALLED: &str = "cert:";

impl CertifiedTerms {
    /// Those of somebody whom a certificate stood for.
    pub(super) fn of(caller: &Caller) -> Self {
        Self {
            name: caller.key_id.strip_prefix(CALLED).unwrap_or_default().to_owned(),
            tenant: caller.tenant.name.clone(),
            roles: caller.roles,
            source: caller.source.to_string(),
            may_address: caller.may_address.to_vec(),
            max_assurance: caller.max_assurance,
        }
    }

    /// Whether somebody who was let in under those terms may go on under these: only where nothing has
    /// changed, or they have more roles by now, which come with their next call.
    ///
    /// # Errors
    /// [`Error::RoleRequired`] without a role that they had, [`Error::MissingApiKey`] where it is somebody
    /// else otherwise.
    fn let_on(&self, then: &Self) -> Result<(), Error> {
        if (Self { roles: then.roles, ..self.clone() }) != *then {
            return Err(Error::MissingApiKey);
        }
        if then.roles & !self.roles == 0 { Ok(()) } else { Err(Error::RoleRequired) }
    }

    /// Who it is, of its tenant.
    fn caller(&self, tenant: Arc<Tenant>) -> Caller {
        Caller {
            tenant,
            key_id: format!("{CALLED}{}", self.name).into(),
            roles: self.roles,
            source: self.source.as_str().into(),
            may_address: self.may_address.clone().into(),
            max_assurance: self.max_assurance,
        }
    }
}

/// Whom certificates stand for, all tenants': a name belongs to one of them only.
pub type CertifiedNames = BTreeMap<CertificateName, CertifiedTerms>;

/// A name of the settings, and who it is once somebody has called with it.
struct CertifiedCaller {
    terms: CertifiedTerms,
    caller: OnceLock<(Caller, Arc<Quota>)>,
}

impl CertifiedCaller {
    /// The same name of a certificate as before the settings were read anew: what it has used up of its
    /// calls is used up, unless it is allowed others now, or is another tenant's.
    fn goes_on_from(&self, before: &Self, allowed: Allowance) {
        let known = before.caller.get().filter(|(_, quota)| quota.is_of(allowed));
        if let Some((caller, quota)) = known
            && self.terms.tenant == before.terms.tenant
        {
            let caller = self.terms.caller(Arc::clone(&caller.tenant));
            // Nobody else has asked it yet.
            let _ = self.caller.set((caller, Arc::clone(quota)));
        }
    }
}

/// Everybody whom the settings know by a certificate.
pub(super) struct CertifiedCallers(BTreeMap<CertificateName, CertifiedCaller>);

/// The same as the settings are now.
pub(super) struct Certified(RwLock<Arc<CertifiedCallers>>);

impl Certified {
    pub fn new(callers: CertifiedCallers) -> Self {
        Self(RwLock::new(Arc::new(callers)))
    }

    /// From now on these and nobody else, each with as many calls as `allowed` says of their tenant:
    /// whoever was there before goes on where they were.
    pub fn change(&self, callers: CertifiedCallers, allowed: impl Fn(&str) -> Allowance) {
        // Only whole values are put behind this lock: a poisoned one is still whole.
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (name, certified) in &callers.0 {
            if let Some(before) = now.0.get(name) {
                certified.goes_on_from(before, allowed(&certified.terms.tenant));
            }
        }
        *now = Arc::new(callers);
    }

    /// Whether a certificate stands for somebody, and is vouched for; where somebody was let in with it
    /// `then`, whether it still stands for them, with as much as they may do.
    ///
    /// # Errors
    /// [`Error::MissingApiKey`] when it does not; [`Error::RoleRequired`] when it has lost a role.
    pub fn admits(
        &self,
        certificate: &ClientCertificate,
        then: Option<&CertifiedTerms>,
    ) -> Result<(), Error> {
        let known = self.now();
        let certified = known.good(certificate)?;
        then.map_or(Ok(()), |then| certified.terms.let_on(then))
    }

    fn now(&self) -> Arc<CertifiedCallers> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CertifiedCallers {
    pub fn new(names: CertifiedNames) -> Self {
        let unknown = |terms| CertifiedCaller { terms, caller: OnceLock::new() };
        Self(names.into_iter().map(|(name, terms)| (name, unknown(terms))).collect())
    }

    /// Whom a certificate stands for; nobody, when its names stand for two.
    fn one_of(&self, names: &[CertificateName]) -> Option<&CertifiedCaller> {
        let mut found = names.iter().filter_map(|name| self.0.get(name));
        let one = found.next()?;
        found.all(|other| std::ptr::eq(one, other)).then_some(one)
    }

    /// Whom it stands for, while it is vouched for.
    fn good(&self, certificate: &ClientCertificate) -> Result<&CertifiedCaller, Error> {
        let certified = self.one_of(&certificate.names).ok_or(Error::MissingApiKey)?;
        if (certificate.is_good)() { Ok(certified) } else { Err(Error::MissingApiKey) }
    }
}

impl Service {
    /// Who calls with this certificate. Counts as one call of it and its tenant, which is made if
    /// there is none of that name.
    ///
    /// # Errors
    /// [`Error::MissingApiKey`] when it stands for nobody, for two, or is not vouched for any more;
    /// [`Error::RateLimited`]; the store's.
    pub async fn authenticate_certificate(
        self: &Arc<Self>,
        certificate: &ClientCertificate,
    ) -> Result<Caller, Error> {
        let known = self.certified.now();
        let certified = known.good(certificate)?;
        let (caller, quota) = match certified.caller.get() {
            Some(known) => known,
            None => {
                let made = self.certified_caller(&certified.terms).await?;
                certified.caller.get_or_init(|| made)
            }
        };
        self.called(caller, quota, Instant::now())
    }

    async fn certified_caller(
        &self,
        terms: &CertifiedTerms,
    ) -> Result<(Caller, Arc<Quota>), Error> {
        let tenant = self.tenant_named(&terms.tenant, false).await?;
        let quota = Arc::new(Quota::of(tenant.policy.key_calls));
        Ok((terms.caller(tenant), quota))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_stands_for_one_or_for_nobody() {
        let dns = |name: &str| CertificateName::Dns(name.into());
        let terms = |name: &str| CertifiedTerms {
            name: name.into(),
            tenant: "acme".into(),
            roles: 1,
            source: "default".into(),
            may_address: Vec::new(),
            max_assurance: None,
        };
        let uri = CertificateName::Uri("pbx.example".into());
        let names = [(dns("pbx.example"), terms("pbx")), (dns("bot.example"), terms("bot"))];
        let known = CertifiedCallers::new(names.into());
        let stands_for = |names: &[CertificateName]| {
            known.one_of(names).map(|certified| certified.terms.name.clone())
        };
        assert_eq!(stands_for(&[dns("pbx.example")]).as_deref(), Some("pbx"));
        assert_eq!(stands_for(&[dns("other"), dns("bot.example")]).as_deref(), Some("bot"));
        let twice = [dns("pbx.example"), dns("pbx.example")];
        assert_eq!(stands_for(&twice).as_deref(), Some("pbx"), "one name, said twice");
        assert_eq!(stands_for(&[dns("pbx.example"), dns("bot.example")]), None, "two");
        for nobody in [vec![], vec![uri], vec![dns("x.pbx.example")], vec![dns("*.example")]] {
            assert_eq!(stands_for(&nobody), None, "{nobody:?}");
        }
    }
}
