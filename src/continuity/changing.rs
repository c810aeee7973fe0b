//! What the requests that change a customer share: each is guarded by its own id, and identifiers
//! are read as those of interactions are.

use std::sync::Arc;

use super::Error;
use super::caller::Caller;
use super::desk::Desk;
use super::journaling::{self, Entry};
use super::record::RequestRecord;
use super::service::Service;
use super::traces::About;
use crate::clock::Time;
use crate::identity::{
    Assurance, Attestation, Circumstances, Direction, Hint, Identifier, LineType, MAX_OWNERS,
    Notice, RawHints, RawIdentifier, Violation, normalise,
};
use crate::ids::{CustomerId, Token};
use crate::store::read::Owners;
use crate::store::rows::Verb;
use crate::store::{Operation, Reads, Verdict};

/// A request to change a customer, under the caller's own id.
pub(super) struct Asked {
    pub token: Token,
    pub verb: Verb,
    pub fingerprint: Vec<u8>,
    pub now: Time,
}

impl Asked {
    /// The request of that id; `content` is what makes two of them the same.
    ///
    /// # Errors
    /// [`Error::SourceNotAllowed`].
    pub fn of(
        service: &Service,
        caller: &Caller,
        verb: Verb,
        (source, request_id): (&str, &str),
        content: &[u8],
    ) -> Result<Self, Error> {
        let source = caller.addresses(source)?;
        let secrets = &caller.tenant.secrets;
        Ok(Self {
            token: secrets.request(name(verb), &source, request_id),
            verb,
            fingerprint: secrets.fingerprint(&[content]).to_vec(),
            now: service.store.now(),
        })
    }

    /// Whether it may be done: not when it was done already.
    pub async fn may_be_done(&self, desk: &mut Desk<'_, '_>) -> Result<(), Error> {
        let journaled = desk.journaled::<RequestRecord>(self.token).await?;
        let Some((entry, _)) = journaled else { return Ok(()) };
        match entry.newest() {
            Some(guard) if guard.fingerprint == self.fingerprint => Err(Error::AlreadyDone),
            _ => Err(Error::RequestConflict),
        }
    }

    /// Adds its journal row.
    pub async fn write(
        &self,
        desk: &mut Desk<'_, '_>,
        caller: &Caller,
        record: &RequestRecord,
    ) -> Result<(), Error> {
        let entry = Entry {
            interaction: self.token,
            verb: self.verb,
            part: Vec::new(),
            fingerprint: self.fingerprint.clone(),
            time: self.now,
            caller: &caller.key_id,
        };
        journaling::write_request(desk, record, entry).await
    }
}

/// What tells the same id of two verbs apart.
fn name(verb: Verb) -> &'static str {
    match verb {
        Verb::Link => "link",
        Verb::Unlink => "unlink",
        Verb::Resolve => "resolve",
        Verb::Merge => "merge",
        Verb::Unmerge => "unmerge",
        Verb::Erase => "erase",
        _ => "upsert",
    }
}

impl Service {
    /// Does what was asked; `None` when the journal holds it already.
    pub(super) async fn change<O>(
        self: &Arc<Self>,
        operation: Arc<O>,
    ) -> Result<Option<O::Answer>, Error>
    where
        O: Operation<Refusal = Error>,
    {
        let mut verdict = self.store.run(Arc::clone(&operation)).await;
        if matches!(verdict, Ok(Verdict::Replay)) {
            // Somebody wrote under the same key: decided again, it says what that means.
            verdict = self.store.run(operation).await;
        }
        match verdict {
            Ok(Verdict::Committed(answer)) => Ok(Some(answer)),
            Ok(Verdict::Replay) | Err(Error::AlreadyDone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a request was answered that the journal holds, and the customer's ref as it is now.
    pub(super) async fn as_answered(
        self: &Arc<Self>,
        caller: &Caller,
        token: Token,
    ) -> Result<(CustomerId, RequestRecord), Error> {
        let mut reads = Reads::Fresh(Arc::clone(&self.store));
        let mut desk = Desk::new(self, &caller.tenant, &mut reads);
        let known = desk.journaled::<RequestRecord>(token).await?.and_then(|(_, record)| record);
        // It went by time, or its customer was removed, and the answer with them.
        let record = known.ok_or(Error::CustomerNotFound)?;
        let customer = super::settling::customer_of(&record.customer);
        let customer = customer.ok_or(Error::CustomerNotFound)?;
        let person = desk.there(customer, false).await?;
        let answered = Ok((person.set_name(), record));
        let whom = |it: &(CustomerId, RequestRecord)| vec![it.0];
        self.traced(caller, Verb::Repeat, &About::of(token), answered, whom)
    }
}

/// Identifiers as they are linked, and what was left out.
#[derive(Clone, Default)]
pub struct Named {
    /// The request field that held them.
    pub(super) field: String,
    pub(super) hints: Vec<Hint>,
    /// What was left out since it identifies nobody.
    pub notices: Vec<Notice>,
}

/// Reads identifiers that a caller's own system states: an assurance that is not stated is
/// `unstated`. `field` is the request field that holds them.
pub(super) fn read_identifiers(
    caller: &Caller,
    raw: &[RawIdentifier],
    field: &str,
    unstated: Assurance,
) -> Result<Named, Error> {
    let stated = raw
        .iter()
        .map(|one| RawIdentifier { assurance: one.assurance.or(Some(unstated)), ..one.clone() });
    let hints = RawHints { identifiers: stated.collect(), ..RawHints::default() };
    let circumstances = Circumstances {
        channel: "",
        direction: Direction::Inbound,
        line_type: LineType::Unknown,
        attestation: Attestation::Unknown,
        max_assurance: caller.max_assurance,
        continuation: false,
    };
    let mut read = normalise(&hints, &circumstances, &caller.tenant.policy.identity);
    let own = |known: &mut String| *known = known.replacen("identity_hints.identifiers", field, 1);
    read.violations.iter_mut().for_each(|one| own(&mut one.field));
    read.notices.iter_mut().for_each(|one| own(&mut one.field));
    read.hints.iter_mut().for_each(|one| own(&mut one.field));
    if !read.violations.is_empty() {
        return Err(Error::Invalid(read.violations));
    }
    Ok(Named { field: field.to_owned(), hints: read.hints, notices: read.notices })
}

/// The one identifier of a request; what identifies nobody is refused with the reason.
pub(super) fn read_identifier(caller: &Caller, raw: &RawIdentifier) -> Result<Hint, Error> {
    let named =
        read_identifiers(caller, std::slice::from_ref(raw), "identifier", Assurance::Carried)
            .map_err(|error| match error {
                Error::Invalid(mut violations) => {
                    for violation in &mut violations {
                        violation.field =
                            violation.field.replacen("identifier[0]", "identifier", 1);
                    }
                    Error::Invalid(violations)
                }
                error => error,
            })?;
    let refused = |notice: Notice| Violation {
        field: "identifier.value".into(),
        description: format!("{}: {}", notice.code, notice.message),
    };
    match named.hints.into_iter().next() {
        Some(hint) => Ok(hint),
        None => Err(Error::Invalid(named.notices.into_iter().map(refused).collect())),
    }
}

/// The token of an identifier.
pub(super) fn token_of(caller: &Caller, hint: &Hint) -> Token {
    let Identifier { scheme, namespace, value } = &hint.identifier;
    caller.tenant.secrets.identifier(scheme, namespace, value)
}

/// Who owns an identifier once a customer is tied to it as strongly as `own` says, or not at all.
pub(super) struct Ownership {
    /// How many own it.
    pub owners: i64,
    /// Whether the customer is one of them.
    pub is_owner: bool,
}

impl Ownership {
    pub fn with(owners: &Owners, customer: CustomerId, own: Option<i64>) -> Self {
        let mut ties = owners.customers.clone();
        ties.retain(|(owner, _)| *owner != customer);
        ties.extend(own.map(|assurance| (customer, assurance)));
        if ties.len() > MAX_OWNERS {
            return Self { owners: 0, is_owner: false };
        }
        let strong = |assurance: i64| assurance > Assurance::Asserted.code();
        let stronger = ties.iter().any(|(_, assurance)| strong(*assurance));
        ties.retain(|(_, assurance)| !stronger || strong(*assurance));
        let is_owner = ties.iter().any(|(owner, _)| *owner == customer);
        Self { owners: ties.len() as i64, is_owner }
    }
}

/// Whether more customers than may have it have an identifier already.
pub(super) fn is_shared_too_widely(owners: &Owners, customer: Option<CustomerId>) -> bool {
    let others = owners.customers.iter().filter(|(owner, _)| Some(*owner) != customer);
    others.count() > MAX_OWNERS
}
