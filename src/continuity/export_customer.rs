//! ExportCustomer: everything the service holds on one person, page by page.
//!
//! Who may, and whom → what is theirs alone (identifiers, merges) → their file (contacts, facts,
//! values) → the journal (each interaction as it stood after each call, who did what when).
//!
//! Each page is read in one short transaction, and the next one only when somebody wants it: a client
//! that reads slowly holds nothing open. Whatever was committed before the call and is not taken away
//! while it goes on is in it. Should the person themselves change meanwhile (merged, parted, erased),
//! it ends with an error: what would come next might be somebody else's.

mod file;
mod held;
mod journal;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

pub use held::{Held, KnownTie, Perhaps, Versions};

use super::Error;
use super::caller::{Caller, Role};
use super::desk::Desk;
use super::joining;
use super::naming::named;
use super::record::HintRecord;
use super::sealing::Slot;
use super::service::Service;
use super::tenant::Tenant;
use super::traces::About;
use crate::cache::Remembered;
use crate::crypto::{DataKey, key_id};
use crate::ids::{CustomerId, KeyId, TenantId, Token};
use crate::store::export::{self, FactPlace};
use crate::store::rows::{BlockKind, MergeState, Verb};
use crate::store::{Boxed, Connection, Reads, read};
use crate::{clock::Time, store};

/// An export that goes on.
pub struct Export {
    service: Arc<Service>,
    tenant: Arc<Tenant>,
    whose: Arc<Whose>,
    /// The sources of API keys, by their public part.
    sources: HashMap<String, String>,
    until: i64,
    place: Option<Place>,
}

/// Whose data it is.
pub(super) struct Whose {
    /// All who are this person, oldest first.
    members: Vec<CustomerId>,
    /// What they are called together.
    set_name: CustomerId,
    /// Their refs, those that name them by now as well.
    refs: BTreeSet<CustomerId>,
    keys: HashMap<KeyId, Arc<DataKey>>,
    key_of: HashMap<CustomerId, Arc<DataKey>>,
}

impl Whose {
    /// Whether a stored customer is this person.
    fn is(&self, customer: Option<CustomerId>) -> bool {
        customer.is_some_and(|customer| self.refs.contains(&customer))
    }

    fn key(&self, customer: CustomerId) -> Result<&Arc<DataKey>, Error> {
        self.key_of.get(&customer).ok_or(Error::Sealed)
    }

    /// The key that sealed these bytes, if it is theirs or the tenant's.
    fn key_for<'k>(&'k self, tenant: &'k Tenant, sealed: &[u8]) -> Option<&'k Arc<DataKey>> {
        let id = key_id(sealed)?;
        if id == tenant.key.id() { Some(&tenant.key) } else { self.keys.get(&id) }
    }
}

/// How far it has come.
#[derive(Clone)]
enum Place {
    Person,
    Contacts(usize, Option<(Time, Token)>),
    Facts(usize, Option<FactPlace>),
    Blocks(usize, Option<(BlockKind, Token, i64)>),
    Journal(i64),
}

/// What one page gave, and where the next one begins; `None` behind the last.
type Page = (Vec<Held>, Option<Place>);

impl Service {
    /// Begins an export. It is in the audit from here on, and so is one that was refused.
    ///
    /// # Errors
    /// [`Error::RoleRequired`], [`Error::CustomerNotFound`], [`Error::Erased`], and the store's.
    pub async fn export_customer(
        self: &Arc<Self>,
        caller: &Caller,
        customer_ref: &str,
    ) -> Result<Export, Error> {
        let about = About::customers(&[customer_ref]);
        let begun = match caller.needs(&[Role::Admin]) {
            Ok(()) => self.begin_export(caller, customer_ref).await,
            Err(refused) => Err(refused),
        };
        let whom = |export: &Export| vec![export.whose.set_name];
        self.traced(caller, Verb::ExportCustomer, &about, begun, whom)
    }

    async fn begin_export(
        self: &Arc<Self>,
        caller: &Caller,
        customer_ref: &str,
    ) -> Result<Export, Error> {
        let (service, tenant) = (Arc::clone(self), Arc::clone(&caller.tenant));
        let mut reads = Reads::Fresh(Arc::clone(&self.store));
        let mut desk = Desk::new(self, &tenant, &mut reads);
        let customer = named(&mut desk, customer_ref).await?;
        let person = desk.there(customer, false).await?;
        let set = desk.set_of(&person, false).await?;
        let set_name = person.set_name();
        let mut members: Vec<CustomerId> = set.iter().map(|one| one.row.customer).collect();
        members.sort_unstable();
        let (id, of) = (tenant.id, members.clone());
        let (older, until) = desk
            .reads
            .load(Box::new(move |connection| {
                Box::pin(async move {
                    let older = export::older_refs(connection, id, &of).await?;
                    Ok((older, export::last_position(connection, id).await?))
                })
            }))
            .await?;
        let refs = older.iter().map(|row| row.customer).chain(members.iter().copied()).collect();
        let own = |one: &Arc<Remembered>| (one.row.customer, Arc::clone(&one.key));
        let key_of: HashMap<CustomerId, Arc<DataKey>> = set.iter().map(own).collect();
        let keys = key_of.values().map(|key| (key.id(), Arc::clone(key))).collect();
        let whose = Arc::new(Whose { members, set_name, refs, keys, key_of });
        let keys = self.store.api_keys(id).await?;
        let sources = keys.into_iter().map(|key| (key.id, key.source)).collect();
        Ok(Export { service, tenant, whose, sources, until, place: Some(Place::Person) })
    }
}

impl Export {
    /// What a caller's key speaks for; empty for one that is no key.
    pub fn source_of(&self, caller: &str) -> &str {
        self.sources.get(caller).map_or("", String::as_str)
    }

    /// The next page; `None` when that was all.
    ///
    /// # Errors
    /// [`Error::ExportInterrupted`] when the person is no longer who they were, and the store's.
    pub async fn next(&mut self) -> Result<Option<Vec<Held>>, Error> {
        while let Some(place) = self.place.take() {
            let (page, next) = match place {
                Place::Person => (self.person().await?, Some(Place::Contacts(0, None))),
                Place::Journal(after) => self.of_journal(after).await?,
                place => self.of_file(place).await?,
            };
            self.place = next;
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    /// What is not theirs by any contact: who they are, what points to them, whom they were merged
    /// with.
    async fn person(&self) -> Result<Vec<Held>, Error> {
        let mut reads = Reads::Fresh(Arc::clone(&self.service.store));
        let mut desk = Desk::new(&self.service, &self.tenant, &mut reads);
        let first = self.whose.members[0];
        let person = desk.person(first, false).await?.ok_or(Error::ExportInterrupted)?;
        let set = desk.set_of(&person, false).await?;
        let mut members: Vec<CustomerId> = set.iter().map(|one| one.row.customer).collect();
        members.sort_unstable();
        if members != self.whose.members {
            return Err(Error::ExportInterrupted);
        }
        let (tenant, of) = (self.tenant.id, members);
        let (older, disputed) = desk
            .reads
            .load(Box::new(move |connection| {
                Box::pin(async move {
                    let older = export::older_refs(connection, tenant, &of).await?;
                    Ok((older, export::disputed(connection, tenant, &of).await?))
                })
            }))
            .await?;
        let mut held = Vec::new();
        for member in &set {
            let disputed = disputed.contains(&member.row.customer);
            let (row, set_name) = (member.row.clone(), self.whose.set_name);
            held.push(Held::Customer { row, set_name, disputed });
            held.extend(identifiers(tenant, member)?);
        }
        let set_name = self.whose.set_name;
        held.extend(older.into_iter().map(|row| Held::Customer { row, set_name, disputed: false }));
        for merge in joining::history(&mut desk, &set).await? {
            // Whom they were taken for once, or might be, is somebody else.
            let own = |customer| self.whose.is(Some(customer));
            let both = merge.state == MergeState::InForce && own(merge.one) && own(merge.other);
            let customer = if own(merge.one) { merge.one } else { merge.other };
            held.push(Held::Merge { customer, merge, both });
        }
        Ok(held)
    }
}

/// What points to a customer, and what was unlinked from them.
fn identifiers(tenant: TenantId, member: &Remembered) -> Result<Vec<Held>, Error> {
    let customer = member.row.customer;
    let tie_of = |token: Token| member.ties.iter().find(|tie| tie.token == token).cloned();
    let mut held = Vec::new();
    for link in &member.links {
        let slot = Slot::Link { customer, token: link.token };
        let identifier: HintRecord = slot.open(tenant, &member.key, &link.identifier)?;
        let tie = tie_of(link.token);
        held.push(Held::Identifier(Box::new(KnownTie {
            customer,
            identifier: Some(identifier),
            link: Some(link.clone()),
            tie,
        })));
    }
    // Of what was unlinked only when is known: the text went with the link.
    let linked = |token: Token| member.links.iter().any(|link| link.token == token);
    for tie in member.ties.iter().filter(|tie| !linked(tie.token)) {
        let (identifier, link, tie) = (None, None, Some(tie.clone()));
        held.push(Held::Identifier(Box::new(KnownTie { customer, identifier, link, tie })));
    }
    Ok(held)
}

/// Whether the person is still who they were when the export began.
async fn still(
    connection: &mut Connection,
    tenant: TenantId,
    whose: &Whose,
) -> Result<bool, store::Error> {
    let first = whose.members[0];
    let person = read::people(connection, tenant, &[first]).await?.remove(&first);
    Ok(person.is_some_and(|person| {
        let alone = person.members.is_empty() && whose.members.len() == 1;
        person.row.moved_to.is_none() && (alone || person.members == whose.members)
    }))
}

/// Reads a page, all of one moment, while the person is who they were.
async fn page<T: Send + 'static>(
    export: &Export,
    read: impl for<'c> FnOnce(&'c mut Connection) -> Boxed<'c, Result<Result<T, Error>, store::Error>>
    + Send
    + 'static,
) -> Result<T, Error> {
    let (tenant, whose) = (export.tenant.id, Arc::clone(&export.whose));
    let mut reads = Reads::Fresh(Arc::clone(&export.service.store));
    reads
        .load(Box::new(move |connection| {
            Box::pin(async move {
                if !still(connection, tenant, &whose).await? {
                    return Ok(Err(Error::ExportInterrupted));
                }
                read(connection).await
            })
        }))
        .await?
}
