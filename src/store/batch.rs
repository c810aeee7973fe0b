//! One batch, as one transaction: lock the tenant's head, drop what is stale, write the journal,
//! write the effects of what came back, link the audit chain, commit, change the cache.

use std::collections::{HashMap, HashSet};

use sqlx::{AnyConnection, Executor as _, Row as _};

use super::effects::{Effects, Removal};
use super::gate::Key;
use super::read::{self, bytes16};
use super::rows::{HeadRow, JournalRow};
use super::schedule::Point;
use super::statement::{self, Arguments};
use super::writer::Queued;
use super::{Engine, Error, ReadSet, Store, audit};
use crate::clock::Time;
use crate::ids::{Stamp, TenantId, Token};

/// How one operation of a batch ended.
pub(super) enum Outcome {
    /// Written and durable.
    Committed,
    /// The journal already holds it.
    Replay,
    /// What it was decided on has changed.
    Stale,
    /// Not written.
    Failed(Error),
}

type Guard = (TenantId, Token, i64, Vec<u8>);

/// Commits the batch; on success every operation has its outcome, and cache and gate know.
pub(super) async fn commit(
    store: &Store,
    connection: &mut AnyConnection,
    foreign: &mut Option<i64>,
    batch: &mut [Box<dyn Queued>],
) -> Result<Vec<Outcome>, Error> {
    connection.execute(store.engine.begin_write()).await?;
    notice_foreign_writes(store, connection, foreign).await?;
    let mut outcomes: Vec<Option<Outcome>> = batch.iter().map(|_| None).collect();
    let mut changed = Vec::new();
    for tenant in tenants(batch) {
        changed.extend(write_tenant(store, connection, tenant, batch, &mut outcomes).await?);
    }
    if changed.is_empty() {
        connection.execute("ROLLBACK").await?;
    } else {
        store.schedule.at(Point::Written).await?;
        connection.execute("COMMIT").await?;
        store.schedule.at(Point::Committed).await?;
        store.gate.commit(&changed, &*store.listener);
        store.schedule.at(Point::Told).await?;
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Stale)).collect())
}

fn tenants(batch: &[Box<dyn Queued>]) -> Vec<TenantId> {
    let mut seen = HashSet::new();
    batch.iter().map(|operation| operation.tenant()).filter(|tenant| seen.insert(*tenant)).collect()
}

/// Another process wrote the SQLite file: what is in memory is worth nothing any more.
async fn notice_foreign_writes(
    store: &Store,
    connection: &mut AnyConnection,
    foreign: &mut Option<i64>,
) -> Result<(), Error> {
    let version = store.engine.foreign_writes(connection).await?;
    if foreign.replace(version).is_none_or(|before| before != version) {
        store.gate.commit_unseen(&*store.listener);
    }
    Ok(())
}

async fn write_tenant(
    store: &Store,
    connection: &mut AnyConnection,
    tenant: TenantId,
    batch: &mut [Box<dyn Queued>],
    outcomes: &mut [Option<Outcome>],
) -> Result<Vec<Key>, Error> {
    let own: Vec<usize> = (0..batch.len()).filter(|i| batch[*i].tenant() == tenant).collect();
    let head = Head::advance(store, connection, tenant, upper_bound(batch, &own)).await?;
    store.schedule.at(Point::Locked).await?;
    let accepted = accept(store, connection, tenant, batch, &own, outcomes).await?;
    let mut next = head.first;
    let mut rows = Vec::new();
    for index in &accepted {
        let Some((_, effects)) = batch[*index].proposed() else { continue };
        number(effects, &mut next, head.now);
        rows.extend(effects.journal.iter().cloned());
    }
    let written = insert_journal(connection, tenant, &rows).await?;
    let mut joined = Effects::default();
    for index in accepted {
        let Some((_, effects)) = batch[index].proposed() else { continue };
        let came_back = effects.journal.first().is_some_and(|row| written.contains(&key_of(row)));
        outcomes[index] = Some(if came_back { Outcome::Committed } else { Outcome::Replay });
        if came_back {
            let first = effects.journal.first().map_or(0, |row| row.position);
            for interaction in &effects.strip {
                super::sweep::strip_journal(connection, tenant, *interaction, first).await?;
            }
            join(&mut joined, effects);
        }
    }
    if joined.journal.is_empty() {
        return Ok(Vec::new());
    }
    write_effects(connection, tenant, &mut joined, store.entropy.stamp()).await?;
    head.link(connection, tenant, &joined.journal).await?;
    Ok(keys(tenant, &joined))
}

/// Journal rows to come at most: gaps in the positions are allowed, repeats are not.
fn upper_bound(batch: &mut [Box<dyn Queued>], own: &[usize]) -> i64 {
    own.iter()
        .map(|index| match batch[*index].proposed() {
            Some((_, effects)) => effects.journal.len() as i64,
            // Decided inside: a start and an end at most.
            None => 2,
        })
        .sum()
}

struct Head {
    first: i64,
    now: Time,
    audit_hash: Vec<u8>,
}

impl Head {
    async fn advance(
        store: &Store,
        connection: &mut AnyConnection,
        tenant: TenantId,
        positions: i64,
    ) -> Result<Self, Error> {
        let mut arguments = Arguments::default();
        arguments.push(&positions);
        arguments.push(&tenant.0);
        if store.engine == Engine::Sqlite {
            arguments.push(&store.clock.now());
        }
        let query = statement::query(store.engine.advance_head(), arguments);
        let row = query.fetch_optional(&mut *connection).await?;
        let row = row.ok_or(Error::Damaged { table: "tenant_head" })?;
        let now = Time(row.try_get(2)?);
        store.saw_store_time(now);
        Ok(Self {
            first: row.try_get::<i64, _>(0)? - positions + 1,
            now,
            audit_hash: row.try_get(1)?,
        })
    }

    async fn link(
        &self,
        connection: &mut AnyConnection,
        tenant: TenantId,
        rows: &[JournalRow],
    ) -> Result<(), Error> {
        let hash = audit::link(&self.audit_hash, rows.iter()).to_vec();
        let last = rows.last().map_or(self.first, |row| row.position);
        let mut arguments = Arguments::of(tenant);
        arguments.push(&last);
        arguments.push(&(rows.len() as i64));
        arguments.push(&hash);
        let sql =
            "INSERT INTO audit_link (tenant, position, entries, hash) VALUES ($1, $2, $3, $4)";
        statement::query(sql, arguments).execute(&mut *connection).await?;
        let mut arguments = Arguments::of(tenant);
        arguments.push(&hash);
        let sql = "UPDATE tenant_head SET audit_hash = $2 WHERE tenant = $1";
        statement::query(sql, arguments).execute(&mut *connection).await?;
        Ok(())
    }
}

/// Which operations may be written now, in order; the others get their outcome.
async fn accept(
    store: &Store,
    connection: &mut AnyConnection,
    tenant: TenantId,
    batch: &mut [Box<dyn Queued>],
    own: &[usize],
    outcomes: &mut [Option<Outcome>],
) -> Result<Vec<usize>, Error> {
    let current = Current::read(store, connection, tenant, batch, own).await?;
    let mut touched: HashSet<Key> = HashSet::new();
    let mut guards: HashMap<Guard, Vec<u8>> = HashMap::new();
    let mut accepted = Vec::new();
    for index in own {
        let operation = &mut batch[*index];
        if operation.decides_inside() {
            if !operation.decide_inside(connection).await {
                outcomes[*index] = Some(Outcome::Stale);
                continue;
            }
        } else if let Some((read, effects)) = operation.proposed() {
            let known = |row: &JournalRow| guards.get(&guard(tenant, row));
            let same = |row: &JournalRow| known(row).is_some_and(|it| *it == row.fingerprint);
            if !effects.journal.is_empty() && effects.journal.iter().all(same) {
                outcomes[*index] = Some(Outcome::Replay);
                continue;
            }
            let reads_touched = read_keys(tenant, read).any(|key| touched.contains(&key));
            let writes_touched = keys(tenant, effects).iter().any(|key| touched.contains(key));
            // A key of this batch with other content: decided again, it meets the first one.
            let collides = effects.journal.iter().any(|row| known(row).is_some());
            let stale = reads_touched || writes_touched || collides;
            if stale || !current.holds(store, tenant, read) {
                outcomes[*index] = Some(Outcome::Stale);
                continue;
            }
        }
        if let Some((_, effects)) = operation.proposed() {
            touched.extend(keys(tenant, effects));
            let rows = effects.journal.iter();
            guards.extend(rows.map(|row| (guard(tenant, row), row.fingerprint.clone())));
        }
        accepted.push(*index);
    }
    Ok(accepted)
}

/// The stamps that hold now. SQLite has nobody else to ask: the gate knows.
enum Current {
    InMemory,
    Read(read::Stamps),
}

impl Current {
    async fn read(
        store: &Store,
        connection: &mut AnyConnection,
        tenant: TenantId,
        batch: &mut [Box<dyn Queued>],
        own: &[usize],
    ) -> Result<Self, Error> {
        if store.engine == Engine::Sqlite {
            return Ok(Self::InMemory);
        }
        let mut wanted = ReadSet::default();
        for index in own {
            if let Some((read, _)) = batch[*index].proposed() {
                wanted.heads.extend(read.heads.iter().copied());
                wanted.customers.extend(read.customers.iter().copied());
                wanted.interactions.extend(read.interactions.iter().copied());
            }
        }
        Ok(Self::Read(read::stamps(connection, tenant, &wanted).await?))
    }

    fn holds(&self, store: &Store, tenant: TenantId, read: &ReadSet) -> bool {
        match self {
            Self::InMemory => store.gate.holds(tenant, read),
            Self::Read(stamps) => {
                let stale = stamps.stale(read);
                if !stale.is_empty() {
                    // Another instance wrote: what this one remembers of it must go.
                    let keys: Vec<Key> = stale.iter().map(|key| key.of(tenant)).collect();
                    store.gate.commit(&keys, &*store.listener);
                }
                stale.is_empty()
            }
        }
    }
}

fn guard(tenant: TenantId, row: &JournalRow) -> Guard {
    (tenant, row.interaction, row.verb as i64, row.part.clone())
}

fn key_of(row: &JournalRow) -> (Token, i64, Vec<u8>) {
    (row.interaction, row.verb as i64, row.part.clone())
}

fn read_keys(tenant: TenantId, read: &ReadSet) -> impl Iterator<Item = Key> {
    let heads = read.heads.iter().map(move |(token, _)| Key::Head(tenant, *token));
    let customers = read.customers.iter().map(move |(id, _)| Key::Customer(tenant, *id));
    let interactions = read.interactions.iter().map(move |(id, _)| Key::Interaction(tenant, *id));
    heads.chain(customers).chain(interactions)
}

/// What an operation changes.
fn keys(tenant: TenantId, effects: &Effects) -> Vec<Key> {
    let heads = effects.heads.iter().map(|token| Key::Head(tenant, *token));
    let customers = effects.customers.iter().map(|row| Key::Customer(tenant, row.customer));
    let removed = effects.removals.iter().filter_map(|removal| match removal {
        Removal::Customer { customer } => Some(Key::Customer(tenant, *customer)),
        _ => None,
    });
    let interactions = effects.journal.iter().map(|row| Key::Interaction(tenant, row.interaction));
    heads.chain(customers).chain(removed).chain(interactions).collect()
}

fn number(effects: &mut Effects, next: &mut i64, now: Time) {
    let mut last = *next;
    for row in &mut effects.journal {
        row.position = *next;
        row.received = now;
        last = *next;
        *next += 1;
    }
    effects.blocks.iter_mut().for_each(|block| block.position = last);
    effects.interactions.iter_mut().for_each(|row| row.received = now);
    effects.customers.iter_mut().for_each(|row| row.received = now);
}

async fn insert_journal(
    connection: &mut AnyConnection,
    tenant: TenantId,
    rows: &[JournalRow],
) -> Result<HashSet<(Token, i64, Vec<u8>)>, Error> {
    let mut written = HashSet::with_capacity(rows.len());
    for row in statement::insert(connection, tenant, rows).await? {
        written.insert((Token(bytes16(&row, 0, "journal")?), row.try_get(1)?, row.try_get(2)?));
    }
    Ok(written)
}

fn join(joined: &mut Effects, effects: &Effects) {
    joined.journal.extend(effects.journal.iter().cloned());
    joined.heads.extend(&effects.heads);
    joined.customers.extend(effects.customers.iter().cloned());
    joined.data_keys.extend(effects.data_keys.iter().cloned());
    joined.removals.extend(&effects.removals);
    joined.links.extend(effects.links.iter().cloned());
    joined.interactions.extend(effects.interactions.iter().cloned());
    joined.facts.extend(effects.facts.iter().cloned());
    joined.blocks.extend(effects.blocks.iter().cloned());
    joined.labels.extend(effects.labels.iter().cloned());
}

/// Removals first, then every table once.
async fn write_effects(
    connection: &mut AnyConnection,
    tenant: TenantId,
    effects: &mut Effects,
    stamp: Stamp,
) -> Result<(), Error> {
    for removal in &effects.removals {
        super::sweep::remove(connection, tenant, *removal).await?;
    }
    effects.customers.iter_mut().for_each(|row| row.stamp = stamp);
    let (mut heads_seen, mut labels_seen) = (HashSet::new(), HashSet::new());
    effects.heads.retain(|token| heads_seen.insert(*token));
    effects.labels.retain(|label| labels_seen.insert(label.token));
    let heads: Vec<HeadRow> =
        effects.heads.iter().map(|token| HeadRow { token: *token, stamp }).collect();
    statement::insert(connection, tenant, &effects.data_keys).await?;
    statement::insert(connection, tenant, &effects.customers).await?;
    statement::insert(connection, tenant, &heads).await?;
    statement::insert(connection, tenant, &effects.links).await?;
    statement::insert(connection, tenant, &effects.interactions).await?;
    statement::insert(connection, tenant, &effects.facts).await?;
    statement::insert(connection, tenant, &effects.blocks).await?;
    statement::insert(connection, tenant, &effects.labels).await?;
    Ok(())
}
