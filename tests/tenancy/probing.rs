//! The probes themselves: the same request in two tenants, once with what a third one has, once with
//! what nobody has, and everything that came back held against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use regex::Regex;
use serde_json::{Value, json};
use threadline::clock::{Clock, HOUR, SECOND, Time};
use threadline::ids::TenantId;
use tonic::Code;

use super::lane::{Lane, ROLES};
use super::request::{self, Probe};
use super::table::{self, Kind};
use super::target::{Place, Target};
use super::times::{Bound, Comparison, Times};
use super::victim::{CANARY, Foreign, TENANT, Victim};
use super::wire::Answer;
use super::{doors, rows, ways};
use crate::support::issuer::Issuer;
use crate::support::{Engine, Setup};

/// Probes after which each prober has new things of its own: what a probe did to them is forgotten.
const FRESH_AFTER: usize = 60;
/// How often what seems to differ in time is measured again, and in how many rounds: an even number, so
/// that each tenant is on both sides.
const AGAIN: usize = 3;
const ROUNDS_AGAIN: usize = 4;
/// Roles that may call nothing at all of what is asked are refused before anything is looked at.
const REFUSED_BEFORE: [Code; 3] =
    [Code::PermissionDenied, Code::InvalidArgument, Code::Unimplemented];
/// Strings whose probes get no further than the check of the request, and why.
const UNREACHED: &[(&str, &str)] = &[
    ("resume_token", "what was not given for this tenant, call and filter is refused"),
    ("identity_hints.web_token", "what the tenant's own issuer has not signed is refused"),
];

const ISSUER: &str = "https://login.example.com/";

/// What a token says of a subject.
pub fn claims(subject: &str, now: Time) -> Value {
    let now = now.0 / 1_000;
    json!({"iss": ISSUER, "aud": "threadline", "sub": subject, "iat": now - 7_200, "exp": now + 86_000})
}

/// How many probes are wanted: all of a round at least.
pub fn wanted() -> usize {
    std::env::var("THREADLINE_PROBES").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn settings(issuers: &[(&str, &Issuer)]) -> String {
    let one = |(tenant, issuer): &(&str, &Issuer)| {
        let pem = issuer.pem().replace('\n', "\\n");
        format!(
            "[tenants.{tenant}.web_token]\nissuer = \"{ISSUER}\"\naudience = \"threadline\"\n\
             [[tenants.{tenant}.web_token.keys]]\nkid = \"{}\"\npem = \"{pem}\"\n",
            issuer.key_id
        )
    };
    issuers.iter().map(one).collect()
}

/// The tenants, and what was found so far.
struct Stand {
    engine: Engine,
    /// What a way to call must have in its name.
    chosen: String,
    /// What alone is measured again.
    again: Option<BTreeSet<Comparison>>,
    victim: Victim,
    lanes: [Lane; 2],
    texts: Regex,
    clock: Clock,
    /// When the probes began.
    now: Time,
    begun: String,
    times: Times,
    round: usize,
    probes: usize,
    reached: BTreeSet<String>,
    tried: BTreeSet<String>,
    /// Every way to call an RPC, and whether anything was looked for when it was used.
    ways: BTreeMap<String, bool>,
}

pub async fn probe(engine: Engine) {
    let now = Clock::System.now().0;
    let now = Time(now - now % SECOND);
    let [issuer, one, other, stranger] =
        ["key-a", "key-b", "key-c", "key-d"].map(|id| Issuer::new("EdDSA", id));
    let mut trusted = settings(&[(TENANT, &issuer), ("globex", &one), ("initech", &other)]);
    let folder = tempfile::tempdir().expect("a folder");
    trusted.push_str(&doors::settings(folder.path(), &[TENANT, "globex", "initech"]));
    let clock = Clock::manual(Time(now.0 - HOUR));
    let world = Setup::on(engine).settings(&trusted).clock(&clock).open().await;
    let victim = Victim::fill(&world, &issuer, &stranger, now).await;
    let seen = victim.seen().await;
    // What the others see is of a later hour: an earlier time in an answer is the victim's.
    clock.set(now);
    let lanes = [Lane::of(&world, "globex").await, Lane::of(&world, "initech").await];
    let texts = Regex::new("cus_[0-9a-z]{26}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z").expect("one");
    let (times, reached, tried) = (Times::default(), BTreeSet::new(), BTreeSet::new());
    let begun = prost_types::Timestamp { seconds: now.0 / 1_000, nanos: 0 }.to_string();
    // With or without parts of a second, later texts come after it.
    let begun = begun.trim_end_matches('Z').to_owned();
    let mut stand = Stand {
        engine,
        chosen: std::env::var("THREADLINE_PROBE").unwrap_or_default(),
        again: None,
        victim,
        lanes,
        texts,
        clock: clock.clone(),
        now,
        begun,
        times,
        round: 0,
        probes: 0,
        reached,
        tried,
        ways: BTreeMap::new(),
    };
    let before = rows::of(&world, TenantId(1)).await;
    stand.rounds().await;
    let apart = stand.told_by_time().await;
    println!("{engine:?}: {} probes", stand.probes);
    let after = rows::of(&world, TenantId(1)).await;
    for (table, rows) in &before {
        assert!(after[table] == *rows, "rows of the victim's have changed in {table}");
    }
    clock.set(Time(now.0 - HOUR));
    assert!(seen == stand.victim.seen().await, "the victim sees something else than before");
    let unused: Vec<&String> =
        stand.ways.iter().filter(|(_, used)| !**used).map(|it| it.0).collect();
    assert!(unused.is_empty(), "nothing was looked for by {unused:?}");
    let unreached = stand.tried.difference(&stand.reached);
    let unreached: Vec<&String> = unreached
        .filter(|name| !UNREACHED.iter().any(|(path, _)| name.ends_with(&format!(" {path}"))))
        .collect();
    assert!(unreached.is_empty(), "refused before anything was looked for: {unreached:?}");
    assert!(apart.is_empty(), "who asks can tell by the time: {apart:#?}");
    world.close().await;
}

/// What is no chance is a difference from some size on: a smaller one nobody sees from outside.
pub fn bound() -> Bound {
    Bound { part: 0.05, least: Duration::from_micros(20) }
}

impl Stand {
    /// A moment for each probe.
    fn moment(&self) -> Time {
        self.now.plus(10 * self.probes as i64)
    }

    /// Every RPC, way to call it, string and role, with another value of the victim's each time, until enough were
    /// sent.
    async fn rounds(&mut self) {
        let wanted = wanted();
        while self.round == 0 || self.probes < wanted {
            self.one_round().await;
        }
    }

    async fn one_round(&mut self) {
        self.refresh().await;
        for method in &request::methods() {
            let (paths, bases) = (request::paths(&method.input()), table::bases(method.name()));
            for way in &ways::of(method) {
                for (base, path) in
                    bases.iter().flat_map(|base| paths.iter().map(move |it| (base, it)))
                {
                    let kind = table::kind_of(path).expect("a test of its own says so");
                    let target = Target::Rpc { method, way, base, path };
                    self.place(&Place { target, kind }).await;
                }
            }
        }
        for door in &doors::all() {
            for (at, kind) in &door.places {
                self.place(&Place { target: Target::Door(door, *at), kind: *kind }).await;
            }
        }
        self.round += 1;
    }

    /// Where whoever asks can tell by the time. What seems so is measured again, alone, with each tenant
    /// on both sides: what others did to the machine meanwhile does not come back on the same side every
    /// time, and what the two tenants differ in cancels out. What is there, is there every time.
    async fn told_by_time(&mut self) -> BTreeMap<Comparison, String> {
        let mut apart = self.times.report(bound());
        for _ in 0..AGAIN {
            if apart.is_empty() {
                break;
            }
            println!("in doubt, and measured again: {apart:#?}");
            self.again = Some(apart.into_keys().collect());
            self.times = Times::default();
            for _ in 0..ROUNDS_AGAIN {
                self.one_round().await;
            }
            apart = self.times.report(bound());
        }
        apart
    }

    fn is_wanted(&self, place: &Place<'_>) -> bool {
        let again = self.again.as_ref();
        place.kind != Kind::Text
            && place.way().contains(&self.chosen)
            && again.is_none_or(|again| again.contains(&(place.name(), place.kind)))
    }

    async fn place(&mut self, place: &Place<'_>) {
        if !self.is_wanted(place) {
            return;
        }
        let of_kind = |it: &&Foreign| it.kind == place.kind;
        let all: Vec<&Foreign> = self.victim.foreign.iter().filter(of_kind).collect();
        assert!(!all.is_empty(), "the victim has no {:?}", place.kind);
        // Of sources, pages and hooks each kind is looked for elsewhere: all of them at once.
        let differ = matches!(place.kind, Kind::Source | Kind::PageToken | Kind::Hook);
        let at_once = if differ { all.len() } else { 1 };
        let chosen = (0..at_once).map(|next| all[(self.round + next) % all.len()]);
        let chosen: Vec<[Probe; 2]> =
            chosen.map(|it| [it.known.clone(), it.missing.clone()]).collect();
        // Whoever is refused at the door is soon answered, and there are few such places: more pairs.
        let refused = matches!(place.kind, Kind::Hook | Kind::Secret | Kind::Key);
        let repeated = if refused { 5 } else { 1 };
        for probes in chosen.iter().flat_map(|probes| std::iter::repeat_n(probes, repeated)) {
            for role in ROLES {
                if self.probes % FRESH_AFTER == FRESH_AFTER - 1 {
                    self.refresh().await;
                }
                self.probes += 1;
                self.clock.set(self.moment());
                self.pair(place, role, [&probes[0], &probes[1]]).await;
            }
        }
    }

    /// Gives the lanes new things of their own: the same to both, at the same moments.
    async fn refresh(&mut self) {
        self.probes += 1;
        let begun = self.moment();
        for lane in &mut self.lanes {
            lane.refresh(self.probes, &self.clock, begun).await;
        }
    }

    /// One probe. From round to round the lanes change places.
    async fn pair(&mut self, place: &Place<'_>, role: &str, probes: [&Probe; 2]) {
        let (n, now) = (self.probes, self.store_time());
        let (name, way, string) = (place.name(), place.way(), place.string());
        let (foreign, first) = (self.round % 2, self.times.first(&name, place.kind));
        let mut answers = [None, None];
        for which in [first, 1 - first] {
            let lane = &self.lanes[if which == 0 { foreign } else { 1 - foreign }];
            // A way that has no place for this has none for its twin.
            let came = place.send(lane, role, (n, now), probes[which]).await;
            let Some((asked, answer)) = came else { return };
            self.holds_nothing(place, role, &asked, &answer);
            answers[which] = Some(answer);
        }
        let [Some(known), Some(missing)] = answers else { return };
        let told = [(&known, probes[0]), (&missing, probes[1])]
            .map(|(answer, probe)| self.told(place, answer, probe));
        let about = place.about();
        assert_eq!(told[0], told[1], "{role} {about}: what is elsewhere looks otherwise");
        let looked = !REFUSED_BEFORE.contains(&known.code);
        *self.ways.entry(way).or_default() |= looked;
        if looked {
            self.reached.insert(string.clone());
            self.times.note(&name, place.kind, [known.took, missing.took]);
        }
        self.tried.insert(string);
    }

    /// What a hook is to be signed at: on PostgreSQL the store has a clock of its own.
    fn store_time(&self) -> Time {
        match self.engine {
            Engine::Sqlite => self.moment(),
            Engine::Postgres => Clock::System.now(),
        }
    }

    fn holds_nothing(&self, place: &Place<'_>, role: &str, asked: &[u8], answer: &Answer) {
        let bytes = answer.bytes();
        let text = String::from_utf8_lossy(&bytes);
        let asked = String::from_utf8_lossy(asked);
        let leaked = |canary: &str| text.contains(canary) && !asked.contains(canary);
        let found =
            self.victim.refs.iter().map(String::as_str).chain([CANARY]).find(|it| leaked(it));
        let about = format!("{role} {}", place.about());
        assert!(found.is_none(), "{about}: the answer holds {found:?}: {text}");
    }

    /// All of an answer, without what differs between any two tenants.
    fn told(&self, place: &Place<'_>, answer: &Answer, probe: &Probe) -> String {
        let alike = |text: &str| {
            let text = text.replace(&probe.value, "PROBE").replace("none", "acme");
            let text = text.replace("415557", "415556").replace("900557", "900556");
            self.texts.replace_all(&text, "…").into_owned()
        };
        let mut bodies = place.shown(answer);
        let text = bodies.to_string();
        let mut times = self.texts.find_iter(&text).map(|it| it.as_str());
        let early = times.find(|it| !it.starts_with("cus_") && *it < &*self.begun);
        assert!(early.is_none(), "{}: {early:?} is a time of the victim's", place.way());
        without_names(&mut bodies, &alike);
        let details = alike(&String::from_utf8_lossy(&answer.details));
        let metadata = alike(&String::from_utf8_lossy(&answer.metadata));
        let message = alike(&answer.message);
        format!("{:?} {message} {details} {metadata} {bodies}", answer.code)
    }
}

/// Takes out what is random or masked, and puts lists in an order of their own.
fn without_names(value: &mut Value, alike: &impl Fn(&str) -> String) {
    match value {
        Value::Object(fields) => {
            let named = std::mem::take(fields).into_iter().map(|(name, mut value)| {
                const OPAQUE: [&str; 7] = [
                    "merge_id",
                    "merge_ids",
                    "conflict_id",
                    "next_page_token",
                    "label",
                    "preview_token",
                    "resume_token",
                ];
                // PostgreSQL's clock goes on between the two, and each preview is one more entry
                // on the prober's own.
                let elapsed = ["duration_seconds", "journal_entry_count"].contains(&&*name);
                match &mut value {
                    value if elapsed => *value = "…".into(),
                    Value::String(text) if OPAQUE.contains(&&*name) => *text = "…".into(),
                    Value::Array(all) if OPAQUE.contains(&&*name) => all.fill("…".into()),
                    value => without_names(value, alike),
                }
                (alike(&name), value)
            });
            *fields = named.collect();
        }
        Value::Array(all) => {
            all.iter_mut().for_each(|one| without_names(one, alike));
            all.sort_by_key(Value::to_string);
        }
        Value::String(text) => *text = alike(text),
        Value::Number(number) if number.is_f64() => {
            // Of candidates who are as good as each other, one may be some milliseconds older.
            let thousandths = number.as_f64().map_or(0.0, |it| (it * 1e3).round() + 0.0);
            *value = (thousandths as i64).into();
        }
        _ => {}
    }
}
