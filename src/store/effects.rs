//! Everything one operation writes, as rows. The writer joins those of a batch and writes each
//! table once.

use std::sync::Arc;

use super::erasing::Erasure;
use super::gate::Key;
use super::rows::{
    BlockRow, CustomerRow, DataKeyRow, DisputeRow, FactRow, InteractionRow, JournalRow, LabelRow,
    LinkRow, MergeRow, TieRow,
};
use crate::clock::Time;
use crate::crypto::DataKey;
use crate::ids::{CustomerId, Stamp, TenantId, Token};

/// What one operation writes. The first journal row is the guard of all the rest.
#[derive(Clone, Default)]
pub struct Effects {
    /// Never empty: an operation that leaves no trace does not exist.
    pub journal: Vec<JournalRow>,
    /// Journal rows of this interaction are stripped to their hashes before the new ones are
    /// written: their content moved to another customer, or was purged.
    pub strip: Vec<Token>,
    /// Tokens whose owners change; each gets a new stamp.
    pub heads: Vec<Token>,
    /// Customers that change; each gets a new stamp.
    pub customers: Vec<CustomerRow>,
    /// Keys of new customers.
    pub data_keys: Vec<DataKeyRow>,
    /// The same keys, opened, for whoever remembers these customers; never written.
    pub keys: Vec<(CustomerId, Arc<DataKey>)>,
    /// Removals, before anything is inserted.
    pub removals: Vec<Removal>,
    /// Links made, raised or used. Of the first two the token is among the heads.
    pub links: Vec<LinkRow>,
    /// History entries.
    pub interactions: Vec<InteractionRow>,
    /// Intent facts.
    pub facts: Vec<FactRow>,
    /// Variable and profile blocks.
    pub blocks: Vec<BlockRow>,
    /// Edges between customers, made or undone; the customers' sets change with them.
    pub merges: Vec<MergeRow>,
    /// Dictionary entries that may be new.
    pub labels: Vec<LabelRow>,
    /// What was said of ties beside any contact.
    pub ties: Vec<TieRow>,
    /// Customers of whom different things were said.
    pub disputes: Vec<DisputeRow>,
    /// A person who is erased.
    pub erasure: Option<Box<Erasure>>,
    /// The stamp of heads and customers that change. Set by the writer.
    pub stamp: Stamp,
}

impl Effects {
    /// Everything that changes with it.
    pub fn changes(&self, tenant: TenantId) -> impl Iterator<Item = Key> {
        let heads = self.heads.iter().map(move |token| Key::Head(tenant, *token));
        let customers = self.customers.iter().map(move |row| Key::Customer(tenant, row.customer));
        let removed = self.removed().map(move |customer| Key::Customer(tenant, customer));
        let interactions =
            self.journal_rows().map(move |row| Key::Interaction(tenant, row.interaction));
        heads.chain(customers).chain(removed).chain(interactions)
    }

    /// The rows of the journal that it writes, in their order.
    pub(super) fn journal_rows(&self) -> impl Iterator<Item = &JournalRow> {
        self.journal.iter().chain(self.places())
    }

    /// The places in the journal that an erasure keeps.
    pub fn places(&self) -> impl Iterator<Item = &JournalRow> {
        self.erasure.iter().flat_map(|erasure| &erasure.places)
    }

    /// How many rows it writes or takes away, roughly.
    pub(super) fn rows(&self) -> u64 {
        let away = 8 * self.removals.len() + 4 * self.strip.len();
        let people = self.heads.len() + self.customers.len() + self.data_keys.len();
        let content = self.interactions.len() + self.facts.len() + self.blocks.len();
        let beside = self.ties.len() + self.disputes.len() + self.merges.len();
        let rows = self.journal.len() + people + content + self.links.len() + self.labels.len();
        let erased = self.erasure.as_ref().map_or(0, |it| it.rows());
        (rows + beside + away + erased) as u64
    }

    /// Whether something of a customer's context is taken away that no row stands in for.
    pub fn takes_from(&self, customer: CustomerId) -> bool {
        self.removals.iter().any(|removal| match removal {
            Removal::Content { customer: of, .. }
            | Removal::Passing { customer: of, .. }
            | Removal::Fact { customer: of, .. } => *of == customer,
            _ => false,
        })
    }

    /// Customers that are no more.
    pub fn removed(&self) -> impl Iterator<Item = CustomerId> {
        self.removals.iter().filter_map(|removal| match removal {
            Removal::Customer { customer } => Some(*customer),
            _ => None,
        })
    }
}

/// Rows that an operation takes away.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// One history entry.
    Interaction {
        /// In whose history.
        customer: CustomerId,
        /// Under which time it is filed.
        ended: Time,
        /// Which one.
        interaction: Token,
    },
    /// All facts and blocks that one interaction gave a customer.
    Content {
        /// Whose.
        customer: CustomerId,
        /// Which interaction's.
        interaction: Token,
    },
    /// The facts and variables that one interaction gave a customer; what lasts stays.
    Passing {
        /// Whose.
        customer: CustomerId,
        /// Which interaction's.
        interaction: Token,
    },
    /// What one interaction said of one matter.
    Fact {
        /// Whose.
        customer: CustomerId,
        /// Which interaction's.
        interaction: Token,
        /// The intent's label.
        intent: Token,
        /// Which one; empty when no reference was given.
        reference: Option<Token>,
    },
    /// One link.
    Link {
        /// Whose.
        customer: CustomerId,
        /// To which identifier.
        token: Token,
    },
    /// The mark that different things were said of a customer.
    Dispute {
        /// Whom.
        customer: CustomerId,
    },
    /// A customer with everything that is theirs, their key too.
    Customer {
        /// Whom.
        customer: CustomerId,
    },
}

impl std::fmt::Debug for Effects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Effects({} journal rows)", self.journal.len())
    }
}
