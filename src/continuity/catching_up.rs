//! A remembered customer catches up with what was written since their context was opened, or is
//! about to be written, without a look at the store.

use std::sync::Arc;

use super::Error;
use super::desk::Desk;
use super::load::{disclosure, open_block, open_contact, open_fact, open_running, values_of};
use super::service::Service;
use super::tenant::Tenant;
use super::working::Working;
use crate::cache::{News, Remembered};
use crate::clock::Time;
use crate::context::{Context, Disclosure};
use crate::ids::{CustomerId, Token};
use crate::store::history::{MOST_BLOCKS, MOST_CONSENTS, MOST_CONTACTS, MOST_FACTS, MOST_LASTING};
use crate::store::rows::FactRow;

/// Labels and their texts.
pub(super) type Labels = [(Token, Arc<str>)];

/// The customer with a context that holds all of their news; `None` when it has to be loaded: it
/// has grown beyond what a load would bring, or a label is neither known here nor among `labels`.
pub(super) fn caught_up(
    service: &Service,
    tenant: &Tenant,
    person: &Remembered,
    labels: &Labels,
) -> Result<Option<Remembered>, Error> {
    let Some(context) = &person.context else { return Ok(None) };
    let mut context = Context::clone(context);
    let text = |token| {
        let new =
            labels.iter().find(|(known, _)| *known == token).map(|(_, text)| Arc::clone(text));
        new.or_else(|| service.memory.label(tenant.id, token))
    };
    for news in &person.news {
        if !add(tenant, person, &mut context, news, text)? {
            return Ok(None);
        }
    }
    let complete = within_limits(&context);
    // As a load: what the store keeps no longer hides nothing that came later.
    let now = service.store.now();
    context.variables.retain(|write| write.kept > now);
    Ok(complete.then(|| Remembered {
        row: person.row.clone(),
        links: person.links.clone(),
        ties: person.ties.clone(),
        key: Arc::clone(&person.key),
        context: Some(Arc::new(context)),
        news: Vec::new(),
        members: person.members.clone(),
    }))
}

/// Whether a load would bring all of it: else it is not known what was left out.
fn within_limits(context: &Context) -> bool {
    context.history.len() < MOST_CONTACTS as usize
        && context.running.len() < MOST_CONTACTS as usize
        && context.facts.len() < MOST_FACTS as usize
        && context.variables.len() < MOST_BLOCKS as usize
        && context.profile.len() < MOST_LASTING as usize
        && context.consents.blocks < MOST_CONSENTS as usize
}

/// Whether all of it could be added.
fn add(
    tenant: &Tenant,
    person: &Remembered,
    context: &mut Context,
    news: &News,
    label: impl Fn(Token) -> Option<Arc<str>>,
) -> Result<bool, Error> {
    context.history.retain(|past| !news.unfiled.contains(&past.interaction));
    context.running.retain(|one| !news.unfiled.contains(&one.interaction));
    for row in &news.interactions {
        context.history.retain(|past| past.interaction != row.interaction);
        context.running.retain(|one| one.interaction != row.interaction);
        // State 0 is active: not yet history.
        if row.state == 0 {
            context.running.extend(open_running(tenant.id, &person.key, row)?);
        } else {
            let (past, _) = open_contact(tenant.id, &person.key, row)?;
            let key = (past.end, past.interaction);
            let place = context.history.partition_point(|it| (it.end, it.interaction) > key);
            context.history.insert(place, past);
        }
    }
    for row in &news.facts {
        let Some(text) = label(row.intent) else { return Ok(false) };
        add_fact(tenant, person, context, row, text)?;
    }
    for row in &news.blocks {
        let block = open_block(tenant.id, &person.key, row)?;
        values_of(&block, row, context);
    }
    Ok(true)
}

fn add_fact(
    tenant: &Tenant,
    person: &Remembered,
    context: &mut Context,
    row: &FactRow,
    text: Arc<str>,
) -> Result<(), Error> {
    let fact = open_fact(tenant.id, &person.key, row, &text)?;
    context.facts.retain(|known| {
        (known.interaction, &known.intent, &known.reference)
            != (fact.interaction, &fact.intent, &fact.reference)
    });
    context.facts.push(fact);
    Ok(())
}

/// A customer, with the set they belong to, as a decision leaves them.
pub(super) struct Left {
    /// What the set is called.
    pub customer: CustomerId,
    pub context: Arc<Context>,
    /// Whether the context holds what the decision writes; else it is as it was before, and only
    /// the store can tell.
    pub complete: bool,
    pub disclosure: Disclosure,
    /// Whether they are set aside for want of a contact.
    pub archived: bool,
    /// Whether others are one person with them.
    pub joined: bool,
}

/// The customer of that ref as this decision leaves them; `None` when they do not exist.
pub(super) async fn as_left(
    desk: &mut Desk<'_, '_>,
    id: CustomerId,
    labels: &Labels,
) -> Result<Option<Left>, Error> {
    let made = desk.working.get(&id).filter(|working| working.is_new()).map(made);
    let members = match made {
        Some(made) => vec![Arc::new(made)],
        None => match desk.person(id, true).await? {
            Some(person) => desk.set_of(&person, true).await?,
            None => return Ok(None),
        },
    };
    let mut contexts = Vec::with_capacity(members.len());
    // Who is one person with whom changes with this decision: only the store will tell.
    let mut complete = desk.effects.merges.is_empty();
    for member in &members {
        let after = context_as_left(desk, member, labels)?;
        complete &= after.is_some();
        let before = || member.context.clone().unwrap_or_default();
        contexts.push(after.unwrap_or_else(before));
    }
    let customer = members.first().map_or(id, |member| member.set_name());
    let (disclosure, archived) = (strictest(&members), archived(&members).is_some());
    let (context, joined) = (Context::gathered(contexts), members.len() > 1);
    Ok(Some(Left { customer, context, complete, disclosure, archived, joined }))
}

/// When those who are one person were set aside: not while any of them is active.
pub(super) fn archived(members: &[Arc<Remembered>]) -> Option<Time> {
    let all = members.iter().all(|member| member.row.archived != Time(0));
    members.iter().map(|member| member.row.archived).max().filter(|_| all)
}

/// The strictest of the rules of those who are one person.
pub(super) fn strictest(members: &[Arc<Remembered>]) -> Disclosure {
    let rules = members.iter().map(|member| disclosure(member));
    rules.max_by_key(|rule| rule.code()).unwrap_or(Disclosure::Normal)
}

/// A customer that this very decision makes.
fn made(working: &Working) -> Remembered {
    Remembered {
        row: working.row.clone(),
        links: Vec::new(),
        ties: Vec::new(),
        key: Arc::clone(&working.key),
        context: Some(Arc::default()),
        news: Vec::new(),
        members: Vec::new(),
    }
}

/// One customer's context as this decision leaves it; `None` where only the store can tell.
fn context_as_left(
    desk: &Desk<'_, '_>,
    person: &Remembered,
    labels: &Labels,
) -> Result<Option<Arc<Context>>, Error> {
    let before = person.context.clone().unwrap_or_default();
    match change_of(desk, person.row.customer) {
        Change::None => Ok(Some(before)),
        Change::Adds(news) => {
            let person = Remembered {
                row: person.row.clone(),
                links: Vec::new(),
                ties: Vec::new(),
                key: Arc::clone(&person.key),
                context: Some(before),
                news: vec![Arc::new(news)],
                members: Vec::new(),
            };
            let after = caught_up(desk.service, desk.tenant, &person, labels)?;
            Ok(after.and_then(|person| person.context))
        }
        Change::TakesAway => Ok(None),
    }
}

/// What a decision is about to do to a customer's context.
enum Change {
    None,
    Adds(News),
    TakesAway,
}

fn change_of(desk: &Desk<'_, '_>, customer: CustomerId) -> Change {
    let effects = &desk.effects;
    if effects.takes_from(customer) {
        return Change::TakesAway;
    }
    let mut news = News::of(customer, effects);
    if news.is_empty() {
        return Change::None;
    }
    // Their place in the journal is not known yet: behind all that is known.
    news.blocks.iter_mut().for_each(|block| block.position = i64::MAX);
    Change::Adds(news)
}
