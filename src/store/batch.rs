//! One batch, as one transaction: lock the tenant's head, drop what is stale, write the journal,
//! write the effects of what came back, link the audit chain, commit, change the cache.

use rustc_hash::{FxHashMap, FxHashSet};
use sqlx::{AnyConnection, Row as _};

use super::audit::traces::{self, Trace};
use super::erasing;
use super::gate::{Committed, Key};
use super::head::{self, Head, Link, Session};
use super::pending::Queued;
use super::read::{self, bytes16};
use super::rows::{JournalRow, MergeState};
use super::schedule::Point;
use super::statement::{self, Arguments, scoped};
use super::together;
use super::{Effects, Engine, Error, ReadSet, Store};
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

/// What became of a batch.
pub(super) struct Written {
    /// Of each operation.
    pub outcomes: Vec<Outcome>,
    /// Rows written, roughly; traces are not among them.
    pub rows: u64,
}

/// Journal rows of one operation at most.
pub const MOST_JOURNAL_ROWS: i64 = 32;

type Guard = (Token, i64, Vec<u8>);

/// Commits the batch; on success every operation has its outcome, and cache and gate know. `None`, and
/// nothing of it was written, while another instance holds its tenant's head.
pub(super) async fn commit(
    store: &Store,
    connection: &mut AnyConnection,
    session: &mut Session,
    batch: &mut [Box<dyn Queued>],
    traces: &mut [Trace],
) -> Result<Option<Written>, Error> {
    let mut outcomes: Vec<Option<Outcome>> = batch.iter().map(|_| None).collect();
    let (mut links, mut unused, mut rows) = (Vec::new(), Vec::new(), 0);
    for (number, tenant) in tenants(batch, traces).into_iter().enumerate() {
        let own: Vec<usize> = (0..batch.len()).filter(|i| batch[*i].tenant() == tenant).collect();
        let beside = traces.iter().filter(|trace| trace.tenant == tenant).count() as i64;
        let positions = upper_bound(batch, &own) + beside;
        let head = match number {
            0 => Head::open(store, connection, session, tenant, positions).await?,
            _ => Some(Head::advance(store, connection, tenant, positions).await?),
        };
        let Some(head) = head else { return Ok(None) };
        store.schedule.at(Point::Locked).await?;
        let own = Own { indexes: own, traces: &mut *traces };
        match write_tenant(store, connection, &head, batch, own, &mut outcomes).await? {
            Some(link) => links.push(link),
            None => unused.push(head),
        }
    }
    if links.is_empty() {
        statement::command(connection, scoped!("ROLLBACK")).await?;
    } else {
        store.schedule.at(Point::Written).await?;
        for head in unused {
            // Of this tenant nothing was written: its head is where its chain ends, as before.
            head.give_back(connection).await?;
        }
        head::link_and_commit(store.engine, connection, &links).await?;
        store.schedule.at(Point::Committed).await?;
        let committed = committed(batch, &outcomes);
        store.gate.commit_batch(&committed, &*store.listener);
        rows = committed.iter().map(|(_, operation)| operation.effects.rows()).sum();
        store.schedule.at(Point::Told).await?;
    }
    let outcomes = outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Stale)).collect();
    Ok(Some(Written { outcomes, rows }))
}

/// The operations that were written.
fn committed<'a>(
    batch: &'a [Box<dyn Queued>],
    outcomes: &[Option<Outcome>],
) -> Vec<(TenantId, Committed<'a>)> {
    let written = batch.iter().zip(outcomes).filter_map(|(operation, outcome)| {
        let committed = matches!(outcome, Some(Outcome::Committed));
        let (read, effects) = operation.proposal().filter(|_| committed)?;
        Some((operation.tenant(), Committed { read, effects }))
    });
    written.collect()
}

fn tenants(batch: &[Box<dyn Queued>], traces: &[Trace]) -> Vec<TenantId> {
    let mut seen = FxHashSet::default();
    let all = batch.iter().map(|operation| operation.tenant());
    all.chain(traces.iter().map(|it| it.tenant)).filter(|tenant| seen.insert(*tenant)).collect()
}

/// What of a batch is one tenant's.
struct Own<'a> {
    /// Its operations.
    indexes: Vec<usize>,
    /// Reads that wait to be written; other tenants' among them.
    traces: &'a mut [Trace],
}

/// Writes one tenant's part of a batch; the next link of its audit chain, none when nothing was
/// written.
async fn write_tenant(
    store: &Store,
    connection: &mut AnyConnection,
    head: &Head,
    batch: &mut [Box<dyn Queued>],
    own: Own<'_>,
    outcomes: &mut [Option<Outcome>],
) -> Result<Option<Link>, Error> {
    let tenant = head.tenant;
    let accepted = accept(store, connection, head, batch, &own.indexes, outcomes).await?;
    let (mut next, stamp) = (head.first, store.entropy.stamp());
    for index in &accepted {
        if let Some((_, effects)) = batch[*index].proposed() {
            number(effects, &mut next, head.now, stamp);
            name_stripped(connection, tenant, effects).await?;
        }
    }
    let erased = accepted.iter().filter_map(|index| batch[*index].proposal());
    let erased = erased.flat_map(|(_, effects)| traces::tombstones_of(effects)).collect();
    traces::forget_erased(connection, own.traces, tenant, erased).await?;
    traces::number(own.traces, tenant, &mut next, head.now);
    let traces: Vec<&JournalRow> = traces::of(own.traces, tenant).collect();
    let rows = accepted.iter().flat_map(|index| journal_of(&*batch[*index]));
    let rows: Vec<&JournalRow> = rows.chain(traces.iter().copied()).collect();
    let written = insert_journal(connection, tenant, &rows).await?;
    let is_written =
        |row: &JournalRow| written.as_ref().is_none_or(|written| written.contains(&key_of(row)));
    let mut operations: Vec<&Effects> = Vec::with_capacity(accepted.len());
    for index in accepted {
        let Some((_, effects)) = batch[index].proposal() else { continue };
        let came_back = effects.journal.first().is_some_and(is_written);
        outcomes[index] = Some(if came_back { Outcome::Committed } else { Outcome::Replay });
        if came_back {
            let first = effects.journal.first().map_or(0, |row| row.position);
            for interaction in &effects.strip {
                super::sweep::strip_journal(connection, tenant, *interaction, first).await?;
            }
            if let Some(erasure) = &effects.erasure {
                erasing::carry_out(connection, tenant, erasure, first, &store.entropy).await?;
            }
            operations.push(effects);
        }
    }
    together::write(connection, tenant, &operations, stamp).await?;
    let rows = operations.iter().flat_map(|effects| effects.journal_rows());
    // One that does not come back was written before, by a commit that nobody heard of.
    let traces = traces.into_iter().filter(|row| is_written(row));
    let rows: Vec<&JournalRow> = rows.chain(traces).collect();
    Ok(if rows.is_empty() { None } else { Some(head.link(&rows)) })
}

/// The first row of an operation that takes content away names the rows that lose it.
async fn name_stripped(
    connection: &mut AnyConnection,
    tenant: TenantId,
    effects: &mut Effects,
) -> Result<(), Error> {
    let Effects { strip, journal, erasure, .. } = effects;
    let Some(guard) = journal.first_mut() else { return Ok(()) };
    // A batch may be tried again.
    guard.strips.clear();
    for interaction in strip {
        let named = super::sweep::with_content(connection, tenant, *interaction, guard.position);
        guard.strips.extend(named.await?);
    }
    if let Some(erasure) = erasure {
        guard.strips.extend(erasing::named(connection, tenant, erasure).await?);
    }
    Ok(())
}

fn journal_of(operation: &dyn Queued) -> &[JournalRow] {
    operation.proposal().map_or(&[], |(_, effects)| &effects.journal)
}

/// Journal rows to come at most: gaps in the positions are allowed, repeats are not.
fn upper_bound(batch: &mut [Box<dyn Queued>], own: &[usize]) -> i64 {
    own.iter()
        .map(|index| match batch[*index].proposed() {
            Some((_, effects)) => effects.journal_rows().count() as i64,
            // Decided inside: how many it will write, nobody knows yet. Of an erasure more, but it is
            // the last of its batch, and the link says where the journal ends.
            None => MOST_JOURNAL_ROWS,
        })
        .sum()
}

/// Which operations may be written now, in order; the others get their outcome.
async fn accept(
    store: &Store,
    connection: &mut AnyConnection,
    head: &Head,
    batch: &mut [Box<dyn Queued>],
    own: &[usize],
    outcomes: &mut [Option<Outcome>],
) -> Result<Vec<usize>, Error> {
    let tenant = head.tenant;
    let current = Current::read(store, connection, tenant, batch, own).await?;
    let mut touched: FxHashSet<Key> = FxHashSet::default();
    let mut guards: FxHashMap<Guard, Vec<u8>> = FxHashMap::default();
    let mut accepted = Vec::new();
    for index in own {
        let operation = &mut batch[*index];
        if operation.decides_inside() {
            if !operation.decide_inside(connection).await {
                outcomes[*index] = Some(Outcome::Stale);
                continue;
            }
        } else if let Some((read, effects)) = operation.proposed() {
            let known = |row: &JournalRow| guards.get(&key_of(row));
            let same = |row: &JournalRow| known(row).is_some_and(|it| *it == row.fingerprint);
            if !effects.journal.is_empty() && effects.journal.iter().all(same) {
                outcomes[*index] = Some(Outcome::Replay);
                continue;
            }
            let reads_touched = read_keys(tenant, read).any(|key| touched.contains(&key));
            let writes_touched = effects.changes(tenant).any(|key| touched.contains(&key));
            // A key of this batch with other content: decided again, it meets the first one.
            let collides = effects.journal.iter().any(|row| known(row).is_some());
            let outrun = match &effects.erasure {
                Some(erasure) => erasing::is_outrun(connection, tenant, erasure).await?,
                None => false,
            };
            let stale = reads_touched || writes_touched || collides || outrun;
            if stale || !current.holds(store, tenant, read) {
                outcomes[*index] = Some(Outcome::Stale);
                continue;
            }
        }
        if let Some(outcome) = wrapped_too_old(&**operation, head) {
            outcomes[*index] = Some(outcome);
            continue;
        }
        if let Some((_, effects)) = operation.proposed() {
            touched.extend(effects.changes(tenant));
            let rows = effects.journal.iter();
            guards.extend(rows.map(|row| (key_of(row), row.fingerprint.clone())));
        }
        accepted.push(*index);
    }
    Ok(accepted)
}

/// What becomes of an operation with a key that a version of the root key wraps which wraps nothing any
/// more: decided again it takes a newer one, if this instance has heard of it.
fn wrapped_too_old(operation: &dyn Queued, head: &Head) -> Option<Outcome> {
    let (_, effects) = operation.proposal()?;
    let too_old = effects.data_keys.iter().any(|key| key.root_version < head.root_version);
    match too_old {
        false => None,
        true if operation.decides_inside() => Some(Outcome::Failed(Error::RootKeyTooOld)),
        true => Some(Outcome::Stale),
    }
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
                // What is in no read set, as labels are, is believed to be there by whoever decided
                // before all that was remembered was forgotten.
                let since = ReadSet { sequence: read.sequence, ..ReadSet::default() };
                stale.is_empty() && store.gate.holds(tenant, &since)
            }
        }
    }
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

fn number(effects: &mut Effects, next: &mut i64, now: Time, stamp: Stamp) {
    effects.stamp = stamp;
    let mut last = *next;
    for row in &mut effects.journal {
        row.position = *next;
        row.received = now;
        last = *next;
        *next += 1;
    }
    if let Some(erasure) = &mut effects.erasure {
        erasure.number(last, next, now);
    }
    effects.blocks.iter_mut().for_each(|block| block.position = last);
    effects.interactions.iter_mut().for_each(|row| row.received = now);
    for row in &mut effects.customers {
        (row.received, row.stamp) = (now, stamp);
    }
    for row in &mut effects.merges {
        row.made = if row.made == Time(0) { now } else { row.made };
        row.undone = if row.state == MergeState::Undone { now } else { Time(0) };
    }
}

/// Inserts the rows; which of them went in, `None` for all of them. Asked for only when there are
/// replays: SQLite's driver wakes the writer for every row that it returns.
async fn insert_journal(
    connection: &mut AnyConnection,
    tenant: TenantId,
    rows: &[&JournalRow],
) -> Result<Option<FxHashSet<Guard>>, Error> {
    let inserted = statement::insert(connection, tenant, rows).await?;
    let first = rows.iter().map(|row| row.position).min();
    let Some(first) = first.filter(|_| inserted < rows.len() as u64) else { return Ok(None) };
    // These positions are of this batch: the tenant's head is held.
    let mut arguments = Arguments::of(tenant);
    arguments.push(&first);
    let sql =
        scoped!("SELECT interaction, verb, part FROM journal WHERE tenant = $1 AND position >= $2");
    let mut written = FxHashSet::default();
    for row in statement::query(sql, arguments).fetch_all(&mut *connection).await? {
        written.insert((Token(bytes16(&row, 0, "journal")?), row.try_get(1)?, row.try_get(2)?));
    }
    Ok(Some(written))
}
