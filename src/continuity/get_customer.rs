//! GetCustomer: what is known of one customer.

use std::sync::Arc;

use super::Error;
use super::caller::{Caller, Role};
use super::desk::Desk;
use super::list_interactions::{Subject, subject};
use super::load;
use super::record::HintRecord;
use super::sealing::Slot;
use super::service::Service;
use super::sharing;
use crate::clock::Time;
use crate::context::{Audience, Context, Disclosure, Viewpoint};
use crate::identity::{Assurance, Identifier, Level, Recommendation, Sharing};
use crate::ids::CustomerId;
use crate::store::Reads;

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
    /// The current ref.
    pub customer: CustomerId,
    /// When the customer was first seen.
    pub created: Time,
    /// The last settled contact; zero when none.
    pub last_contact: Time,
    /// Settled contacts so far.
    pub contacts: i64,
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
        let mut reads = Reads::Fresh(Arc::clone(&self.store));
        let mut desk = Desk::new(self, &caller.tenant, &mut reads);
        let Subject { customer, sensitive_allowed } = subject(&mut desk, caller, whom).await?;
        let person = desk.person(customer, true).await?.ok_or(Error::CustomerNotFound)?;
        let mut identifiers = Vec::with_capacity(person.links.len());
        for link in &person.links {
            let slot = Slot::Link { customer, token: link.token };
            let opened: HintRecord = slot.open(desk.tenant_id(), &person.key, &link.identifier)?;
            identifiers.push(KnownIdentifier {
                identifier: Identifier {
                    scheme: opened.scheme,
                    namespace: opened.namespace,
                    value: opened.value,
                },
                assurance: Assurance::from_code(link.assurance),
                uses: link.uses,
                newest: link.newest,
                sharing: Sharing::NotShared,
                owners: 0,
            });
        }
        identifiers.sort_by(|a, b| {
            let key = |it: &KnownIdentifier| {
                let Identifier { scheme, namespace, value } = &it.identifier;
                (scheme.clone(), namespace.clone(), value.clone())
            };
            key(a).cmp(&key(b))
        });
        sharing::tell(&mut desk, &mut identifiers).await?;
        let context = person.context.clone();
        Ok(Profile {
            customer,
            created: person.row.created,
            last_contact: person.row.last_contact,
            contacts: person.row.contacts,
            disclosure: load::disclosure(&person),
            identifiers,
            whole: caller.has(Role::Admin),
            context: context.unwrap_or_default(),
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
            },
        })
    }
}
