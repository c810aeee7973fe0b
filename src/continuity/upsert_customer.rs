//! UpsertCustomer, and each row of an import: makes a customer or changes one.
//!
//! Done already? → whom the ref or the identifiers name → identifiers, values, rule → write →
//! answer.

use std::sync::Arc;

use super::Error;
use super::answer::Warning;
use super::caller::{Caller, Role};
use super::changing::{Asked, Named, is_shared_too_widely, read_identifiers, token_of};
use super::consenting;
use super::desk::Desk;
use super::filing;
use super::finding::{Found, find};
use super::get_customer::Profile;
use super::masking::masked;
use super::naming::holders;
use super::recognise::hint_record;
use super::record::{BlockRecord, ConsentRecord, RequestRecord, ValueRecord};
use super::service::Service;
use super::settling::new_customer;
use crate::clock::Time;
use crate::context::{Context, Disclosure, standing_profile, standing_variables};
use crate::identity::{Assurance, RawIdentifier};
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::rows::{BlockKind, Verb};
use crate::store::{Boxed, Operation, Proposed, Reads};

pub use super::masking::{Mask, Names};

/// A customer to make or to change, parsed.
#[derive(Clone)]
pub struct Upsert {
    /// The caller's own id of the request.
    pub request_id: String,
    /// The source that names it; empty for the key's own.
    pub source: String,
    /// The request in canonical form.
    pub content: Vec<u8>,
    /// Whom; empty for whom the identifiers name.
    pub customer_ref: String,
    /// What points to them, as it came.
    pub identifiers: Vec<RawIdentifier>,
    /// Lasting values.
    pub profile: Vec<ValueRecord>,
    /// Values that expire; when is filled in here.
    pub variables: Vec<ValueRecord>,
    /// What they say of consent; a time that was not given is 0.
    pub consents: Vec<ConsentRecord>,
    /// What is shown of them at most.
    pub disclosure: Option<Disclosure>,
    /// What of it to set.
    pub mask: Mask,
    /// When it became so.
    pub update_time: Option<Time>,
    /// How sure the caller is of the lasting values.
    pub assurance: Assurance,
}

/// The customer after the change.
pub struct Upserted {
    /// As they stand now.
    pub profile: Profile,
    /// Whether they were made.
    pub created: bool,
    /// What was left out.
    pub warnings: Vec<Warning>,
}

/// What became of one customer.
pub struct Changed {
    /// Whom.
    pub customer: CustomerId,
    /// Whether they were made.
    pub created: bool,
    /// What was left out.
    pub warnings: Vec<Warning>,
}

impl Service {
    /// Makes a customer or changes one.
    ///
    /// # Errors
    /// [`Error::CustomerNotFound`], [`Error::CustomerAmbiguous`], [`Error::Invalid`] for
    /// identifiers that cannot be read or name nobody, [`Error::RequestConflict`] for a known id
    /// with other content, those of roles and sources, and the store's.
    pub async fn upsert_customer(
        self: &Arc<Self>,
        caller: &Caller,
        upsert: Upsert,
    ) -> Result<Upserted, Error> {
        caller.needs(&[Role::Admin])?;
        let named = (&*upsert.source, &*upsert.request_id);
        let asked = Asked::of(self, caller, Verb::Upsert, named, &upsert.content)?;
        let token = asked.token;
        let operation = UpsertOperation::new(self, caller, upsert, Guard::Request(asked))?;
        let changed = match self.change(Arc::new(operation)).await? {
            Some(changed) => changed,
            None => {
                let (customer, record) = self.as_answered(caller, token).await?;
                Changed { customer, created: record.created, warnings: Vec::new() }
            }
        };
        let Changed { customer, created, warnings } = changed;
        let profile = self.profile(caller, (&customer.to_ref(), "", "")).await?;
        Ok(Upserted { profile, created, warnings })
    }
}

/// What keeps a change from being made twice.
pub(super) enum Guard {
    /// The request's own id.
    Request(Asked),
    /// What is there: a row of an import that says nothing new changes nothing. The journal row has
    /// a name of its own.
    Content(Token),
}

pub(super) struct UpsertOperation {
    service: Arc<Service>,
    caller: Caller,
    upsert: Upsert,
    named: Named,
    guard: Guard,
    source: String,
    at: Time,
}

impl UpsertOperation {
    pub fn new(
        service: &Arc<Service>,
        caller: &Caller,
        upsert: Upsert,
        guard: Guard,
    ) -> Result<Self, Error> {
        let unstated = Assurance::Carried;
        let field = match &guard {
            Guard::Request(_) => "customer.identifiers",
            Guard::Content(_) => "identifiers",
        };
        let named = read_identifiers(caller, &upsert.identifiers, field, unstated)?;
        let at = upsert.update_time.unwrap_or_else(|| service.store.now());
        let source = caller.addresses(&upsert.source)?;
        let (service, caller) = (Arc::clone(service), caller.clone());
        Ok(Self { service, caller, upsert, named, guard, source, at })
    }

    /// How strong its lasting values are, under the key's ceiling.
    fn strength(&self) -> Assurance {
        let ceiling = self.caller.max_assurance.unwrap_or(Assurance::Carried);
        self.upsert.assurance.min(ceiling)
    }

    /// Links what is not linked directly yet, as strongly; whether anything was.
    async fn link(
        &self,
        desk: &mut Desk<'_, '_>,
        customer: CustomerId,
        found: &Found,
        warnings: &mut Vec<Warning>,
    ) -> Result<bool, Error> {
        let mut changed = false;
        let (service, tenant) = (desk.service, desk.tenant);
        for hint in &self.named.hints {
            let token = token_of(&self.caller, hint);
            if found.elsewhere.contains(&token) {
                warnings.push(left_out(&hint.field, "identifier_of_somebody_else"));
                continue;
            }
            let owners = found.owners.get(&token);
            if owners.is_some_and(|owners| is_shared_too_widely(owners, Some(customer))) {
                warnings.push(left_out(&hint.field, "identifier_shared"));
                continue;
            }
            // Another member of their set may have it: then it is theirs already.
            let holder = holders(desk, customer, token).await?.members.first().copied();
            let working = desk.take_in_hand(holder.unwrap_or(customer)).await?;
            let linked = working.links().contains_key(&token);
            let direct = working.ties().get(&token).map_or(0, |tie| tie.assurance);
            if linked && direct >= hint.assurance.code() {
                continue;
            }
            // What was unlinked since then stays so.
            if working.untied(token) >= self.at {
                if !linked {
                    warnings.push(left_out(&hint.field, "identifier_unlinked"));
                }
                continue;
            }
            working.link_directly(service, tenant, token, &hint_record(hint));
            changed = true;
        }
        Ok(changed)
    }

    /// The lasting values to write: those that the mask names, and clears of those it names that
    /// are not given.
    fn profile(&self, context: &Context) -> Vec<ValueRecord> {
        let standing = standing_profile(&context.profile);
        let mut values =
            masked(&self.upsert.mask.profile, &self.upsert.profile, standing.keys().copied());
        if matches!(self.guard, Guard::Content(_)) {
            values.retain(|value| self.is_news(value, context));
        }
        values
    }

    /// Whether a lasting value says anything that was not said before. What is there already, or
    /// was said as strongly and is the last that was, is no news.
    fn is_news(&self, value: &ValueRecord, context: &Context) -> bool {
        let strength = self.strength();
        let same = |it: &crate::context::AttributeWrite| it.value == value.value;
        let values = || context.profile.iter().filter(|it| it.resolves.is_none());
        let of_name = || values().filter(|it| it.name == value.name);
        let standing = standing_profile(&context.profile);
        let stands = standing.get(value.name.as_str());
        if stands.is_some_and(|it| same(it) && it.assurance >= strength) {
            return false;
        }
        let said = of_name().any(|it| same(it) && it.assurance >= strength && it.set >= self.at);
        let last =
            of_name().filter(|it| it.assurance == strength).max_by_key(|it| (it.set, it.order));
        !said && !last.is_some_and(same)
    }

    fn variables(&self, context: &Context) -> Vec<ValueRecord> {
        let now = self.service.store.now();
        // Also what no answer has room for: behind what is cleared it would come up.
        let standing = standing_variables(&context.variables, now);
        let names = standing.keys().copied();
        let mut values = masked(&self.upsert.mask.variables, &self.upsert.variables, names);
        for value in &mut values {
            value.expire = self.at.plus(value.ttl_seconds.saturating_mul(1_000)).0;
        }
        values
    }

    async fn write_values(
        &self,
        desk: &mut Desk<'_, '_>,
        customer: CustomerId,
        context: &Context,
    ) -> Result<bool, Error> {
        let mut changed = false;
        for (kind, values, assurance) in [
            (BlockKind::Profile, self.profile(context), self.strength().code()),
            (BlockKind::Variables, self.variables(context), 0),
        ] {
            if values.is_empty() {
                continue;
            }
            let record = BlockRecord {
                set: self.at.0,
                values,
                interaction_id: self.upsert.request_id.clone(),
                source: self.source.clone(),
                assurance,
                ..BlockRecord::default()
            };
            filing::put_block(desk, customer, self.token(), kind, record).await?;
            changed = true;
        }
        Ok(changed)
    }

    async fn write_consents(
        &self,
        desk: &mut Desk<'_, '_>,
        customer: CustomerId,
    ) -> Result<bool, Error> {
        let now = self.service.store.now();
        let mut consents = consenting::timed(&self.upsert.consents, self.at, now);
        if let Names::These(these) = &self.upsert.mask.consents {
            consents.retain(|one| these.contains(&one.purpose));
        }
        if consents.is_empty() {
            return Ok(false);
        }
        consenting::may_be_said(desk, customer, &consents, "customer.consents").await?;
        let record = BlockRecord {
            set: self.at.0,
            consents,
            interaction_id: self.upsert.request_id.clone(),
            source: self.source.clone(),
            ..BlockRecord::default()
        };
        filing::put_block(desk, customer, self.token(), BlockKind::Consents, record).await?;
        Ok(true)
    }

    fn token(&self) -> Token {
        match &self.guard {
            Guard::Request(asked) => asked.token,
            Guard::Content(token) => *token,
        }
    }

    /// The journal row of this change.
    async fn write(&self, desk: &mut Desk<'_, '_>, record: &RequestRecord) -> Result<(), Error> {
        match &self.guard {
            Guard::Request(asked) => asked.write(desk, &self.caller, record).await,
            Guard::Content(token) => {
                let now = self.service.store.now();
                let asked =
                    Asked { token: *token, verb: Verb::Upsert, fingerprint: Vec::new(), now };
                asked.write(desk, &self.caller, record).await
            }
        }
    }
}

impl Operation for UpsertOperation {
    type Answer = Changed;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.caller.tenant.id
    }

    fn decide<'a>(
        &'a self,
        reads: &'a mut Reads<'_>,
    ) -> Boxed<'a, Result<Proposed<Changed>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.caller.tenant, reads);
            if let Guard::Request(asked) = &self.guard {
                asked.may_be_done(&mut desk).await?;
            }
            let found = find(&mut desk, &self.caller, &self.upsert.customer_ref, &self.named);
            let found = found.await?;
            let mut warnings: Vec<Warning> =
                self.named.notices.iter().cloned().map(Warning::from).collect();
            let (customer, context, created) = match found.customer {
                Some(customer) => {
                    let person = desk.there(customer, true).await?;
                    // What any of them said is what stands, and what a mask may clear.
                    let set = desk.set_of(&person, true).await?;
                    let contexts = set.iter().map(|it| it.context.clone().unwrap_or_default());
                    (customer, Context::gathered(contexts.collect()), false)
                }
                None => (new_customer(&mut desk, self.at)?, Arc::default(), true),
            };
            let mut changed = created;
            if self.upsert.mask.identifiers || created {
                changed |= self.link(&mut desk, customer, &found, &mut warnings).await?;
            }
            changed |= self.write_values(&mut desk, customer, &context).await?;
            changed |= self.write_consents(&mut desk, customer).await?;
            if self.upsert.mask.disclosure {
                let rule = self.upsert.disclosure.unwrap_or(Disclosure::Normal).code();
                let working = desk.take_in_hand(customer).await?;
                if working.row.disclosure != rule {
                    working.touch().disclosure = rule;
                    changed = true;
                }
            }
            if !changed && matches!(self.guard, Guard::Content(_)) {
                return Err(Error::AlreadyDone);
            }
            let customer_bytes = customer.0.to_vec();
            let record =
                RequestRecord { customer: customer_bytes, created, ..RequestRecord::default() };
            self.write(&mut desk, &record).await?;
            Ok(desk.propose(Changed { customer, created, warnings }))
        })
    }
}

fn left_out(field: &str, code: &'static str) -> Warning {
    let message = match code {
        "identifier_shared" => "more customers have it than one may have; it was not linked",
        "identifier_unlinked" => "it was unlinked from them since `update_time`; it was not linked",
        _ => "it points to another customer than the primary identifier does; it was not linked",
    };
    Warning { code, field: field.to_owned(), message: message.to_owned() }
}
