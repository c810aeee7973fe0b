//! What an export gives: each thing that is held, opened, without what it says of other people.

use crate::context::IntentFact;
use crate::continuity::joining::Merge;
use crate::continuity::record::{BlockRecord, ContactRecord, HintRecord, RequestRecord, State};
use crate::ids::{CustomerId, Token};
use crate::store::export::Entry;
use crate::store::rows::{BlockRow, CustomerRow, InteractionRow, LinkRow, TieRow};

/// One thing that is held of a person.
pub enum Held {
    /// A customer who is this person, or a ref that names one of them by now.
    Customer {
        /// The customer.
        row: CustomerRow,
        /// What the whole is called.
        set_name: CustomerId,
        /// Whether different things were said of them.
        disputed: bool,
    },
    /// What points to one of them, or did.
    Identifier(Box<KnownTie>),
    /// A merge that one of them took part in.
    Merge {
        /// Who of them.
        customer: CustomerId,
        /// The merge.
        merge: Merge,
        /// Whether the other one is this person, too.
        both: bool,
    },
    /// Values that one write set.
    Block {
        /// Where it is kept; sealed.
        row: BlockRow,
        /// The values.
        record: BlockRecord,
    },
    /// What an interaction said of a matter.
    Fact {
        /// Whose.
        customer: CustomerId,
        /// What was said.
        fact: IntentFact,
    },
    /// A contact on file.
    Contact {
        /// What is readable of it.
        row: Box<InteractionRow>,
        /// The rest.
        record: Box<ContactRecord>,
    },
    /// An interaction, as it stood after each call that the journal still holds.
    Interaction(Versions),
    /// A contact that was perhaps theirs: nobody said so. What was said in it may be somebody else's.
    Perhaps(Perhaps),
    /// Who did what with their data.
    Entry {
        /// The entry.
        entry: Entry,
        /// Whether it is of an interaction that is theirs by now.
        theirs: bool,
        /// What a request that changed them was answered.
        request: Option<RequestRecord>,
    },
}

/// A tie between a customer and an identifier.
pub struct KnownTie {
    /// Whose.
    pub customer: CustomerId,
    /// The identifier; `None` once it was unlinked.
    pub identifier: Option<HintRecord>,
    /// The link; `None` once it was unlinked.
    pub link: Option<LinkRow>,
    /// What was said of it beside any contact.
    pub tie: Option<TieRow>,
}

/// An interaction that is theirs.
pub struct Versions {
    /// Whose.
    pub customer: CustomerId,
    /// Which.
    pub interaction: Token,
    /// What each call left, oldest first.
    pub versions: Vec<(Entry, State)>,
}

/// A contact of which nobody said whose it is.
pub struct Perhaps {
    /// Who it was taken for.
    pub customer: CustomerId,
    /// Which.
    pub interaction: Token,
    /// The channel's name.
    pub channel: String,
    /// Event time.
    pub started: crate::clock::Time,
    /// Store time.
    pub received: crate::clock::Time,
}
