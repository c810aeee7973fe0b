//! GetCustomer: what is known of one customer, with everybody who is one person with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Error;
use super::answer::Warning;
use super::caller::{Caller, Role};
use super::catching_up::{archived, strictest};
use super::desk::Desk;
use super::joining::{self, Merge};
use super::list_interactions::{Subject, subject};
use super::record::HintRecord;
use super::sealing::Slot;
use super::service::Service;
use super::sharing;
use super::traces::About;
use crate::cache::Remembered;
use crate::clock::Time;
use crate::context::{Audience, Context, Disclosure, Viewpoint, consented};
use crate::identity::{Assurance, Identifier, Level, Recommendation, Sharing};
use crate::ids::{CustomerId, TenantId};
use crate::store::Reads;
use crate::store::rows::Verb;

/// An identifier that points to the customer.
pub struct KnownIdentifier {
    /// What it is.
    pub identifier: Identifier,
    /// The highest assurance it was linked with.
    pub assurance: Option<Assurance>,
    /// Settled contacts that showed it.
    pub uses: i64,
    /// When it was last used; zero when never.
    pub newest: Time,
    /// How it is used.
    pub sharing: Sharing,
    /// How many use it, this customer among them.
    pub owners: usize,
}

/// What is known of one customer.
pub struct Profile {
    /// The current ref: that of the set, if they belong to one.
    pub customer: CustomerId,
    /// All who are this person, oldest first; none while it is one customer alone.
    pub members: Vec<CustomerId>,
    /// Every merge they took part in, oldest first. Admin only.
    pub merges: Vec<Merge>,
    /// When the customer was first seen.
    pub created: Time,
    /// The last settled contact; zero when none.
    pub last_contact: Time,
    /// Settled contacts so far.
    pub contacts: i64,
    /// When they were set aside for want of a contact; `None` while active.
    pub archived: Option<Time>,
    /// What is shown of them at most.
    pub disclosure: Disclosure,
    /// What points to them.
    pub identifiers: Vec<KnownIdentifier>,
    /// Whether identifiers are shown whole.
    pub whole: bool,
    /// All that is remembered.
    pub context: Arc<Context>,
    /// From where it is looked at.
    pub view: Viewpoint,
    /// What deserves a look.
    pub warnings: Vec<Warning>,
}

impl Service {
    /// What is known of one customer.
    ///
    /// # Errors
    /// As [`Service::list_interactions`].
    pub async fn get_customer(
        self: &Arc<Self>,
        caller: &Caller,
        whom: (&str, &str, &str),
    ) -> Result<Profile, Error> {
        let about = About::named(caller, whom.0, whom.1, whom.2);
        let known = self.profile(caller, whom).await;
        self.traced(caller, Verb::GetCustomer, &about, known, |known| vec![known.customer])
    }

    /// The same, for a request that has a journal row of its own.
    pub(super) async fn profile(
        self: &Arc<Self>,
        caller: &Caller,
        whom: (&str, &str, &str),
    ) -> Result<Profile, Error> {
        let mut reads = Reads::Fresh(Arc::clone(&self.store));
        let mut desk = Desk::new(self, &caller.tenant, &mut reads);
        let Subject { customer, sensitive_allowed, asks } =
            subject(&mut desk, caller, whom).await?;
        let person = desk.there(customer, true).await?;
        let set = desk.set_of(&person, true).await?;
        let whole = caller.has(Role::Admin);
        let merges = if whole { joining::history(&mut desk, &set).await? } else { Vec::new() };
        let contexts = set.iter().map(|member| member.context.clone().unwrap_or_default());
        let context = Context::gathered(contexts.collect());
        let consented = consented(&context, &asks);
        let rows = || set.iter().map(|member| &member.row);
        let mut identifiers = identifiers(caller.tenant.id, &set)?;
        sharing::tell(&mut desk, &mut identifiers).await?;
        Ok(Profile {
            customer: set.first().map_or(customer, |member| member.set_name()),
            members: set.first().map(|member| member.members.clone()).unwrap_or_default(),
            merges,
            created: rows().map(|row| row.created).min().unwrap_or_default(),
            last_contact: rows().map(|row| row.last_contact).max().unwrap_or_default(),
            contacts: rows().map(|row| row.contacts).sum(),
            archived: archived(&set),
            disclosure: strictest(&set),
            identifiers,
            whole,
            context,
            warnings: if consented { Vec::new() } else { vec![Warning::consent_missing(&asks)] },
            view: Viewpoint {
                now: self.store.now(),
                recommendation: Recommendation::Reuse,
                level: if sensitive_allowed { Level::VeryHigh } else { Level::Low },
                assurance: Some(Assurance::Verified),
                audience: Audience::Private,
                disclosure: Disclosure::Normal,
                confirmed: true,
                confirm_discloses_context: false,
                may_see_sensitive: sensitive_allowed,
                history_limit: 0,
                new_customer: false,
                consented,
                may_see_evidence: whole,
            },
        })
    }
}

/// What points to any of them, each identifier once, in order.
pub(super) fn identifiers(
    tenant: TenantId,
    set: &[Arc<Remembered>],
) -> Result<Vec<KnownIdentifier>, Error> {
    let mut known: BTreeMap<Identifier, KnownIdentifier> = BTreeMap::new();
    for member in set {
        for link in &member.links {
            let slot = Slot::Link { customer: member.row.customer, token: link.token };
            let opened: HintRecord = slot.open(tenant, &member.key, &link.identifier)?;
            let HintRecord { scheme, namespace, value, .. } = opened;
            let identifier = Identifier { scheme, namespace, value };
            let one = known.entry(identifier.clone()).or_insert(KnownIdentifier {
                identifier,
                assurance: None,
                uses: 0,
                newest: Time(0),
                sharing: Sharing::NotShared,
                owners: 0,
            });
            one.assurance = one.assurance.max(Assurance::from_code(link.assurance));
            one.uses += link.uses;
            one.newest = one.newest.max(link.newest);
        }
    }
    Ok(known.into_values().collect())
}
