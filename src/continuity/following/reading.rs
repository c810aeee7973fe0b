//! One page of the journal, read and opened: rows, where their interactions stand by now, and the
//! customers they are about, all of one moment.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::matching::Names;
use super::opening::Opened;
use super::{Event, Happened, Interest, Page, To, erased};
use crate::cache::Remembered;
use crate::continuity::answer::{Settled, settled};
use crate::continuity::desk::Desk;
use crate::continuity::load::{self, Loaded};
use crate::continuity::record::State;
use crate::continuity::service::Service;
use crate::continuity::settling::{customer_of, token_of};
use crate::continuity::tenant::Tenant;
use crate::continuity::{Error, catching_up};
use crate::ids::{CustomerId, Token};
use crate::store::follow::{self, Entry};
use crate::store::rows::Verb;
use crate::store::{self, Connection, Reads, merges};

/// Rows of one page at most.
const ROWS: i64 = 128;
/// Positions that one page looks through at most, however few of them are events.
const WINDOW: i64 = 10_000;
/// Refs are followed so many times at most, as by a desk.
const MOST_MOVES: usize = 16;

/// What happened after `after` that fits one of the interests; `None` when nothing was committed.
pub(super) async fn page(
    service: &Arc<Service>,
    tenant: &Arc<Tenant>,
    connection: &mut Connection,
    after: i64,
    interests: &[Interest],
) -> Loaded<Option<Page>> {
    let read_at = Instant::now();
    let head = follow::head(connection, tenant.id).await?;
    if head <= after {
        return Ok(Ok(None));
    }
    let until = head.min(after.saturating_add(WINDOW));
    let rows = follow::entries_between(connection, tenant.id, (after, until), ROWS).await?;
    let full = rows.len() as i64 == ROWS;
    let position = rows.last().filter(|_| full).map_or(until, |row| row.position);
    let mut reading = Reading { service, tenant, interests, names: Names::new() };
    let read = reading.events(connection, rows).await?;
    let asked = interests.iter().filter_map(|interest| interest.filter.customer);
    let called = asked.filter_map(|one| Some((one, *reading.names.get(&one)?))).collect();
    let more = position < head;
    Ok(read.map(|events| Some(Page { read_at, position, more, events, called })))
}

/// What happened at these places, in order, as far as it fits and is still there.
pub(super) async fn at(
    service: &Arc<Service>,
    tenant: &Arc<Tenant>,
    connection: &mut Connection,
    positions: &[i64],
    interests: &[Interest],
) -> Loaded<Vec<Event>> {
    let mut rows = follow::entries_at(connection, tenant.id, positions).await?;
    rows.sort_unstable_by_key(|row| row.position);
    let mut reading = Reading { service, tenant, interests, names: Names::new() };
    reading.events(connection, rows).await
}

/// What the sets of these customers are called; who is gone is not among them.
pub(super) async fn set_names(
    service: &Arc<Service>,
    tenant: &Arc<Tenant>,
    connection: &mut Connection,
    customers: Vec<CustomerId>,
) -> Loaded<Names> {
    let reading = Reading { service, tenant, interests: &[], names: Names::new() };
    let known = reading.people(connection, customers.clone()).await?;
    Ok(known.map(|known| {
        let name = |id: CustomerId| Some((id, resolved(&known, id)?.set_name()));
        customers.into_iter().filter_map(name).collect()
    }))
}

/// What a row says, opened.
enum Said {
    /// How its interaction stood before it and after it.
    Interaction { before: Option<Arc<State>>, after: Arc<State> },
    /// Whom it changed.
    Customers(Vec<CustomerId>),
    /// The refs of whom it erased.
    Erased(Vec<CustomerId>),
}

struct Reading<'r> {
    service: &'r Arc<Service>,
    tenant: &'r Arc<Tenant>,
    interests: &'r [Interest],
    names: Names,
}

impl Reading<'_> {
    async fn events(
        &mut self,
        connection: &mut Connection,
        rows: Vec<Entry>,
    ) -> Loaded<Vec<Event>> {
        let erasures = self.interests.iter().any(|interest| interest.filter.erasures);
        let rows: Vec<(Happened, Entry)> = rows
            .into_iter()
            .filter_map(|row| Some((row.verb.and_then(Happened::of)?, row)))
            .filter(|(happened, _)| erasures || *happened != Happened::CustomerErased)
            .collect();
        let opened = Opened::of(self.service, self.tenant, connection, &rows);
        let opened = match opened.await? {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        let mut said = Vec::with_capacity(rows.len());
        for (happened, row) in rows {
            let what = match happened {
                Happened::CustomerErased => {
                    erased::refs(self.tenant, connection, &row).await?.map(Said::Erased)
                }
                _ if happened.is_change() => self.changed(connection, &row, &opened).await?,
                _ => opened.around(&row).map(|(before, after)| Said::Interaction { before, after }),
            };
            said.extend(what.map(|what| (happened, row, what)));
        }
        if let Err(error) = self.name(connection, &said).await? {
            return Ok(Err(error));
        }
        let wanted = self.wanted(said);
        self.tell(connection, wanted, &opened).await
    }

    /// Whom a request changed.
    async fn changed(
        &self,
        connection: &mut Connection,
        row: &Entry,
        opened: &Opened,
    ) -> Result<Option<Said>, store::Error> {
        let Some(record) = opened.request(row) else { return Ok(None) };
        let mut customers: Vec<CustomerId> =
            [row.customer, customer_of(&record.customer)].into_iter().flatten().collect();
        let taken_back = record.merges.iter().filter_map(|id| token_of(id));
        let made = (row.verb == Some(Verb::Merge)).then_some(row.interaction);
        for merge in taken_back.chain(made) {
            if let Some(edge) = merges::merge(connection, self.tenant.id, merge).await? {
                customers.extend([edge.one, edge.other]);
            }
        }
        Ok(Some(Said::Customers(customers)))
    }

    /// Finds what the sets of all customers are called that somebody asks for, or that could be
    /// whom somebody asks for; where changes of everybody are asked for, whom they are of. Nobody asks
    /// for anybody: nobody is looked up.
    async fn name(
        &mut self,
        connection: &mut Connection,
        said: &[(Happened, Entry, Said)],
    ) -> Loaded<()> {
        let asked: HashSet<CustomerId> =
            self.interests.iter().filter_map(|interest| interest.filter.customer).collect();
        let of_all =
            self.interests.iter().any(|it| it.filter.changes && it.filter.customer.is_none());
        if asked.is_empty() && !of_all {
            return Ok(Ok(()));
        }
        let by_name = !asked.is_empty();
        let mut ids = asked;
        for (_, _, what) in said {
            match what {
                Said::Interaction { before, after } if by_name => {
                    let states = before.iter().chain([after]);
                    ids.extend(states.filter_map(|state| customer_of(&state.customer)));
                }
                Said::Interaction { .. } | Said::Erased(_) => {}
                Said::Customers(customers) => ids.extend(customers),
            }
        }
        let known = match self.people(connection, ids.iter().copied().collect()).await? {
            Ok(known) => known,
            Err(error) => return Ok(Err(error)),
        };
        let names = ids.into_iter().filter_map(|id| Some((id, resolved(&known, id)?.set_name())));
        self.names = names.collect();
        Ok(Ok(()))
    }

    /// Customers without their contexts, and whom they resolve to.
    async fn people(&self, connection: &mut Connection, ids: Vec<CustomerId>) -> Loaded<People> {
        let (mut known, mut wanted) = (People::new(), ids);
        for _ in 0..MOST_MOVES {
            wanted.retain(|id| !known.contains_key(id));
            if wanted.is_empty() {
                break;
            }
            let loaded =
                load::people(self.service, self.tenant, connection, &wanted, false).await?;
            let loaded = match loaded {
                Ok(loaded) => loaded,
                Err(error) => return Ok(Err(error)),
            };
            wanted = loaded.iter().filter_map(|person| person.row.moved_to).collect();
            known.extend(loaded.into_iter().map(|one| (one.row.customer, Arc::new(one))));
        }
        Ok(Ok(known))
    }

    /// What fits somebody's interest, with whose.
    fn wanted(&self, said: Vec<(Happened, Entry, Said)>) -> Vec<Wanted> {
        let mut wanted = Vec::with_capacity(said.len());
        for (happened, row, what) in said {
            let fits = |interest: &Interest| match &what {
                Said::Interaction { before, after } => {
                    let filter = &interest.filter;
                    let fits = |state: &Arc<State>| filter.fits(state, &self.names);
                    fits(after) || before.as_ref().is_some_and(fits)
                }
                Said::Customers(customers) => interest.filter.fits_change(customers, &self.names),
                Said::Erased(_) => interest.filter.erasures,
            };
            let interests = self.interests.iter().enumerate();
            let fits: Vec<usize> =
                interests.filter(|(_, it)| fits(it)).map(|(index, _)| index).collect();
            if !fits.is_empty() {
                wanted.push(Wanted { happened, row, what, fits });
            }
        }
        wanted
    }

    /// What is told of what is wanted: as it stands now.
    async fn tell(
        &self,
        connection: &mut Connection,
        wanted: Vec<Wanted>,
        opened: &Opened,
    ) -> Loaded<Vec<Event>> {
        let known = match self.whom(connection, &wanted, opened).await? {
            Ok(known) => known,
            Err(error) => return Ok(Err(error)),
        };
        let mut reads = Reads::Inside(connection);
        let mut desk = Desk::new(self.service, self.tenant, &mut reads);
        known.iter().for_each(|person| desk.saw(person));
        let mut answers: HashMap<Token, Arc<Settled>> = HashMap::new();
        let mut events = Vec::with_capacity(wanted.len());
        for Wanted { happened, row, what, fits } in wanted {
            let to = match what {
                Said::Erased(refs) => Some(To::Erased(refs)),
                Said::Customers(customers) => {
                    let named = customers.iter().find_map(|one| self.names.get(one)).copied();
                    named.map(To::Customer)
                }
                Said::Interaction { .. } => {
                    let token = row.interaction;
                    match self.stands(&mut desk, &mut answers, token, opened).await {
                        Ok(settled) => settled.map(To::Interaction),
                        Err(error) => return Ok(Err(error)),
                    }
                }
            };
            let happened = opened.happened(happened, &row);
            let Entry { position, time, received, interaction: token, .. } = row;
            events.extend(to.map(|to| Event {
                position,
                happened,
                time,
                received,
                fits,
                token,
                to,
            }));
        }
        Ok(Ok(events))
    }

    /// An interaction as it stands now, by the same steps as GetInteraction's; `None` when it is
    /// gone.
    async fn stands(
        &self,
        desk: &mut Desk<'_, '_>,
        answers: &mut HashMap<Token, Arc<Settled>>,
        token: Token,
        opened: &Opened,
    ) -> Result<Option<Arc<Settled>>, Error> {
        if let Some(known) = answers.get(&token) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(state) = opened.newest(token) else { return Ok(None) };
        let stands = Arc::new(settled(desk, State::clone(state), Vec::new()).await?);
        answers.insert(token, Arc::clone(&stands));
        Ok(Some(stands))
    }

    /// Everybody whom the answers will look up, all at once: whose an interaction is, with their
    /// contexts, and whose it could be. Where nobody wants a context, it is empty.
    async fn whom(
        &self,
        connection: &mut Connection,
        wanted: &[Wanted],
        opened: &Opened,
    ) -> Loaded<Vec<Arc<Remembered>>> {
        let newest = |one: &Wanted| opened.newest(one.row.interaction);
        let (mut own, mut all) = (HashSet::new(), HashSet::new());
        for state in wanted.iter().filter_map(newest) {
            let candidates = state.decision.iter().flat_map(|decision| &decision.candidates);
            all.extend(candidates.filter_map(|one| customer_of(&one.customer)));
            own.extend(customer_of(&state.customer));
        }
        all.extend(&own);
        let people = match self.people(connection, all.into_iter().collect()).await? {
            Ok(people) => people,
            Err(error) => return Ok(Err(error)),
        };
        own.extend(
            own.clone()
                .into_iter()
                .filter_map(|id| resolved(&people, id).map(|person| person.row.customer)),
        );
        let mut interests = wanted.iter().flat_map(|one| &one.fits);
        // Whether somebody has agreed to be shown is in their context, too.
        let contexts = interests.any(|index| self.interests[*index].context)
            || !self.tenant.policy.disclosure_requires_consent.is_empty();
        let (mut known, mut missing) = (Vec::with_capacity(people.len()), Vec::new());
        for (id, person) in people {
            match (own.contains(&id), contexts) {
                (false, _) => known.push(person),
                (true, false) => known.push(Arc::new(without_context(&person))),
                (true, true) => match self.remembered(&person) {
                    Ok(Some(remembered)) => known.push(remembered),
                    Ok(None) => missing.push(id),
                    Err(error) => return Ok(Err(error)),
                },
            }
        }
        match load::people(self.service, self.tenant, connection, &missing, true).await? {
            Ok(loaded) => known.extend(loaded.into_iter().map(Arc::new)),
            Err(error) => return Ok(Err(error)),
        }
        Ok(Ok(known))
    }

    /// A customer as this instance remembers them, if they are as they were then: their stamp says so.
    fn remembered(&self, person: &Remembered) -> Result<Option<Arc<Remembered>>, Error> {
        let known = self.service.memory.person(self.tenant.id, person.row.customer);
        let Some(known) = known.filter(|it| it.row.stamp == person.row.stamp) else {
            return Ok(None);
        };
        if known.is_opened() {
            return Ok(Some(known));
        }
        let caught_up = catching_up::caught_up(self.service, self.tenant, &known, &[])?;
        Ok(caught_up.map(Arc::new))
    }
}

type People = HashMap<CustomerId, Arc<Remembered>>;

/// A row that somebody asks for.
struct Wanted {
    happened: Happened,
    row: Entry,
    what: Said,
    fits: Vec<usize>,
}

/// Whom a ref stands for by now.
fn resolved(known: &People, id: CustomerId) -> Option<&Arc<Remembered>> {
    let mut person = known.get(&id)?;
    for _ in 0..MOST_MOVES {
        match person.row.moved_to {
            Some(next) => person = known.get(&next)?,
            None => return Some(person),
        }
    }
    None
}

/// What answers that show nothing of a context are made of.
fn without_context(person: &Remembered) -> Remembered {
    Remembered {
        row: person.row.clone(),
        links: Vec::new(),
        ties: Vec::new(),
        key: Arc::clone(&person.key),
        context: Some(Arc::default()),
        news: Vec::new(),
        members: person.members.clone(),
    }
}
