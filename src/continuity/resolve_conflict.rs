//! ResolveConflict: somebody says which side stands. Both stay on file; what was said before no
//! longer counts, and what comes later is news.

use std::sync::Arc;

use super::Error;
use super::caller::{Caller, Role};
use super::changing::Asked;
use super::conflicts::{Conflict, Disagreement, customer_of_id, of_set};
use super::desk::Desk;
use super::filing;
use super::record::{BlockRecord, ChoiceRecord, OverruledRecord, RequestRecord};
use super::service::Service;
use crate::cache::Remembered;
use crate::context::{AttributeWrite, Context, Overruled};
use crate::identity::Violation;
use crate::ids::{CustomerId, TenantId};
use crate::store::rows::{BlockKind, Verb};
use crate::store::{Boxed, Operation, Proposed, Reads, Removal};

/// What stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// What stands already.
    Kept,
    /// The other value.
    Other,
}

/// A conflict to resolve.
pub struct Resolve {
    /// The caller's own id of the request.
    pub request_id: String,
    /// The source that names it; empty for the key's own.
    pub source: String,
    /// The request in canonical form.
    pub content: Vec<u8>,
    /// Which conflict.
    pub conflict_id: String,
    /// What stands.
    pub choice: Choice,
}

/// The conflict is resolved.
pub struct Resolved {
    /// The customer's current ref.
    pub customer: CustomerId,
    /// Conflicts of theirs that are open still.
    pub open: i64,
}

impl Service {
    /// Says which side of a conflict stands.
    ///
    /// # Errors
    /// [`Error::ConflictNotFound`], [`Error::Invalid`] for a side that cannot be chosen,
    /// [`Error::RequestConflict`] for a known id with other content, those of roles and sources,
    /// and the store's.
    pub async fn resolve_conflict(
        self: &Arc<Self>,
        caller: &Caller,
        resolve: Resolve,
    ) -> Result<Resolved, Error> {
        caller.needs(&[Role::Admin])?;
        let named = (&*resolve.source, &*resolve.request_id);
        let asked = Asked::of(self, caller, Verb::Resolve, named, &resolve.content)?;
        let token = asked.token;
        let (service, own) = (Arc::clone(self), caller.clone());
        let operation = ResolveOperation { service, caller: own, asked, resolve };
        match self.change(Arc::new(operation)).await? {
            Some(resolved) => Ok(resolved),
            None => {
                let (customer, record) = self.as_answered(caller, token).await?;
                Ok(Resolved { customer, open: record.open_conflicts })
            }
        }
    }
}

struct ResolveOperation {
    service: Arc<Service>,
    caller: Caller,
    asked: Asked,
    resolve: Resolve,
}

impl ResolveOperation {
    /// What is written of it: which value stands, over which others, and never a value. They may be
    /// another customer's once they are two again, or nobody's.
    fn block(&self, conflict: &Conflict, context: &Context) -> Result<BlockRecord, Error> {
        let now = self.asked.now.0;
        let interaction_id = self.resolve.request_id.clone();
        let said = BlockRecord { set: now, interaction_id, ..BlockRecord::default() };
        match &conflict.what {
            Disagreement::Attribute { kept, other } => {
                let chosen = if self.resolve.choice == Choice::Kept { kept } else { other };
                let (position, part) = chosen.order;
                let (name, of, set) = (chosen.name.clone(), chosen.of.0.to_vec(), chosen.set.0);
                let Overruled { writes, with_older } = Overruled::of(&context.profile, &name);
                let over = writes.into_iter().map(|((position, part), of)| OverruledRecord {
                    of: of.0.to_vec(),
                    position,
                    part,
                });
                let over = over.collect();
                let choice = ChoiceRecord { name, of, set, position, part, over, with_older };
                // Nothing weaker than what it decides about may replace it.
                let assurance = kept.assurance.max(other.assurance).code();
                let set = now.max(kept.set.0).max(other.set.0);
                Ok(BlockRecord { set, choices: vec![choice], assurance, ..said })
            }
            Disagreement::Identifier { interaction, .. } => match self.resolve.choice {
                Choice::Kept => {
                    Ok(BlockRecord { acknowledged: vec![interaction.0.to_vec()], ..said })
                }
                Choice::Other => Err(Error::Invalid(vec![Violation {
                    field: "choice".into(),
                    description: "an identifier's other side is chosen by ReassignInteraction, \
                                  LinkIdentifier or a merge"
                        .into(),
                }])),
            },
        }
    }
}

/// The member of a set both of whose sides are their own: what was decided of them stays with them when
/// they are alone again.
fn whose_own(set: &[Arc<Remembered>], conflict: &Conflict) -> Option<CustomerId> {
    let Disagreement::Attribute { kept, other } = &conflict.what else { return None };
    let said = |member: &Remembered, side: &AttributeWrite| {
        let mut own = member.context.iter().flat_map(|context| &context.profile);
        own.any(|write| write == side)
    };
    let both = set.iter().find(|member| said(member, kept) && said(member, other));
    both.map(|member| member.row.customer)
}

/// Whether resolving one conflict resolves another: all that one contact showed goes at once.
fn goes_with(conflict: &Conflict, other: &Conflict) -> bool {
    match (&conflict.what, &other.what) {
        (
            Disagreement::Identifier { interaction, .. },
            Disagreement::Identifier { interaction: same, .. },
        ) => interaction == same,
        _ => conflict.id == other.id,
    }
}

impl Operation for ResolveOperation {
    type Answer = Resolved;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.caller.tenant.id
    }

    fn decide<'a>(
        &'a self,
        reads: &'a mut Reads<'_>,
    ) -> Boxed<'a, Result<Proposed<Resolved>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.caller.tenant, reads);
            self.asked.may_be_done(&mut desk).await?;
            let customer = customer_of_id(&self.resolve.conflict_id);
            let customer = customer.ok_or(Error::ConflictNotFound)?;
            let person = desk.person(customer, true).await?.ok_or(Error::ConflictNotFound)?;
            let set = desk.set_of(&person, true).await?;
            let conflicts = of_set(&mut desk, &set).await?;
            let conflict = conflicts.iter().find(|one| one.id == self.resolve.conflict_id);
            let conflict = conflict.ok_or(Error::ConflictNotFound)?;
            let open = conflicts.iter().filter(|one| !goes_with(conflict, one)).count() as i64;
            let customer = whose_own(&set, conflict).unwrap_or(person.row.customer);
            let contexts = set.iter().map(|member| member.context.clone().unwrap_or_default());
            let context = Context::gathered(contexts.collect());
            let (token, record) = (self.asked.token, self.block(conflict, &context)?);
            filing::put_block(&mut desk, customer, token, BlockKind::Profile, record).await?;
            if open == 0 && set.len() == 1 {
                // Of several, what one alone says is a conflict of theirs again once they are apart.
                desk.effects.removals.push(Removal::Dispute { customer });
            }
            let record = RequestRecord {
                customer: customer.0.to_vec(),
                open_conflicts: open,
                ..RequestRecord::default()
            };
            self.asked.write(&mut desk, &self.caller, &record).await?;
            Ok(desk.propose(Resolved { customer: person.set_name(), open }))
        })
    }
}
