//! Everything that is one person's: whoever is one with them, and what the journal holds of them.
//!
//! The journal has no index by customer: it is walked once, and what was walked is remembered, since
//! it only grows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use super::Error;
use super::desk::Desk;
use super::load;
use super::naming::named;
use super::record::ErasureRecord;
use crate::ids::{CustomerId, Stamp, Token};
use crate::store::belonging::{self, Found};
use crate::store::rows::{BlockKind, Verb};
use crate::store::{history, merges};

/// Interactions whose rows are read at once.
const STEP: usize = 1_024;

/// How far the journal was walked, and what was found.
#[derive(Default)]
pub(super) struct Walked {
    of: Vec<CustomerId>,
    until: i64,
    found: BTreeMap<i64, Found>,
}

/// Everything of one person.
pub(super) struct Theirs {
    /// What their set is called.
    pub name: CustomerId,
    /// Everybody who is this person, oldest first.
    pub members: Vec<CustomerId>,
    /// The same and whoever's ref resolves to them, in order, with the stamps that they were read
    /// under.
    pub everybody: BTreeMap<CustomerId, Stamp>,
    /// Identifiers that they are tied to.
    pub tokens: BTreeSet<Token>,
    /// Interactions that stand as theirs, settled on them or not.
    pub interactions: BTreeSet<Token>,
    /// Requests that changed them.
    pub requests: BTreeSet<(Token, Verb)>,
    /// Interactions that were theirs once and are somebody else's now.
    pub parted: BTreeSet<Token>,
    /// Positions of the rows of the journal that are about them.
    pub rows: BTreeSet<i64>,
    /// The last position of the journal that was looked at.
    pub until: i64,
    /// How much of everything.
    pub counts: ErasureRecord,
}

/// Looks up everything of the person that a ref names.
///
/// # Errors
/// [`Error::Erased`], [`Error::CustomerNotFound`], and the store's.
pub(super) async fn theirs(
    desk: &mut Desk<'_, '_>,
    customer_ref: &str,
    walked: &Mutex<Walked>,
) -> Result<Theirs, Error> {
    let customer = named(desk, customer_ref).await?;
    let person = desk.there(customer, false).await?;
    let set = desk.set_of(&person, false).await?;
    let mut members: Vec<CustomerId> = set.iter().map(|member| member.row.customer).collect();
    members.sort_unstable();
    let mut theirs = of_members(desk, person.set_name(), members, walked).await?;
    count(desk, &mut theirs).await?;
    Ok(theirs)
}

/// Everything of these customers, whose refs are followed no further back than to whoever was moved
/// to them. Nothing of it is opened or counted.
///
/// # Errors
/// The store's.
pub(super) async fn of_members(
    desk: &mut Desk<'_, '_>,
    name: CustomerId,
    members: Vec<CustomerId>,
    walked: &Mutex<Walked>,
) -> Result<Theirs, Error> {
    let ids = with_moved(desk, &members).await?;
    let people = desk.people(&ids, false).await?;
    let mut theirs = Theirs {
        name,
        members,
        everybody: people.values().map(|one| (one.row.customer, one.row.stamp)).collect(),
        tokens: BTreeSet::new(),
        interactions: BTreeSet::new(),
        requests: BTreeSet::new(),
        parted: BTreeSet::new(),
        rows: BTreeSet::new(),
        until: 0,
        counts: ErasureRecord::default(),
    };
    for one in people.values() {
        theirs.tokens.extend(one.links.iter().map(|link| link.token));
        theirs.tokens.extend(one.ties.iter().map(|tie| tie.token));
    }
    if !theirs.everybody.is_empty() {
        journal(desk, &mut theirs, walked).await?;
    }
    Ok(theirs)
}

impl Theirs {
    /// Whether somebody is this person, or was.
    pub fn holds(&self, customer: Option<CustomerId>) -> bool {
        customer.is_some_and(|customer| self.everybody.contains_key(&customer))
    }
}

/// These, and everybody whose ref resolves to one of them.
async fn with_moved(
    desk: &mut Desk<'_, '_>,
    members: &[CustomerId],
) -> Result<Vec<CustomerId>, Error> {
    let (tenant, asked) = (desk.tenant_id(), members.to_vec());
    let mut all = desk
        .reads
        .look(Box::new(move |connection| {
            Box::pin(async move { belonging::moved_to(connection, tenant, &asked).await })
        }))
        .await?;
    all.extend(members);
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// What the journal holds of them.
async fn journal(
    desk: &mut Desk<'_, '_>,
    theirs: &mut Theirs,
    walked: &Mutex<Walked>,
) -> Result<(), Error> {
    let found = walk(desk, theirs, walked).await?;
    let reads = |one: &&Found| Verb::READS.contains(&one.verb);
    let written = found.values().filter(|one| !reads(one)).map(|one| one.interaction);
    let tokens: BTreeSet<Token> = written.collect();
    for (token, rows) in rows_of(desk, tokens).await? {
        let newest = rows.last_key_value().and_then(|(_, row)| row.customer);
        let verbs: BTreeSet<i64> = rows.values().map(|row| row.verb).collect();
        if !theirs.holds(newest) {
            theirs.parted.insert(token);
            let own = rows.values().filter(|row| theirs.holds(row.customer));
            let own: Vec<i64> = own.map(|row| row.position).collect();
            theirs.rows.extend(own);
            continue;
        }
        theirs.rows.extend(rows.keys());
        if verbs.contains(&(Verb::Start as i64)) {
            theirs.interactions.insert(token);
        } else {
            // Beside requests, what a sweep says of a customer: nobody sends that again.
            let verbs = verbs.into_iter().filter_map(Verb::from_code);
            let requests = verbs.filter(|verb| Verb::REQUESTS.contains(verb));
            theirs.requests.extend(requests.map(|verb| (token, verb)));
        }
    }
    let requests: BTreeSet<Token> = theirs.requests.iter().map(|(token, _)| *token).collect();
    let about = |named: Option<Token>| {
        named.is_some_and(|it| theirs.interactions.contains(&it) || requests.contains(&it))
    };
    let read = found.values().filter(reads);
    let read = read.filter(|one| theirs.holds(one.customer) || about(one.named));
    let read: Vec<i64> = read.map(|one| one.position).collect();
    theirs.rows.extend(read);
    Ok(())
}

/// Walks on to the journal's end from where the last walk of the same people stopped.
async fn walk(
    desk: &mut Desk<'_, '_>,
    theirs: &mut Theirs,
    walked: &Mutex<Walked>,
) -> Result<BTreeMap<i64, Found>, Error> {
    let tenant = desk.tenant_id();
    let of: Vec<CustomerId> = theirs.everybody.keys().copied().collect();
    // Only a whole walk is put behind this lock: a poisoned one is still whole.
    let lock = || walked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut walk = std::mem::take(&mut *lock());
    if walk.of != of {
        walk = Walked { of, ..Walked::default() };
    }
    loop {
        let (of, after) = (walk.of.clone(), walk.until);
        let stretch = desk
            .reads
            .load(Box::new(move |connection| {
                Box::pin(async move { belonging::stretch(connection, tenant, &of, after).await })
            }))
            .await?;
        walk.found.extend(stretch.found.into_iter().map(|one| (one.position, one)));
        walk.until = stretch.until;
        if stretch.is_last {
            break;
        }
    }
    theirs.until = walk.until;
    let found = walk.found.clone();
    *lock() = walk;
    Ok(found)
}

/// All rows of each interaction or request, by position.
pub(super) async fn rows_of(
    desk: &mut Desk<'_, '_>,
    tokens: BTreeSet<Token>,
) -> Result<BTreeMap<Token, BTreeMap<i64, Found>>, Error> {
    let tenant = desk.tenant_id();
    let tokens: Vec<Token> = tokens.into_iter().collect();
    let mut all: BTreeMap<Token, BTreeMap<i64, Found>> = BTreeMap::new();
    for chunk in tokens.chunks(STEP) {
        let chunk = chunk.to_vec();
        let rows = desk
            .reads
            .load(Box::new(move |connection| {
                Box::pin(async move { belonging::rows_of(connection, tenant, &chunk).await })
            }))
            .await?;
        for row in rows {
            all.entry(row.interaction).or_default().insert(row.position, row);
        }
    }
    Ok(all)
}

async fn count(desk: &mut Desk<'_, '_>, theirs: &mut Theirs) -> Result<(), Error> {
    let tenant = desk.tenant_id();
    let ids: Vec<CustomerId> = theirs.everybody.keys().copied().collect();
    let people = desk.people(&ids, false).await?;
    let (mut variables, mut attributes, mut consents) = (0, 0, 0);
    for id in &ids {
        let id = *id;
        let blocks = desk
            .reads
            .look(Box::new(move |connection| {
                Box::pin(async move { history::blocks_of(connection, tenant, id, None).await })
            }))
            .await?;
        let Some(person) = people.get(&id) else { continue };
        for row in &blocks {
            let block = load::open_block(tenant, &person.key, row)?;
            let values = block.values.len() as i64;
            match row.kind {
                BlockKind::Variables => variables += values,
                BlockKind::Profile => attributes += values,
                BlockKind::Consents => consents += block.consents.len() as i64,
            }
        }
    }
    let (customers, asked) = (ids.len() as i64, ids.clone());
    let (merges, (identifiers, intents)) = desk
        .reads
        .load(Box::new(move |connection| {
            Box::pin(async move {
                let merges = merges::merges(connection, tenant, &asked).await?.len() as i64;
                Ok((merges, belonging::counts(connection, tenant, &asked).await?))
            })
        }))
        .await?;
    theirs.counts = ErasureRecord {
        customers,
        interactions: theirs.interactions.len() as i64,
        identifiers,
        intents,
        variables,
        attributes,
        merges,
        journal_entries: theirs.rows.len() as i64,
        consents,
    };
    Ok(())
}
