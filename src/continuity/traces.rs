//! What the journal holds of a read: who asked, for whom, and whether it was shown.
//!
//! One row for each customer that was shown; one where nobody was. A write has its journal row
//! already, also where its answer shows something.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Error;
use super::caller::Caller;
use super::service::Service;
use crate::clock::Time;
use crate::ids::{CustomerId, Token};
use crate::store::audit::traces::Read;
use crate::store::rows::{JournalRow, Outcome, Verb};

/// What was asked for.
pub(super) struct About {
    /// The interaction or request that was named; none is all zeros.
    pub interaction: Token,
    /// The customers that were named, whether there are such or not.
    customers: Vec<CustomerId>,
}

/// No interaction was named.
const NONE: Token = Token([0; 16]);

impl About {
    /// An interaction or a request, by its token.
    pub fn of(interaction: Token) -> Self {
        Self { interaction, customers: Vec::new() }
    }

    /// An interaction, by the caller's own id. Of a source that may not be addressed nothing else
    /// is known.
    pub fn interaction(caller: &Caller, source: &str, interaction_id: &str) -> Self {
        let source = caller.addresses(source).unwrap_or_else(|_| source.to_owned());
        Self::of(caller.tenant.secrets.interaction(&source, interaction_id))
    }

    /// A customer by ref, an interaction, or both.
    pub fn named(caller: &Caller, customer_ref: &str, source: &str, interaction_id: &str) -> Self {
        let interaction = match interaction_id {
            "" => NONE,
            named => Self::interaction(caller, source, named).interaction,
        };
        Self { interaction, ..Self::customers(&[customer_ref]) }
    }

    /// Customers by their refs.
    pub fn customers(refs: &[&str]) -> Self {
        let customers = refs.iter().filter_map(|named| CustomerId::parse_ref(named)).collect();
        Self { interaction: NONE, customers }
    }
}

impl Service {
    /// Leaves a trace of a read and hands its result on. What cannot be traced is not shown.
    ///
    /// # Errors
    /// The read's own; [`crate::store::Error::QueueFull`] while too many of the tenant's traces wait.
    pub(super) fn traced<T>(
        self: &Arc<Self>,
        caller: &Caller,
        verb: Verb,
        about: &About,
        read: Result<T, Error>,
        whom: impl FnOnce(&T) -> Vec<CustomerId>,
    ) -> Result<T, Error> {
        let (outcome, customers) = match &read {
            Ok(shown) => (Outcome::Shown, whom(shown)),
            Err(Error::RoleRequired | Error::SourceNotAllowed | Error::NotSettled) => {
                (Outcome::Refused, about.customers.clone())
            }
            Err(Error::InteractionNotFound | Error::CustomerNotFound) => {
                (Outcome::NotFound, about.customers.clone())
            }
            // Who is no more is named no more.
            Err(Error::Erased) => (Outcome::NotFound, Vec::new()),
            // Nothing was looked up, or nothing came of it.
            Err(_) => return read,
        };
        let distinct: BTreeSet<CustomerId> = customers.into_iter().collect();
        let mut each: Vec<Option<CustomerId>> = distinct.into_iter().map(Some).collect();
        if each.is_empty() {
            each.push(None);
        }
        let now = self.store.now();
        let row = |customer| self.trace_row(caller, (verb, outcome), about, customer, now);
        let tombstone = |customer: Option<CustomerId>| {
            customer.map(|customer| caller.tenant.secrets.tombstone("customer", &customer.0))
        };
        let each = each.into_iter();
        let reads = each.map(|it| Read { row: row(it), tombstone: tombstone(it) }).collect();
        self.store.trace(caller.tenant.id, reads)?;
        read
    }

    fn trace_row(
        &self,
        caller: &Caller,
        (verb, outcome): (Verb, Outcome),
        about: &About,
        customer: Option<CustomerId>,
        time: Time,
    ) -> JournalRow {
        let named = Some(about.interaction).filter(|token| *token != NONE);
        JournalRow {
            // Random: it guards nothing, and no two reads are one.
            interaction: Token(self.entropy.bytes()),
            verb,
            part: Vec::new(),
            position: 0,
            // The keyed hash of what was asked for.
            fingerprint: named.map_or_else(Vec::new, |token| token.0.to_vec()),
            received: Time(0),
            time,
            channel: String::new(),
            customer,
            caller: caller.key_id.to_string(),
            outcome,
            state: Vec::new(),
            digest: Vec::new(),
            strips: Vec::new(),
        }
    }
}
