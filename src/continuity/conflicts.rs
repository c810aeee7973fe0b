//! ListConflicts: what was said of customers that does not agree. Folded from their file when
//! somebody asks; a mark says of whom there is anything to fold.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;

use super::Error;
use super::caller::{Caller, Role};
use super::desk::Desk;
use super::load;
use super::naming::resolve;
use super::record::ConflictRecord;
use super::service::Service;
use super::tenant::Tenant;
use crate::cache::Remembered;
use crate::context::{AttributeConflict, AttributeWrite, Context, profile_conflicts};
use crate::ids::{CustomerId, Token};
use crate::store::Reads;
use crate::store::history::{self, MOST_CONTACTS, Page};

/// Marked customers that are looked at for one page, for each conflict that it may hold.
const LOOKED_AT: i64 = 4;
/// Marked customers that are read at once.
const AT_ONCE: usize = 16;

/// Whose conflicts, and which page.
pub struct List {
    /// The customer; empty for all of the tenant.
    pub customer_ref: String,
    /// About so many.
    pub page_size: i64,
    /// The customer that the page before ended with.
    pub after: Option<CustomerId>,
}

/// What does not agree.
pub enum Disagreement {
    /// Two values of one attribute.
    Attribute {
        /// What stands.
        kept: AttributeWrite,
        /// The newest that does not.
        other: AttributeWrite,
    },
    /// A contact showed an identifier of somebody else.
    Identifier {
        /// Which contact.
        interaction: Token,
        /// The caller's own id of it.
        interaction_id: String,
        /// The source that named it.
        source: String,
        /// What was shown.
        shown: ConflictRecord,
    },
}

/// A disagreement that nobody has resolved.
pub struct Conflict {
    /// Its opaque id.
    pub id: String,
    /// The customer's current ref.
    pub customer: CustomerId,
    /// What does not agree.
    pub what: Disagreement,
}

/// A page of conflicts.
pub struct Conflicts {
    /// The conflicts.
    pub conflicts: Vec<Conflict>,
    /// Where this page ended, if there may be more.
    pub next: Option<CustomerId>,
}

impl Service {
    /// Open conflicts of one customer, or a page of the tenant's.
    ///
    /// # Errors
    /// [`Error::CustomerNotFound`], those of roles, and the store's.
    pub async fn list_conflicts(
        self: &Arc<Self>,
        caller: &Caller,
        list: List,
    ) -> Result<Conflicts, Error> {
        caller.needs(&[Role::Admin])?;
        let mut reads = Reads::Fresh(Arc::clone(&self.store));
        let mut desk = Desk::new(self, &caller.tenant, &mut reads);
        if list.customer_ref.is_empty() {
            return of_all(&mut desk, &list).await;
        }
        let customer = resolve(&mut desk, &list.customer_ref).await?;
        let customer = customer.ok_or(Error::CustomerNotFound)?;
        let person = desk.person(customer, true).await?.ok_or(Error::CustomerNotFound)?;
        Ok(Conflicts { conflicts: of_person(&mut desk, &person).await?, next: None })
    }
}

async fn of_all(desk: &mut Desk<'_, '_>, list: &List) -> Result<Conflicts, Error> {
    let tenant = desk.tenant_id();
    let after = list.after.unwrap_or(CustomerId([0; 16]));
    let limit = list.page_size * LOOKED_AT;
    let marked = desk
        .reads
        .load(Box::new(move |connection| {
            Box::pin(async move { history::disputed(connection, tenant, after, limit).await })
        }))
        .await?;
    let mut page = Conflicts { conflicts: Vec::new(), next: None };
    let all_seen = (marked.len() as i64) < limit;
    for ids in marked.chunks(AT_ONCE) {
        let people = desk.people(ids, true).await?;
        for id in ids {
            let known = people.get(id).filter(|person| person.row.moved_to.is_none());
            if let Some(person) = known {
                page.conflicts.extend(of_person(desk, person).await?);
            }
            let full = page.conflicts.len() as i64 >= list.page_size;
            let last = marked.last() == Some(id);
            let more = !(last && all_seen);
            if more && (full || last) {
                page.next = Some(*id);
                return Ok(page);
            }
        }
    }
    Ok(page)
}

/// A customer's open conflicts: of attributes by name, then of contacts, newest first.
pub(super) async fn of_person(
    desk: &mut Desk<'_, '_>,
    person: &Remembered,
) -> Result<Vec<Conflict>, Error> {
    let (tenant, customer) = (desk.tenant_id(), person.row.customer);
    let context = person.context.clone().unwrap_or_default();
    let mut conflicts = of_attributes(desk.tenant, customer, &context);
    let rows = desk
        .reads
        .load(Box::new(move |connection| {
            Box::pin(async move {
                let page = Page { before: None, channel: None, limit: MOST_CONTACTS };
                history::page_of(connection, tenant, customer, &page).await
            })
        }))
        .await?;
    for row in rows.iter().filter(|row| !context.acknowledged.contains(&row.interaction)) {
        let (past, record) = load::open_contact(tenant, &person.key, row)?;
        for shown in record.conflicts {
            let name = format!("{}\0{}", shown.kind, shown.namespace);
            let interaction = BASE64URL_NOPAD.encode(&row.interaction.0);
            conflicts.push(Conflict {
                id: id(desk.tenant, customer, &["identifier", &interaction, &name]),
                customer,
                what: Disagreement::Identifier {
                    interaction: row.interaction,
                    interaction_id: past.interaction_id.clone(),
                    source: past.source.clone(),
                    shown,
                },
            });
        }
    }
    Ok(conflicts)
}

/// A customer's open conflicts of attributes.
pub(super) fn of_attributes(
    tenant: &Tenant,
    customer: CustomerId,
    context: &Context,
) -> Vec<Conflict> {
    let conflict = |AttributeConflict { kept, other }| {
        let side = |it: &AttributeWrite| {
            format!("{}\0{}\0{}", it.order, it.set.0, it.value.as_deref().unwrap_or_default())
        };
        Conflict {
            id: id(tenant, customer, &["attribute", &kept.name, &side(kept), &side(other)]),
            customer,
            what: Disagreement::Attribute { kept: kept.clone(), other: other.clone() },
        }
    };
    profile_conflicts(&context.profile).into_iter().map(conflict).collect()
}

/// The customer, and a keyed hash of what the conflict is: nothing of it can be read.
fn id(tenant: &Tenant, customer: CustomerId, parts: &[&str]) -> String {
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    let digest = tenant.secrets.fingerprint(&parts);
    BASE64URL_NOPAD.encode(&[customer.0, digest].concat())
}

/// Whose conflict an id names; `None` when it is none of ours.
pub(super) fn customer_of_id(id: &str) -> Option<CustomerId> {
    let bytes = BASE64URL_NOPAD.decode(id.as_bytes()).ok().filter(|bytes| bytes.len() == 32)?;
    Some(CustomerId(bytes.first_chunk::<16>().copied()?))
}
