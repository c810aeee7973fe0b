//! What a commit makes of what is remembered: an entry goes on with the rows that were written,
//! instead of being read again.
//!
//! An entry may go on only if it is what the committed decision rested on: the stamps in its read
//! set held when it was written, so they tell. Whatever is in doubt is forgotten.

use std::sync::Arc;

use super::Remembered;
use crate::context::Context;
use crate::ids::{CustomerId, Token};
use crate::store::gate::Committed;
use crate::store::read::{MOST_OWNERS, Owners};
use crate::store::rows::{BlockRow, CustomerRow, FactRow, InteractionRow, LinkRow, TieRow};
use crate::store::{Effects, Removal};

/// Commits that are kept unopened at most; after that the context is read again.
const MOST_NEWS: usize = 16;

/// What one commit added to a customer's context, sealed as it was written.
#[derive(Default)]
pub struct News {
    /// Contacts that are filed elsewhere from now on.
    pub unfiled: Vec<Token>,
    /// Contacts, each in place of what was filed of it.
    pub interactions: Vec<InteractionRow>,
    /// Facts, each in place of what the same interaction said of the same matter.
    pub facts: Vec<FactRow>,
    /// Blocks of values.
    pub blocks: Vec<BlockRow>,
}

impl News {
    /// What these effects give that customer.
    pub fn of(customer: CustomerId, effects: &Effects) -> Self {
        fn own<R: Clone>(rows: &[R], is_own: impl Fn(&R) -> bool) -> Vec<R> {
            rows.iter().filter(|row| is_own(row)).cloned().collect()
        }
        let unfiled = effects.removals.iter().filter_map(|removal| match removal {
            Removal::Interaction { customer: of, interaction, .. } if *of == customer => {
                Some(*interaction)
            }
            _ => None,
        });
        Self {
            unfiled: unfiled.collect(),
            interactions: own(&effects.interactions, |row| row.customer == customer),
            facts: own(&effects.facts, |row| row.customer == customer),
            blocks: own(&effects.blocks, |row| row.customer == customer),
        }
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.unfiled.is_empty()
            && self.interactions.is_empty()
            && self.facts.is_empty()
            && self.blocks.is_empty()
    }

    pub(super) fn weight(&self) -> usize {
        let contacts: usize = self.interactions.iter().map(|row| 256 + row.content.len()).sum();
        let facts: usize = self.facts.iter().map(|row| 192 + row.content.len()).sum();
        let blocks: usize = self.blocks.iter().map(|row| 128 + row.content.len()).sum();
        contacts + facts + blocks
    }
}

/// The owners of an identifier after this commit; `None` when they must be read.
pub(super) fn owners(
    remembered: Option<Arc<Owners>>,
    token: Token,
    operation: &Committed<'_>,
) -> Option<Owners> {
    let Committed { read, effects } = operation;
    let (_, stamp) = read.heads.iter().find(|(known, _)| *known == token)?;
    let before = match stamp {
        Some(_) => remembered.filter(|owners| owners.stamp == *stamp)?.customers.clone(),
        // It had never been seen.
        None => Vec::new(),
    };
    if before.len() >= MOST_OWNERS {
        return None;
    }
    let mut customers = before;
    for removal in &effects.removals {
        match removal {
            Removal::Link { customer, token: of } if *of == token => {
                customers.retain(|(owner, _)| owner != customer);
            }
            Removal::Customer { customer } => customers.retain(|(owner, _)| owner != customer),
            _ => {}
        }
    }
    for link in effects.links.iter().filter(|link| link.token == token) {
        customers.retain(|(owner, _)| *owner != link.customer);
        customers.push((link.customer, link.assurance));
    }
    customers.sort_unstable();
    let known = !customers.is_empty() && customers.len() < MOST_OWNERS;
    known.then_some(Owners { stamp: Some(effects.stamp), customers })
}

/// A customer after this commit, which wrote `row`; `None` when they must be read.
pub(super) fn person(
    remembered: Option<Arc<Remembered>>,
    row: &CustomerRow,
    operation: &Committed<'_>,
) -> Option<Remembered> {
    let Committed { read, effects } = operation;
    if !effects.merges.is_empty() {
        // Who belongs to whom has changed.
        return None;
    }
    let customer = row.customer;
    let Some((_, stamp)) = read.customers.iter().find(|(known, _)| *known == customer) else {
        return made(row, effects);
    };
    let before = remembered.filter(|person| person.row.stamp == *stamp)?;
    let forgets = before.news.len() >= MOST_NEWS || effects.takes_from(customer);
    let mut news = Vec::new();
    if before.context.is_some() && !forgets {
        news.clone_from(&before.news);
        news.push(Arc::new(News::of(customer, effects)));
    }
    Some(Remembered {
        // When it was first received stays as it was.
        row: CustomerRow { received: before.row.received, ..row.clone() },
        links: links(&before.links, customer, effects),
        ties: ties(&before.ties, customer, effects),
        key: Arc::clone(&before.key),
        context: before.context.clone().filter(|_| !forgets),
        news,
        members: before.members.clone(),
    })
}

/// A customer that this commit made.
fn made(row: &CustomerRow, effects: &Effects) -> Option<Remembered> {
    let (_, key) = effects.keys.iter().find(|(customer, _)| *customer == row.customer)?;
    Some(Remembered {
        row: row.clone(),
        links: links(&[], row.customer, effects),
        ties: ties(&[], row.customer, effects),
        key: Arc::clone(key),
        context: Some(Arc::new(Context::default())),
        news: vec![Arc::new(News::of(row.customer, effects))],
        members: Vec::new(),
    })
}

fn links(before: &[LinkRow], customer: CustomerId, effects: &Effects) -> Vec<LinkRow> {
    let removed = |token: Token| effects.removals.contains(&Removal::Link { customer, token });
    let written = |token: Token| {
        effects.links.iter().any(|link| (link.customer, link.token) == (customer, token))
    };
    let kept = before.iter().filter(|link| !removed(link.token) && !written(link.token));
    let new = effects.links.iter().filter(|link| link.customer == customer);
    kept.chain(new).cloned().collect()
}

fn ties(before: &[TieRow], customer: CustomerId, effects: &Effects) -> Vec<TieRow> {
    let own = || effects.ties.iter().filter(|tie| tie.customer == customer);
    let kept = before.iter().filter(|tie| own().all(|new| new.token != tie.token));
    kept.chain(own()).cloned().collect()
}
