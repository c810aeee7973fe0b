//! A remembered customer catches up with what was written since their context was opened, without
//! a look at the store.

use std::collections::HashMap;
use std::sync::Arc;

use super::Error;
use super::load::{open_block, open_contact, open_fact, values_of};
use super::service::Service;
use super::tenant::Tenant;
use crate::cache::{News, Remembered};
use crate::context::Context;
use crate::store::history::{MOST_BLOCKS, MOST_CONTACTS, MOST_FACTS};
use crate::store::rows::FactRow;

/// The customer with a context that holds all of their news; `None` when it has to be loaded: it
/// has grown beyond what a load would bring, or a label is not known here.
pub(super) fn caught_up(
    service: &Service,
    tenant: &Tenant,
    person: &Remembered,
) -> Result<Option<Remembered>, Error> {
    let Some(context) = &person.context else { return Ok(None) };
    let mut context = Context::clone(context);
    for news in &person.news {
        if !add(service, tenant, person, &mut context, news)? {
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
        key: Arc::clone(&person.key),
        context: Some(Arc::new(context)),
        news: Vec::new(),
    }))
}

/// Whether a load would bring all of it: else it is not known what was left out.
fn within_limits(context: &Context) -> bool {
    context.history.len() < MOST_CONTACTS as usize
        && context.facts.len() < MOST_FACTS as usize
        && context.variables.len() < MOST_BLOCKS as usize
        && context.profile.len() < MOST_BLOCKS as usize
}

/// Whether all of it could be added.
fn add(
    service: &Service,
    tenant: &Tenant,
    person: &Remembered,
    context: &mut Context,
    news: &News,
) -> Result<bool, Error> {
    context.history.retain(|past| !news.unfiled.contains(&past.interaction));
    for row in &news.interactions {
        context.history.retain(|past| past.interaction != row.interaction);
        // State 0 is active: not yet history.
        if row.state > 0 {
            let (past, _) = open_contact(tenant.id, &person.key, row)?;
            let key = (past.end, past.interaction);
            let place = context.history.partition_point(|it| (it.end, it.interaction) > key);
            context.history.insert(place, past);
        }
    }
    for row in &news.facts {
        let Some(text) = service.memory.label(tenant.id, row.intent) else { return Ok(false) };
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
    let labels = HashMap::from([(row.intent, text)]);
    let fact = open_fact(tenant.id, &person.key, row, &labels)?;
    context.facts.retain(|known| {
        (known.interaction, &known.intent, &known.reference)
            != (fact.interaction, &fact.intent, &fact.reference)
    });
    context.facts.push(fact);
    Ok(())
}
