//! ListInteractions: a customer's ended interactions, newest first, page by page.

use std::sync::Arc;

use super::Error;
use super::answer::{Standing, Warning, standing_of};
use super::caller::{Caller, Role};
use super::catching_up::{archived, strictest};
use super::desk::Desk;
use super::load;
use super::record::{ContactRecord, State};
use super::resting;
use super::service::Service;
use super::settling::customer_of;
use super::traces::About;
use crate::cache::Remembered;
use crate::clock::Time;
use crate::context::{
    Audience, Context, Disclosure, PastInteraction, Viewpoint, consented, is_open_to, set_aside,
    shows_sensitive,
};
use crate::ids::{CustomerId, Token};
use crate::store::Reads;
use crate::store::history::{self, Page};
use crate::store::rows::{InteractionRow, Verb};

/// Whose history, and which part.
pub struct List {
    /// The customer. Admin only.
    pub customer_ref: String,
    /// An interaction settled on the customer.
    pub interaction_id: String,
    /// That interaction's source.
    pub source: String,
    /// Only this channel; empty for all.
    pub channel: String,
    /// So many at most.
    pub page_size: i64,
    /// Where the page before ended.
    pub after: Option<(Time, Token)>,
}

/// One contact of a page.
pub struct Listed {
    /// As in an answer's history.
    pub past: PastInteraction,
    /// All that was sealed of it.
    pub record: ContactRecord,
    /// Whether sensitive texts may be shown.
    pub sensitive_allowed: bool,
}

/// A page.
pub struct Listing {
    /// The customer's ref as it is now.
    pub customer: CustomerId,
    /// The contacts.
    pub contacts: Vec<Listed>,
    /// Where this page ended, if there is more.
    pub next: Option<(Time, Token)>,
    /// How many were held back, since the customer has not agreed to be shown.
    pub withheld: usize,
    /// What deserves a look.
    pub warnings: Vec<Warning>,
}

/// A customer, and what this caller may see of them.
pub(super) struct Subject {
    pub customer: CustomerId,
    /// Whether sensitive values are shown.
    pub sensitive_allowed: bool,
    /// The purpose that they must have agreed to; empty when none is asked for.
    pub asks: Arc<str>,
}

/// Finds whom a reader asks about: an admin by ref, an agent through an interaction settled on them.
pub(super) async fn subject(
    desk: &mut Desk<'_, '_>,
    caller: &Caller,
    (customer_ref, source, interaction_id): (&str, &str, &str),
) -> Result<Subject, Error> {
    caller.needs(&[Role::Agent, Role::Admin])?;
    let named = match customer_ref {
        "" => None,
        named => Some(super::naming::resolve(desk, named).await?),
    };
    let named_set = match named.flatten() {
        Some(named) => desk.person(named, false).await?.map(|person| person.set_name()),
        None => None,
    };
    if interaction_id.is_empty() {
        caller.needs(&[Role::Admin])?;
        let customer = match named.flatten() {
            Some(customer) => customer,
            None => super::naming::named(desk, customer_ref).await?,
        };
        return Ok(Subject { customer, sensitive_allowed: true, asks: Arc::default() });
    }
    let source = caller.addresses(source)?;
    let token = caller.tenant.secrets.interaction(&source, interaction_id);
    let known = desk.interaction(token).await?.ok_or(Error::InteractionNotFound)?;
    let settled_on = customer_of(&known.state.customer).filter(|_| known.state.settled);
    let settled_on = settled_on.ok_or(Error::NotSettled)?;
    let person = desk.person(settled_on, false).await?.ok_or(Error::NotSettled)?;
    let customer = person.row.customer;
    if named.is_some() && named_set != Some(person.set_name()) {
        return Err(Error::CustomerNotFound);
    }
    let set = desk.set_of(&person, false).await?;
    let said = super::absorb::said_yes(&known.state);
    let borrowed = resting::is_borrowed(desk, &known.state).await?;
    let standing = standing_of(&known.state, set.len() > 1, borrowed);
    let rule = set_aside(strictest(&set), archived(&set).is_some(), said, standing.assurance);
    let view = looking_through((&known.state, &standing), rule, caller, desk.service.store.now());
    if caller.has(Role::Admin) {
        return Ok(Subject { customer, sensitive_allowed: true, asks: Arc::default() });
    }
    // Whoever made a customer is shown nothing of what others made of them; nor is who looks through it.
    if !is_open_to(&view) || (borrowed && !said) {
        return Err(Error::NotSettled);
    }
    let asks = Arc::clone(&caller.tenant.policy.disclosure_requires_consent);
    Ok(Subject { customer, sensitive_allowed: shows_sensitive(&view), asks })
}

/// From where somebody looks at a customer through an interaction that is settled on them.
fn looking_through(
    (state, standing): (&State, &Standing),
    disclosure: Disclosure,
    caller: &Caller,
    now: Time,
) -> Viewpoint {
    Viewpoint {
        now,
        recommendation: standing.recommendation,
        level: standing.level,
        assurance: standing.assurance,
        audience: Audience::from_code(state.audience).unwrap_or(Audience::Public),
        disclosure,
        confirmed: super::absorb::said_yes(state),
        confirm_discloses_context: false,
        may_see_sensitive: caller.may_see_sensitive(),
        history_limit: 0,
        new_customer: false,
        // Whether they have agreed is seen when they are read.
        consented: true,
        may_see_evidence: caller.has(Role::Admin),
    }
}

/// Whoever is one person with a customer, and a page of each one's contacts: all of one moment, so
/// that what somebody got after they had left is not among it.
async fn page_of_set(
    desk: &mut Desk<'_, '_>,
    (customer, with_context): (CustomerId, bool),
    page: Page,
) -> Result<(Vec<Remembered>, Vec<InteractionRow>), Error> {
    let (service, tenant) = (Arc::clone(desk.service), Arc::clone(desk.tenant));
    desk.reads
        .load(Box::new(move |connection| {
            Box::pin(async move {
                let of = [customer];
                let set = load::sets(&service, &tenant, connection, &of, with_context).await;
                let members = match set? {
                    Ok(members) => members,
                    Err(error) => return Ok(Err(error)),
                };
                let mut rows = Vec::new();
                for member in &members {
                    let id = member.row.customer;
                    rows.extend(history::page_of(connection, tenant.id, id, &page).await?);
                }
                Ok(Ok((members, rows)))
            })
        }))
        .await?
}

impl Service {
    /// A page of a customer's history.
    ///
    /// # Errors
    /// [`Error::CustomerNotFound`], [`Error::InteractionNotFound`], [`Error::NotSettled`], those of
    /// roles and sources, and the store's.
    pub async fn list_interactions(
        self: &Arc<Self>,
        caller: &Caller,
        list: List,
    ) -> Result<Listing, Error> {
        let about = About::named(caller, &list.customer_ref, &list.source, &list.interaction_id);
        let listed = self.page(caller, list).await;
        self.traced(caller, Verb::ListInteractions, &about, listed, |page| vec![page.customer])
    }

    async fn page(self: &Arc<Self>, caller: &Caller, list: List) -> Result<Listing, Error> {
        let mut reads = Reads::Fresh(Arc::clone(&self.store));
        let mut desk = Desk::new(self, &caller.tenant, &mut reads);
        let whom = (&*list.customer_ref, &*list.source, &*list.interaction_id);
        let Subject { customer, sensitive_allowed, asks } =
            subject(&mut desk, caller, whom).await?;
        let (tenant, limit) = (desk.tenant_id(), list.page_size);
        let channel = (!list.channel.is_empty()).then_some(list.channel);
        let page = Page { before: list.after, channel, limit: limit + 1 };
        let person = desk.there(customer, false).await?;
        let whose = (person.row.customer, !asks.is_empty());
        let (members, mut rows) = page_of_set(&mut desk, whose, page).await?;
        if members.is_empty() {
            return Err(desk.why_gone(customer).await?);
        }
        rows.sort_by_key(|row| std::cmp::Reverse((row.ended, row.interaction)));
        let more = rows.len() as i64 > limit;
        rows.truncate(limit.max(0) as usize);
        let name = members.first().map_or(customer, |member| member.set_name());
        let contexts = members.iter().filter_map(|member| member.context.clone());
        if !consented(&Context::gathered(contexts.collect()), &asks) {
            let (withheld, warnings) = (rows.len(), vec![Warning::consent_missing(&asks)]);
            let (contacts, next) = (Vec::new(), None);
            return Ok(Listing { customer: name, contacts, next, withheld, warnings });
        }
        let next = rows.last().filter(|_| more).map(|row| (row.ended, row.interaction));
        let mut contacts = Vec::with_capacity(rows.len());
        for row in &rows {
            let member = members.iter().find(|member| member.row.customer == row.customer);
            let key = &member.ok_or(Error::Sealed)?.key;
            let (past, record) = load::open_contact(tenant, key, row)?;
            contacts.push(Listed { past, record, sensitive_allowed });
        }
        Ok(Listing { customer: name, contacts, next, withheld: 0, warnings: Vec::new() })
    }
}
