//! What the clients of a test will ask, from a seed: few interactions of one or two people, asked
//! about by several clients at once, so that replays, conflicts, late starts, amendments and ends
//! without a start are normal.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::calls::{Asked, Said, Setting, Shows, Status, WRITTEN, Which, Whom};
use super::ground::REVOCABLE;

/// What kind of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) clients: usize,
    pub(crate) operations: usize,
    /// Customers are removed by time; then one identifier is enough.
    pub(crate) purges: bool,
    /// Customers are erased.
    pub(crate) erases: bool,
    /// API keys are revoked.
    pub(crate) revokes: bool,
    /// The clock is the test's own, and nobody waits before it is looked at: what an update says has
    /// a time that is known exactly.
    pub(crate) exact: bool,
    /// The shortest and the longest of the short times to live, in seconds.
    pub(crate) short_ttl: (i64, i64),
}

/// What each client will ask, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) shape: Shape,
    pub(crate) clients: Vec<Vec<Asked>>,
    /// What each interaction shows.
    ids: Vec<Shows>,
    /// Merges asked for.
    merges: u16,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn new(seed: u64, shape: Shape) -> Self {
        let random = StdRng::seed_from_u64(seed);
        let ids = Vec::new();
        let mut writing =
            Writing { random, shape, ids, merges: 0, unmerges: 0, previews: 0, others: 0 };
        let mut clients = vec![Vec::new(); shape.clients];
        for _ in 0..shape.operations {
            let client = writing.random.random_range(0..shape.clients);
            let asked = writing.next();
            let preview = match asked {
                Asked::Preview { number, .. } => Some(number),
                _ => None,
            };
            clients[client].push(asked);
            if let Some(of) = preview {
                writing.erasures(of, client, &mut clients);
            }
        }
        if shape.revokes {
            writing.revocations(&mut clients);
        }
        let Writing { ids, merges, .. } = writing;
        Self { seed, shape, clients, ids, merges }
    }

    /// What is asked when all else is done: who is known by each identifier now, and how every
    /// interaction and its customer stand; and the same once more when all merges are taken back, and,
    /// where people are erased, when somebody was.
    pub(crate) fn closing(&self) -> Vec<Asked> {
        let mut closing = self.looks(0);
        let mut merges = self.merges;
        // Half of the time while they are one person with somebody else.
        let together = (self.seed / 8).is_multiple_of(2);
        if self.shape.erases && together {
            let (one, other) = (Whom::Of(0), Whom::Of(1));
            closing.push(Asked::Merge { number: merges, one, other });
            merges += 1;
            closing.extend(self.last_erasure());
            closing.extend(self.looks(4));
        }
        if merges > 0 {
            closing.extend((0..merges).map(|merge| Asked::Unmerge {
                number: u16::MAX - merge,
                which: Which::Merge(merge),
            }));
            closing.extend(self.looks(2));
        }
        if self.shape.erases && !together {
            closing.extend(self.last_erasure());
            closing.extend(self.looks(4));
        }
        closing
    }

    /// Somebody is erased while nobody else asks anything; then every interaction ends once more.
    fn last_erasure(&self) -> Vec<Asked> {
        // By none of the numbers that ask for something odd.
        let (number, of, whom) = (u16::MAX - 1, u16::MAX - 1, Whom::Of(0));
        let ends = self.ids.iter().enumerate().map(|(id, shows)| {
            let said = Said { content: 3_000_000 + id as u32, ..Said::default() };
            Asked::End { id: id as u16, shows: *shows, revision: Some(99), said, time: None }
        });
        [Asked::Preview { number: of, whom }, Asked::Erase { number, of, whom }]
            .into_iter()
            .chain(ends)
            .collect()
    }

    fn looks(&self, earlier: u16) -> Vec<Asked> {
        let known = self.ids.len() as u16;
        let next = known + earlier;
        let (first, second) = ((true, false), (false, true));
        let shown = [first, second].into_iter().take(if self.shape.purges { 1 } else { 2 });
        let channel = u8::from(self.shape.purges);
        let starts = shown.enumerate().map(|(index, (first, second))| {
            let shows = Shows { first, second };
            Asked::Start { id: next + index as u16, shows, channel, time: None }
        });
        let looks = (0..known).filter(|_| !self.shape.purges);
        let looks = looks.map(|id| Asked::Look { whom: Whom::Of(id) });
        starts.chain((0..known).map(|id| Asked::Get { id })).chain(looks).collect()
    }

    /// The same without one request.
    pub(crate) fn without(&self, client: usize, index: usize) -> Self {
        let mut plan = self.clone();
        plan.clients[client].remove(index);
        plan
    }
}

struct Writing {
    random: StdRng,
    shape: Shape,
    /// What each interaction shows.
    ids: Vec<Shows>,
    merges: u16,
    unmerges: u16,
    previews: u16,
    /// Reassignments, links, unlinks and erasures.
    others: u16,
}

/// Interactions that are asked about again: the newest few.
const RECENT: usize = 4;
/// A variable that nobody says anything of lives for 30 days.
const LONG_TTL: i64 = 2_592_000;

impl Writing {
    fn next(&mut self) -> Asked {
        let what = self.random.random_range(0..100);
        if self.ids.is_empty() || what < 32 {
            let id = self.new_id();
            return self.start(id, false);
        }
        if self.shape.purges && what >= 82 {
            return if self.random.random_bool(0.4) { Asked::Age } else { Asked::Sweep };
        }
        if self.shape.erases && self.random.random_ratio(1, 5) {
            let number = self.previews;
            self.previews += 1;
            return Asked::Preview { number, whom: Whom::Of(self.recent()) };
        }
        if !self.shape.purges && self.random.random_ratio(1, 4) {
            return self.correction();
        }
        let id = self.recent();
        match what {
            32..42 => {
                let other = self.random.random_bool(0.2);
                self.start(id, other)
            }
            42..56 => self.update(id),
            56..60 => {
                let id = self.new_id();
                self.end(id)
            }
            60..88 => self.end(id),
            _ => Asked::Get { id },
        }
    }

    /// Somebody says who is who after all.
    fn correction(&mut self) -> Asked {
        match self.random.random_range(0..10) {
            0..3 if self.merges > 0 => {
                let number = self.unmerges;
                self.unmerges += 1;
                let of = self.random.random_range(0..self.merges);
                let by_id = self.random.random_bool(0.6);
                let which = if by_id { Which::Merge(of) } else { Which::BetweenThoseOf(of) };
                Asked::Unmerge { number, which }
            }
            0..6 => {
                let number = self.merges;
                self.merges += 1;
                let (one, other) = (self.recent(), self.recent());
                Asked::Merge { number, one: Whom::Of(one), other: Whom::Of(other) }
            }
            6..8 => {
                let (id, whom) = (self.recent(), Whom::Of(self.recent()));
                let to = self.random.random_bool(0.6).then_some(whom);
                Asked::Reassign { id, number: self.other(), to }
            }
            _ => {
                let (whom, index) = (Whom::Of(self.recent()), self.random.random_range(0..2));
                let holds = self.random.random_bool(0.5);
                Asked::Tie { number: self.other(), whom, index, holds }
            }
        }
    }

    /// Whoever has looked at a preview erases, mostly at once, sometimes twice, and sometimes somebody
    /// else does.
    fn erasures(&mut self, of: u16, client: usize, clients: &mut [Vec<Asked>]) {
        let (number, whom) = (self.other(), Whom::Of(self.recent()));
        let times = 1 + usize::from(self.random.random_bool(0.15));
        for _ in 0..times {
            let at_once = self.random.random_bool(0.8);
            let anybody = self.random.random_range(0..clients.len());
            let client = if at_once { client } else { anybody };
            clients[client].push(Asked::Erase { number, of, whom });
        }
    }

    /// Each key but the first is revoked, at any time.
    fn revocations(&mut self, clients: &mut [Vec<Asked>]) {
        for key in 1..=REVOCABLE {
            let client = self.random.random_range(0..clients.len());
            let place = self.random.random_range(0..=clients[client].len());
            clients[client].insert(place, Asked::Revoke { key });
        }
    }

    fn other(&mut self) -> u16 {
        self.others += 1;
        self.others
    }

    /// Every other interaction is written; asked for as if it were on the other channel, it is another.
    fn start(&self, id: u16, other: bool) -> Asked {
        let channel = if (id % 2 == 1) ^ other { WRITTEN } else { 0 };
        Asked::Start { id, shows: self.ids[usize::from(id)], channel, time: None }
    }

    fn new_id(&mut self) -> u16 {
        let (first, second) = match self.random.random_range(0..10) {
            _ if self.shape.purges => (true, false),
            0..5 => (true, false),
            5..7 => (false, true),
            _ => (true, true),
        };
        self.ids.push(Shows { first, second });
        (self.ids.len() - 1) as u16
    }

    fn recent(&mut self) -> u16 {
        let oldest = self.ids.len().saturating_sub(RECENT);
        self.random.random_range(oldest..self.ids.len()) as u16
    }

    fn update(&mut self, id: u16) -> Asked {
        let update = if self.shape.exact { self.random.random_range(0..2) } else { 0 };
        let variant = u32::from(self.random.random_bool(0.15));
        // Where nobody knows the time of an update exactly, its names are its own.
        let own = (!self.shape.exact).then_some(100 + id);
        let said =
            self.said(1_000_000 + u32::from(id) * 100 + u32::from(update) * 10 + variant, own);
        Asked::Update { id, update, said }
    }

    fn end(&mut self, id: u16) -> Asked {
        let revision = match self.random.random_range(0..10) {
            0..6 => None,
            _ => Some(self.random.random_range(1..4)),
        };
        let variant = u32::from(self.random.random_bool(0.15));
        let part = revision.map_or(0, |it| it as u32);
        let said = self.said(2_000_000 + u32::from(id) * 100 + part * 10 + variant, None);
        Asked::End { id, shows: self.ids[usize::from(id)], revision, said, time: None }
    }

    /// What is said under one content is always the same.
    fn said(&self, content: u32, own: Option<u16>) -> Said {
        let mut random = StdRng::seed_from_u64(u64::from(content));
        let mut said = Said { content, ..Said::default() };
        let mut names: Vec<u16> = own.map_or_else(|| (0..3).collect(), |name| vec![name]);
        names.retain(|_| random.random_bool(0.6));
        for name in &names {
            let (least, most) = self.shape.short_ttl;
            let short = own.is_none() && random.random_bool(0.25);
            let ttl_seconds = if short { random.random_range(least..=most) } else { LONG_TTL };
            said.settings.push(Setting { name: *name, value: content, ttl_seconds });
        }
        let statuses =
            [Status::Open, Status::Open, Status::Escalated, Status::Resolved, Status::Abandoned];
        let intents = own.map_or_else(|| vec![0, 1], |name| vec![name]);
        for name in intents {
            if random.random_bool(0.6) {
                let status = *statuses.choose(&mut random).expect("five of them");
                said.intents.push((name, status));
            }
        }
        said
    }
}
