//! ListConflicts: what was said of customers that does not agree. Folded from their file when
//! somebody asks; a mark says of whom there is anything to fold.

use std::collections::BTreeSet;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;

use super::Error;
use super::caller::{Caller, Role};
use super::desk::Desk;
use super::load;
use super::naming::named;
use super::record::ConflictRecord;
use super::service::Service;
use super::tenant::Tenant;
use super::traces::About;
use crate::cache::Remembered;
use crate::context::{AttributeConflict, AttributeWrite, Context, profile_conflicts};
use crate::ids::{CustomerId, Token};
use crate::store::Reads;
use crate::store::export;
use crate::store::history::{self, MOST_CONTACTS, Page};
use crate::store::rows::Verb;

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
        let about = About::named(caller, &list.customer_ref, "", "");
        let listed = self.open_conflicts(caller, list).await;
        let whom = |page: &Conflicts| page.conflicts.iter().map(|it| it.customer).collect();
        self.traced(caller, Verb::ListConflicts, &about, listed, whom)
    }

    async fn open_conflicts(
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
        let customer = named(&mut desk, &list.customer_ref).await?;
        let person = desk.there(customer, true).await?;
        let set = desk.set_of(&person, true).await?;
        Ok(Conflicts { conflicts: of_set(&mut desk, &set).await?, next: None })
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
    let mut told = BTreeSet::new();
    for ids in marked.chunks(AT_ONCE) {
        let people = desk.people(ids, true).await?;
        for id in ids {
            let known = people.get(id).filter(|person| person.row.moved_to.is_none());
            let news = known.filter(|person| told.insert(person.set_name()));
            if let Some(person) = news
                && !was_told(desk, person, after).await?
            {
                let set = desk.set_of(person, true).await?;
                page.conflicts.extend(of_set(desk, &set).await?);
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

/// Whether an earlier page has told of this person, by a marked member that it ended with or passed.
async fn was_told(
    desk: &mut Desk<'_, '_>,
    person: &Remembered,
    after: CustomerId,
) -> Result<bool, Error> {
    let tenant = desk.tenant_id();
    let mut earlier = person.members.clone();
    earlier.retain(|member| *member <= after);
    if earlier.is_empty() {
        return Ok(false);
    }
    let marked = desk
        .reads
        .load(Box::new(move |connection| {
            Box::pin(async move { export::disputed(connection, tenant, &earlier).await })
        }))
        .await?;
    Ok(!marked.is_empty())
}

/// Open conflicts of customers who are one person, or of one alone: of attributes by name, then of
/// each one's contacts, newest first.
pub(super) async fn of_set(
    desk: &mut Desk<'_, '_>,
    set: &[Arc<Remembered>],
) -> Result<Vec<Conflict>, Error> {
    let Some(first) = set.first() else { return Ok(Vec::new()) };
    let contexts = set.iter().map(|member| member.context.clone().unwrap_or_default());
    let context = Context::gathered(contexts.collect());
    let mut conflicts = of_attributes(desk.tenant, first.set_name(), &context);
    for member in set {
        conflicts.extend(of_contacts(desk, member, &context).await?);
    }
    Ok(conflicts)
}

async fn of_contacts(
    desk: &mut Desk<'_, '_>,
    person: &Remembered,
    context: &Context,
) -> Result<Vec<Conflict>, Error> {
    let (tenant, customer) = (desk.tenant_id(), person.row.customer);
    let mut conflicts = Vec::new();
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
                customer: person.set_name(),
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
            let ((position, part), value) = (it.order, it.value.as_deref().unwrap_or_default());
            format!("{position}\0{part}\0{}\0{value}", it.set.0)
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
