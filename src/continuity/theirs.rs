//! Everything that is one person's: whoever is one with them, and what the journal holds of them.
//!
//! The journal has no index by customer: it is walked once, and what was walked is remembered, since
//! it only grows. Of a long journal one request may not see the end in its time: the next goes on from
//! there.

mod counting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::Error;
use super::desk::Desk;
use super::naming::named;
use super::record::ErasureRecord;
use super::unopened;
use crate::cache::Remembered;
use crate::ids::{CustomerId, Stamp, Token};
use crate::store::belonging::{self, Found, Stretch};
use crate::store::rows::Verb;

/// Interactions whose rows are read at once.
const STEP: usize = 1_024;

/// How far the journal was walked, and what was found. Several may walk on at once.
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

/// Looks up everything of the person that a ref names. That something of it does not open is no
/// reason to keep it: it is there, and counts.
///
/// # Errors
/// [`Error::Erased`], [`Error::CustomerNotFound`], and the store's.
pub(super) async fn theirs(
    desk: &mut Desk<'_, '_>,
    customer_ref: &str,
    walked: &Mutex<Walked>,
) -> Result<Theirs, Error> {
    see(desk, customer_ref).await?;
    let customer = named(desk, customer_ref).await?;
    let person = desk.there(customer, false).await?;
    let mut members = members(desk, &person).await?;
    members.sort_unstable();
    let mut theirs = of_members(desk, person.set_name(), members, walked).await?;
    counting::count(desk, &mut theirs).await?;
    Ok(theirs)
}

/// Looks up everybody whom a ref leads to, whether their keys open or not: whoever asks for them at
/// this desk after that is told of them.
async fn see(desk: &mut Desk<'_, '_>, customer_ref: &str) -> Result<(), Error> {
    let mut next = CustomerId::parse_ref(customer_ref);
    let mut seen = BTreeSet::new();
    while let Some(id) = next.filter(|id| seen.insert(*id)) {
        let person = unopened::people(desk, &[id]).await?.remove(&id);
        next = person.and_then(|person| person.row.moved_to);
    }
    Ok(())
}

/// Everybody who is one person with somebody, in no order.
async fn members(
    desk: &mut Desk<'_, '_>,
    person: &Arc<Remembered>,
) -> Result<Vec<CustomerId>, Error> {
    match desk.set_of(person, false).await {
        // One after the other: what has changed meanwhile is found out when it is erased.
        Err(Error::Sealed) => {
            Ok(unopened::people(desk, &person.members).await?.into_keys().collect())
        }
        set => Ok(set?.iter().map(|member| member.row.customer).collect()),
    }
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
    let people = unopened::people(desk, &ids).await?;
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
        .load(Box::new(move |connection| {
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

/// Walks on to the journal's end from where the last walk of the same people stopped; what was found
/// up to there. Each stretch is remembered when it was walked, whatever becomes of the request.
async fn walk(
    desk: &mut Desk<'_, '_>,
    theirs: &mut Theirs,
    walked: &Mutex<Walked>,
) -> Result<BTreeMap<i64, Found>, Error> {
    let tenant = desk.tenant_id();
    let people: Vec<CustomerId> = theirs.everybody.keys().copied().collect();
    // Only whole stretches are put behind this lock: a poisoned one is still whole.
    let lock = || walked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut begun_again = false;
    loop {
        let (of, after) = (people.clone(), lock().begin(&people));
        let stretch = desk
            .reads
            .load(Box::new(move |connection| {
                Box::pin(async move { belonging::stretch(connection, tenant, &of, after).await })
            }))
            .await?;
        let (until, is_last) = (stretch.until, stretch.is_last);
        if until < after && !begun_again {
            // The journal may have been put back: what was found beyond its end is of another one. Or
            // this snapshot is older than somebody else's: then once is one walk too many.
            begun_again = true;
            *lock() = Walked::default();
            continue;
        }
        lock().add(&people, after, stretch);
        if let Some(found) = lock().up_to(&people, until).filter(|_| is_last) {
            theirs.until = until;
            return Ok(found);
        }
    }
}

impl Walked {
    /// Where to go on for these people: at the beginning, if it was walked for others.
    fn begin(&mut self, people: &[CustomerId]) -> i64 {
        if self.of != people {
            *self = Self { of: people.to_vec(), ..Self::default() };
        }
        self.until
    }

    /// What was found after a position, unless somebody else walked there meanwhile, or for others.
    fn add(&mut self, people: &[CustomerId], after: i64, stretch: Stretch) {
        if self.of == people && self.until == after && stretch.until > after {
            self.found.extend(stretch.found.into_iter().map(|one| (one.position, one)));
            self.until = stretch.until;
        }
    }

    /// All that was found up to a position, if it was walked that far. What is further on was written
    /// after what else the request reads.
    fn up_to(&self, people: &[CustomerId], until: i64) -> Option<BTreeMap<i64, Found>> {
        let found = self.found.range(..=until).map(|(position, one)| (*position, *one));
        (self.of == people && self.until >= until).then(|| found.collect())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: CustomerId = CustomerId([1; 16]);
    const BEN: CustomerId = CustomerId([2; 16]);

    fn stretch(positions: &[i64], until: i64) -> Stretch {
        let found = |position: &i64| Found {
            position: *position,
            interaction: Token([0; 16]),
            verb: 1,
            customer: Some(ANN),
            named: None,
        };
        Stretch { found: positions.iter().map(found).collect(), until, is_last: false }
    }

    fn found(walked: &Walked, until: i64) -> Option<Vec<i64>> {
        walked.up_to(&[ANN], until).map(|found| found.into_keys().collect())
    }

    #[test]
    fn a_walk_goes_on_where_it_stopped_and_for_others_from_the_beginning() {
        let mut walked = Walked::default();
        assert_eq!(walked.begin(&[ANN]), 0);
        walked.add(&[ANN], 0, stretch(&[3, 7], 10));
        assert_eq!(walked.begin(&[ANN]), 10);
        walked.add(&[ANN], 10, stretch(&[12], 20));
        assert_eq!(found(&walked, 20), Some(vec![3, 7, 12]));
        assert_eq!(walked.begin(&[ANN, BEN]), 0);
        assert_eq!(found(&walked, 0), None, "it is of others now");
    }

    #[test]
    fn two_who_walk_at_once_find_everything_once() {
        let mut walked = Walked::default();
        let (one, other) = (walked.begin(&[ANN]), walked.begin(&[ANN]));
        walked.add(&[ANN], one, stretch(&[3, 7], 10));
        // Its snapshot was a later one: it walks there again.
        walked.add(&[ANN], other, stretch(&[3, 7, 12], 20));
        assert_eq!((found(&walked, 10), found(&walked, 20)), (Some(vec![3, 7]), None));
        walked.add(&[ANN], 10, stretch(&[12], 20));
        // Whose snapshot ends before is told nothing of later rows.
        assert_eq!(found(&walked, 11), Some(vec![3, 7]));
        walked.add(&[ANN], 20, stretch(&[], 11));
        assert_eq!(walked.begin(&[ANN]), 20);
    }
}
