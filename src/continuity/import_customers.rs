//! ImportCustomers: many customers, a row each, many rows in flight.
//!
//! A row is an upsert that is guarded by what is there: sent again, it says nothing new and writes
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::answer::Warning;
use super::caller::{Caller, Role};
use super::changing::read_identifiers;
use super::record::ValueRecord;
use super::service::Service;
use super::upsert_customer::{Changed, Guard, Mask, Names, Upsert, UpsertOperation};
use crate::clock::Time;
use crate::identity::{Assurance, RawIdentifier};
use crate::ids::Token;
use crate::store::{self, Operation as _, Reads};

/// How often a row is tried while the store is too busy to take it.
const TRIES: u32 = 8;
/// The first wait between tries; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// How the rows of an import are read.
#[derive(Clone)]
pub struct Import {
    /// The source that the rows are of; empty for the key's own.
    pub source: String,
    /// Only says what would be done.
    pub dry_run: bool,
    /// When all of it became so.
    pub update_time: Time,
    /// How sure the caller is.
    pub assurance: Assurance,
}

/// One customer of an import, parsed.
pub struct Row {
    /// What points to them, as it came.
    pub identifiers: Vec<RawIdentifier>,
    /// Lasting values.
    pub profile: Vec<ValueRecord>,
}

/// What became of a row.
pub enum Imported {
    /// It made a customer.
    Created(Vec<Warning>),
    /// It changed one.
    Updated(Vec<Warning>),
    /// It said nothing new; what of it identifies nobody.
    Unchanged(Vec<Warning>),
}

impl Service {
    /// Whether this caller may import rows of that source.
    ///
    /// # Errors
    /// [`Error::RoleRequired`], [`Error::SourceNotAllowed`].
    pub fn may_import(&self, caller: &Caller, source: &str) -> Result<(), Error> {
        caller.needs(&[Role::Admin, Role::Backfill])?;
        caller.addresses(source).map(drop)
    }

    /// Imports one row.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::CustomerAmbiguous`] for a row that cannot be imported, and
    /// the store's.
    pub async fn import_row(
        self: &Arc<Self>,
        caller: &Caller,
        import: &Import,
        row: Row,
    ) -> Result<Imported, Error> {
        let stated = |one: RawIdentifier| RawIdentifier {
            assurance: one.assurance.or(Some(import.assurance)),
            ..one
        };
        let identifiers: Vec<_> = row.identifiers.into_iter().map(stated).collect();
        let shown = identifiers.clone();
        let unchanged = || Imported::Unchanged(nobodys(caller, &shown));
        let upsert = Upsert {
            request_id: String::new(),
            source: import.source.clone(),
            content: Vec::new(),
            customer_ref: String::new(),
            identifiers,
            profile: row.profile,
            variables: Vec::new(),
            disclosure: None,
            consents: Vec::new(),
            mask: Mask {
                consents: Names::Given,
                profile: Names::Given,
                variables: Names::Given,
                disclosure: false,
                identifiers: true,
            },
            update_time: Some(import.update_time),
            assurance: import.assurance,
        };
        let guard = Guard::Content(Token(self.entropy.bytes()));
        let operation = Arc::new(UpsertOperation::new(self, caller, upsert, guard)?);
        if import.dry_run {
            // No commit will check it.
            let mut reads = Reads::Fresh(Arc::clone(&self.store));
            return match operation.decide(&mut reads).await {
                Ok(proposal) => Ok(Imported::of(proposal.answer)),
                Err(Error::AlreadyDone) => Ok(unchanged()),
                Err(error) => Err(error),
            };
        }
        let mut tries = 0;
        loop {
            match self.change(Arc::clone(&operation)).await {
                Ok(Some(changed)) => return Ok(Imported::of(changed)),
                Ok(None) => return Ok(unchanged()),
                Err(Error::Store(busy)) if is_passing(&busy) && tries < TRIES => {
                    tokio::time::sleep(FIRST_WAIT * 2_u32.pow(tries)).await;
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// What of a row's identifiers identifies nobody, also where nothing of it is written.
fn nobodys(caller: &Caller, shown: &[RawIdentifier]) -> Vec<Warning> {
    let read = read_identifiers(caller, shown, "identifiers", Assurance::Carried);
    read.map(|named| named.notices).unwrap_or_default().into_iter().map(Warning::from).collect()
}

/// Whether the same row may be taken a moment later. An import keeps every reader busy: refused for one
/// row that was not read in time, the whole call would be made again.
fn is_passing(error: &store::Error) -> bool {
    use store::Error::{Busy, QueueFull, Stalled, Unavailable};
    matches!(error, QueueFull | Busy | Stalled | Unavailable)
}

impl Imported {
    fn of(changed: Changed) -> Self {
        match changed.created {
            true => Self::Created(changed.warnings),
            false => Self::Updated(changed.warnings),
        }
    }
}
