//! What the clients of a test will ask, from a seed: few interactions of one or two people, asked
//! about by several clients at once, so that replays, conflicts, late starts, amendments and ends
//! without a start are normal.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::calls::{Asked, Said, Setting, Shows, Status, Which, Whom};

/// What kind of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) clients: usize,
    pub(crate) operations: usize,
    /// Customers are removed by time; then one identifier is enough.
    pub(crate) purges: bool,
    /// The clock is the test's own: what an update says has a time that is known exactly.
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
        let mut writing =
            Writing { random, shape, ids: Vec::new(), merges: 0, unmerges: 0, others: 0 };
        let mut clients = vec![Vec::new(); shape.clients];
        for _ in 0..shape.operations {
            let client = writing.random.random_range(0..shape.clients);
            let asked = writing.next();
            clients[client].push(asked);
        }
        let Writing { ids, merges, .. } = writing;
        Self { seed, shape, clients, ids, merges }
    }

    /// What is asked when all else is done: who is known by each identifier now, and how every
    /// interaction and its customer stand; and the same once more when all merges are taken back.
    pub(crate) fn closing(&self) -> Vec<Asked> {
        let mut closing = self.looks(0);
        if self.merges > 0 {
            closing.extend((0..self.merges).map(|merge| Asked::Unmerge {
                number: u16::MAX - merge,
                which: Which::Merge(merge),
            }));
            closing.extend(self.looks(2));
        }
        closing
    }

    fn looks(&self, earlier: u16) -> Vec<Asked> {
        let known = self.ids.len() as u16;
        let next = known + earlier;
        let (first, second) = ((true, false), (false, true));
        let shown = [first, second].into_iter().take(if self.shape.purges { 1 } else { 2 });
        let starts = shown.enumerate().map(|(index, (first, second))| {
            let shows = Shows { first, second };
            Asked::Start { id: next + index as u16, shows, channel: 0, time: None }
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
    /// Reassignments, links and unlinks.
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
            return self.start(id, 0);
        }
        if self.shape.purges && what >= 82 {
            return if self.random.random_bool(0.4) { Asked::Age } else { Asked::Sweep };
        }
        if !self.shape.purges && self.random.random_ratio(1, 4) {
            return self.correction();
        }
        let id = self.recent();
        match what {
            32..42 => {
                let channel = u8::from(self.random.random_bool(0.2));
                self.start(id, channel)
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

    fn other(&mut self) -> u16 {
        self.others += 1;
        self.others
    }

    fn start(&self, id: u16, channel: u8) -> Asked {
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
