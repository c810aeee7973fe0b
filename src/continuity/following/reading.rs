//! One page of the journal, read and opened: rows, where their interactions stand by now, and the
//! customers they are about, all of one moment.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::matching::Names;
use super::opening::Opened;
use super::people::{self, People};
use super::{Event, Happened, Interest, Page, Since, To, erased};
use crate::cache::Remembered;
use crate::continuity::answer::settled;
use crate::continuity::desk::Desk;
use crate::continuity::load::{self, Loaded};
use crate::continuity::record::State;
use crate::continuity::service::Service;
use crate::continuity::settling::{customer_of, token_of};
use crate::continuity::tenant::Tenant;
use crate::continuity::{Error, catching_up};
use crate::ids::{CustomerId, Token};
use crate::store::follow::{self, Entry};
use crate::store::read::Person;
use crate::store::rows::Verb;
use crate::store::{self, Connection, Reads, merges};

/// Rows of one page at most.
const ROWS: i64 = 128;
/// Positions that one page looks through at most, however few of them are events.
const WINDOW: i64 = 10_000;

/// What happened after `after` that fits one of the interests; `None` when nothing was committed. Only
/// of a store that was put back the journal ends before a place that somebody was shown.
pub(super) async fn page(
    service: &Arc<Service>,
    tenant: &Arc<Tenant>,
    connection: &mut Connection,
    after: i64,
    interests: &[Interest],
) -> Loaded<Option<Since>> {
    let read_at = Instant::now();
    let head = follow::head(connection, tenant.id).await?;
    if head <= after {
        return Ok(Ok((head < after).then_some(Since::PutBack)));
    }
    let (rows, until) = match follow::part(connection, tenant.id, (after, head), WINDOW).await? {
        Some(part) => (follow::entries_between(connection, tenant.id, part, ROWS).await?, part.1),
        // At the positions that were taken last nothing was written.
        None => (Vec::new(), head),
    };
    let full = rows.len() as i64 == ROWS;
    let position = rows.last().filter(|_| full).map_or(until, |row| row.position);
    let mut reading = Reading { service, tenant, interests, names: Names::new() };
    let read = reading.events(connection, rows).await?;
    let asked = interests.iter().filter_map(|interest| interest.filter.customer);
    let called = asked.filter_map(|one| Some((one, *reading.names.get(&one)?))).collect();
    let more = position < head;
    Ok(read.map(|events| Some(Since::Page(Page { read_at, position, more, events, called }))))
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
        self.name(connection, &said).await?;
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
    ) -> Result<(), store::Error> {
        let asked: HashSet<CustomerId> =
            self.interests.iter().filter_map(|interest| interest.filter.customer).collect();
        let of_all =
            self.interests.iter().any(|it| it.filter.changes && it.filter.customer.is_none());
        if asked.is_empty() && !of_all {
            return Ok(());
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
        self.names = people::names(connection, self.tenant.id, ids.into_iter().collect()).await?;
        Ok(())
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
        let whom = match self.whom(connection, &wanted, opened).await? {
            Ok(whom) => whom,
            Err(error) => return Ok(Err(error)),
        };
        let mut reads = Reads::Inside(connection);
        let mut desk = Desk::new(self.service, self.tenant, &mut reads);
        whom.known.iter().for_each(|person| desk.saw(person));
        let mut answers: HashMap<Token, To> = HashMap::new();
        let mut events = Vec::with_capacity(wanted.len());
        for Wanted { happened, row, what, fits } in wanted {
            let to = match what {
                Said::Erased(refs) => Some(To::Erased(refs)),
                Said::Customers(customers) => {
                    let name = |own: CustomerId| Some((own, *self.names.get(&own)?));
                    let first = customers.into_iter().find_map(name);
                    first.map(|(own, named)| To::Customer { named, own })
                }
                Said::Interaction { .. } => {
                    match stands(&mut desk, &mut answers, &row, (opened, &whom.names)).await {
                        Ok(stands) => stands,
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

    /// Everybody whom the answers will look up, all at once: whose an interaction is, with their
    /// contexts, and whose it could be. Where nobody wants a context, it is empty.
    async fn whom(
        &self,
        connection: &mut Connection,
        wanted: &[Wanted],
        opened: &Opened,
    ) -> Loaded<Whom> {
        let newest = |one: &Wanted| opened.newest(one.row.interaction);
        let (mut own, mut all) = (HashSet::new(), HashSet::new());
        for state in wanted.iter().filter_map(newest) {
            let candidates = state.decision.iter().flat_map(|decision| &decision.candidates);
            all.extend(candidates.filter_map(|one| customer_of(&one.customer)));
            own.extend(customer_of(&state.customer));
        }
        all.extend(&own);
        let people = People::of(connection, self.tenant.id, all.into_iter().collect()).await?;
        let names = people.names(own.iter().copied());
        own.extend(own.clone().into_iter().filter_map(|id| people.resolved(id)));
        let mut interests = wanted.iter().flat_map(|one| &one.fits);
        // Whether somebody has agreed to be shown is in their context, too.
        let contexts = interests.any(|index| self.interests[*index].context)
            || !self.tenant.policy.disclosure_requires_consent.is_empty();
        let mut known = Vec::new();
        for person in people.all() {
            let own = own.contains(&person.row.customer);
            match self.opened(connection, person, own.then_some(contexts)).await? {
                Ok(person) => known.extend(person),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(Whom { known, names }))
    }

    /// A customer as answers are made of them: of their own contacts with their context, or with an
    /// empty one where nobody wants any; as a candidate without. `None` for one who does not open: the
    /// answers that need them say so.
    async fn opened(
        &self,
        connection: &mut Connection,
        person: Person,
        context: Option<bool>,
    ) -> Loaded<Option<Arc<Remembered>>> {
        let person = match people::with_key(self.service, self.tenant.id, person).await {
            Ok(Some(person)) => person,
            Ok(None) => return Ok(Ok(None)),
            Err(error) => return Ok(Err(error)),
        };
        match context {
            None => Ok(Ok(Some(Arc::new(person)))),
            Some(false) => Ok(Ok(Some(Arc::new(without_context(person))))),
            Some(true) => self.with_context(connection, person).await,
        }
    }

    async fn with_context(
        &self,
        connection: &mut Connection,
        person: Remembered,
    ) -> Loaded<Option<Arc<Remembered>>> {
        match self.remembered(&person) {
            Ok(Some(remembered)) => return Ok(Ok(Some(remembered))),
            Ok(None) | Err(Error::Sealed) => {}
            Err(error) => return Ok(Err(error)),
        }
        let asked = [(person.row.customer, Arc::clone(&person.key))];
        Ok(match load::contexts(self.service, self.tenant, connection, &asked).await? {
            Ok(mut contexts) => Ok(contexts.pop().map(|(context, _)| {
                Arc::new(Remembered { context: Some(Arc::new(context)), ..person })
            })),
            Err(Error::Sealed) => Ok(None),
            Err(error) => Err(error),
        })
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

/// A row that somebody asks for.
struct Wanted {
    happened: Happened,
    row: Entry,
    what: Said,
    fits: Vec<usize>,
}

/// Whom the answers will look up.
struct Whom {
    /// Those who open.
    known: Vec<Arc<Remembered>>,
    /// What the sets are called of all whose interactions are told of.
    names: Names,
}

/// An interaction as it stands now, by the same steps as GetInteraction's; `None` when it is gone.
async fn stands(
    desk: &mut Desk<'_, '_>,
    answers: &mut HashMap<Token, To>,
    row: &Entry,
    (opened, names): (&Opened, &Names),
) -> Result<Option<To>, Error> {
    if let Some(known) = answers.get(&row.interaction) {
        return Ok(Some(known.clone()));
    }
    let Some(state) = opened.newest(row.interaction) else { return Ok(None) };
    let to = match settled(desk, State::clone(state), Vec::new()).await {
        Ok(settled) => To::Interaction(Arc::new(settled)),
        Err(Error::Sealed) => {
            // One damaged customer keeps nobody from all that comes after. That it took place is told.
            tracing::error!(position = row.position, "whom an event is about does not open");
            let own = customer_of(&state.customer).filter(|_| state.settled);
            let customer = own.map(|own| names.get(&own).copied().unwrap_or(own));
            To::Unopened(Arc::clone(state), customer)
        }
        Err(error) => return Err(error),
    };
    answers.insert(row.interaction, to.clone());
    Ok(Some(to))
}

/// What answers that show nothing of a context are made of. What is tied to them is kept: on what an
/// interaction rests says what is to be done with whom it is settled on.
fn without_context(person: Remembered) -> Remembered {
    Remembered { context: Some(Arc::default()), ..person }
}
