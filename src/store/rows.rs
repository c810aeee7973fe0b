//! One struct a table, as it is inserted: columns in the order of its migration.

use crate::clock::Time;
use crate::ids::{CustomerId, KeyId, Stamp, Token};

use super::statement::{Arguments, Row};

pub use super::verbs::{Outcome, Verb};

macro_rules! row {
    ($(#[$doc:meta])* $name:ident, $table:literal, $conflict:literal, { $($(#[$field_doc:meta])* $field:ident : $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type),* }
        impl Row for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),*];
            const ON_CONFLICT: &'static str = $conflict;
            fn bind(&self, arguments: &mut Arguments) { $(arguments.push(&self.$field);)* }
        }
    };
}

row!(
    /// A wrapped data key.
    DataKeyRow, "data_key", "ON CONFLICT DO NOTHING", {
        /// The key's random name.
        data_key: KeyId,
        /// The root key that wraps it.
        root_version: i64,
        /// The key under the root key.
        wrapped: Vec<u8>,
    }
);

row!(
    /// A person known to a tenant.
    CustomerRow, "customer",
    "ON CONFLICT (tenant, customer) DO UPDATE SET stamp = excluded.stamp, \
     last_contact = excluded.last_contact, contacts = excluded.contacts, \
     disclosure = excluded.disclosure, moved_to = excluded.moved_to, \
     archived = excluded.archived", {
        /// The opaque id.
        customer: CustomerId,
        /// The key that seals what is theirs.
        data_key: KeyId,
        /// Set by the writer.
        stamp: Stamp,
        /// Event time of the first contact.
        created: Time,
        /// Store time of the first write.
        received: Time,
        /// Event time of the newest settled contact; zero when none.
        last_contact: Time,
        /// Settled contacts so far.
        contacts: i64,
        /// Code of the cap on what is shown.
        disclosure: i64,
        /// Whom this ref resolves to; empty while it stands for itself.
        moved_to: Option<CustomerId>,
        /// The set it belongs to, by its oldest member; empty while alone. Written when the
        /// customer is made and by a merge or unmerge only.
        set_name: Option<CustomerId>,
        /// Store time at which they were set aside for want of a contact; zero while active.
        archived: Time,
    }
);

/// A customer whose set changes. Other writes do not mention the set: an index holds it.
pub(super) struct Rejoined<'a>(pub &'a CustomerRow);

impl Row for Rejoined<'_> {
    const TABLE: &'static str = CustomerRow::TABLE;
    const COLUMNS: &'static [&'static str] = CustomerRow::COLUMNS;
    const ON_CONFLICT: &'static str = "ON CONFLICT (tenant, customer) DO UPDATE SET \
        stamp = excluded.stamp, last_contact = excluded.last_contact, \
        contacts = excluded.contacts, disclosure = excluded.disclosure, \
        moved_to = excluded.moved_to, set_name = excluded.set_name, archived = excluded.archived";

    fn bind(&self, arguments: &mut Arguments) {
        self.0.bind(arguments);
    }
}

row!(
    /// An edge between two customers who are one person.
    MergeRow, "customer_merge",
    "ON CONFLICT (tenant, merge_id) DO UPDATE SET state = excluded.state, \
     made = excluded.made, undone = excluded.undone, content = excluded.content, \
     revision = excluded.revision", {
        /// Which merge: the token of the request that made it.
        merge_id: Token,
        /// The older of the two.
        one: CustomerId,
        /// The younger one.
        other: CustomerId,
        /// In force, undone or proposed.
        state: MergeState,
        /// Store time; set by the writer where it is zero.
        made: Time,
        /// Store time of the unmerge; zero while in force.
        undone: Time,
        /// Sealed: who, why, on what evidence.
        content: Vec<u8>,
        /// Random, new whenever the content is sealed: an older content does not open beside it.
        revision: i64,
    }
);

row!(
    /// One row a token, whoever owns it.
    HeadRow, "head", "ON CONFLICT (tenant, token) DO UPDATE SET stamp = excluded.stamp", {
        /// The identifier's blind index.
        token: Token,
        /// New whenever its owners change.
        stamp: Stamp,
    }
);

row!(
    /// One customer's tie to one identifier.
    LinkRow, "link",
    "ON CONFLICT (tenant, customer, token) DO UPDATE SET assurance = excluded.assurance, \
     uses = excluded.uses, weight = excluded.weight, newest = excluded.newest, \
     confirmed = excluded.confirmed", {
        /// Whose.
        customer: CustomerId,
        /// Which identifier.
        token: Token,
        /// The highest assurance it was linked with.
        assurance: i64,
        /// Settled contacts that showed it.
        uses: i64,
        /// Decayed use counter at `newest`.
        weight: f64,
        /// Event time of its newest use.
        newest: Time,
        /// Sealed kind, namespace and value.
        identifier: Vec<u8>,
        /// Event time of its newest use that somebody confirmed; zero when there was none.
        confirmed: Time,
    }
);

/// A tie that was used once more and is otherwise as it was. Its assurance is not mentioned: an
/// index holds it, and SQLite would write that anew for every use.
pub(super) struct UsedLink<'a>(pub &'a LinkRow);

impl Row for UsedLink<'_> {
    const TABLE: &'static str = LinkRow::TABLE;
    const COLUMNS: &'static [&'static str] = LinkRow::COLUMNS;
    const ON_CONFLICT: &'static str = "ON CONFLICT (tenant, customer, token) DO UPDATE SET \
        uses = excluded.uses, weight = excluded.weight, newest = excluded.newest, \
        confirmed = excluded.confirmed";

    fn bind(&self, arguments: &mut Arguments) {
        self.0.bind(arguments);
    }
}

row!(
    /// What was said of one tie beside any contact.
    TieRow, "tie",
    "ON CONFLICT (tenant, customer, token) DO UPDATE SET assurance = excluded.assurance, \
     untied = excluded.untied", {
        /// Whose.
        customer: CustomerId,
        /// Which identifier.
        token: Token,
        /// Code of the assurance that a direct link gives; 0 when there is none.
        assurance: i64,
        /// Contacts that began until then give no reason for it; zero when it was never unlinked.
        untied: Time,
    }
);

row!(
    /// A customer of whom different things were said.
    DisputeRow, "dispute", "ON CONFLICT DO NOTHING", {
        /// Whose.
        customer: CustomerId,
    }
);

row!(
    /// A contact in a customer's history.
    InteractionRow, "interaction",
    "ON CONFLICT (tenant, customer, ended, interaction) DO UPDATE SET state = excluded.state, \
     started = excluded.started, received = excluded.received, channel = excluded.channel, \
     direction = excluded.direction, confirmed = excluded.confirmed, counted = excluded.counted, \
     contact = excluded.contact, agent = excluded.agent, queue = excluded.queue, \
     brand = excluded.brand, disposition = excluded.disposition, content = excluded.content, \
     revision = excluded.revision", {
        /// In whose history.
        customer: CustomerId,
        /// Event time of its end, of its start while active.
        ended: Time,
        /// Which interaction.
        interaction: Token,
        /// Active, ended or never ended.
        state: i64,
        /// Event time of its start.
        started: Time,
        /// Store time; set by the writer.
        received: Time,
        /// The channel's name.
        channel: String,
        /// Code of the direction.
        direction: i64,
        /// Whether it is settled.
        confirmed: bool,
        /// Whether it feeds counters.
        counted: bool,
        /// The first interaction of its chain.
        contact: Token,
        /// The agent's label.
        agent: Option<Token>,
        /// The queue's label.
        queue: Option<Token>,
        /// The brand's label.
        brand: Option<Token>,
        /// The disposition's label.
        disposition: Option<Token>,
        /// Sealed: everything else.
        content: Vec<u8>,
        /// Random, new whenever the content is sealed: an older content does not open beside it.
        revision: i64,
    }
);

row!(
    /// What one interaction said of one intent.
    FactRow, "intent_fact",
    "ON CONFLICT (tenant, customer, interaction, intent, reference) DO UPDATE SET \
     status = excluded.status, counts = excluded.counts, time = excluded.time, \
     contact = excluded.contact, channel = excluded.channel, \
     sensitivity = excluded.sensitivity", {
        /// Whose.
        customer: CustomerId,
        /// Which interaction said so.
        interaction: Token,
        /// The intent's label.
        intent: Token,
        /// Which one; empty when no reference was given.
        reference: Option<Token>,
        /// Code of the status.
        status: i64,
        /// Whether it is an attempt.
        counts: bool,
        /// Event time.
        time: Time,
        /// The first interaction of the chain.
        contact: Token,
        /// The channel's name.
        channel: String,
        /// Code of the sensitivity.
        sensitivity: i64,
        /// Sealed reference text. What stands in the row's key says which: it is sealed once.
        content: Vec<u8>,
    }
);

row!(
    /// Values that one write set.
    BlockRow, "block", "ON CONFLICT DO NOTHING", {
        /// Whose.
        customer: CustomerId,
        /// Variables, profile attributes or consents.
        kind: BlockKind,
        /// Which interaction wrote it.
        interaction: Token,
        /// Tells blocks of one interaction apart: random, and growing within one operation.
        part: i64,
        /// Set by the writer: the journal position of the write.
        position: i64,
        /// When all in it have expired.
        expire: Time,
        /// Sealed names and values.
        content: Vec<u8>,
    }
);

row!(
    /// A label's text, once.
    LabelRow, "label", "ON CONFLICT DO NOTHING", {
        /// Class and text, blind.
        token: Token,
        /// Sealed text.
        content: Vec<u8>,
    }
);

row!(
    /// What was decided: guard, outbox entry and audit entry.
    JournalRow, "journal",
    "ON CONFLICT (tenant, interaction, verb, part) DO NOTHING", {
        /// Which interaction.
        interaction: Token,
        /// What was done.
        verb: Verb,
        /// The update's id, the end's revision; empty otherwise.
        part: Vec<u8>,
        /// Set by the writer.
        position: i64,
        /// Keyed hash of the request's content.
        fingerprint: Vec<u8>,
        /// Store time; set by the writer.
        received: Time,
        /// Event time.
        time: Time,
        /// The channel's name.
        channel: String,
        /// On whom it was decided.
        customer: Option<CustomerId>,
        /// The public part of the API key, or `sweep`.
        caller: String,
        /// How it was decided.
        outcome: Outcome,
        /// The interaction as it stood after this, sealed.
        state: Vec<u8>,
        /// SHA-256 of `state` once it is stripped.
        digest: Vec<u8>,
        /// Set by the writer: positions of the rows whose content went with this one, 8 bytes each.
        strips: Vec<u8>,
    }
);

row!(
    /// What is left of something that was erased: a keyed hash that tells a late retry.
    TombstoneRow, "tombstone", "ON CONFLICT DO NOTHING", {
        /// A keyed hash of what was erased, other than the token that its rows had.
        token: Token,
        /// What it was.
        kind: TombstoneKind,
        /// Set by the writer: the erasure's position in the journal.
        erasure: i64,
        /// Store time; set by the writer.
        erased: Time,
        /// Sealed: the place in the journal that is kept; empty for a customer.
        content: Vec<u8>,
    }
);

/// What was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TombstoneKind {
    /// A customer, under one of their refs.
    Customer = 1,
    /// An interaction.
    Interaction = 2,
    /// A request that changed a customer.
    Request = 3,
}

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Variables.
    Variables = 1,
    /// Profile attributes.
    Profile = 2,
    /// What was said of consent.
    Consents = 3,
}

impl BlockKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Profile, Self::Variables, Self::Consents];

    /// Reads a stored code.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i64 == code)
    }
}

/// Whether a merge holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeState {
    /// The two are one person.
    InForce = 1,
    /// They were, until somebody took it back.
    Undone = 2,
    /// The service takes them for one person; somebody has to say so.
    Proposed = 3,
}

impl MergeState {
    /// Reads a stored code.
    pub fn from_code(code: i64) -> Option<Self> {
        [Self::InForce, Self::Undone, Self::Proposed].into_iter().find(|it| *it as i64 == code)
    }
}
