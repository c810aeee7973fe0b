//! PreviewMerge: what two customers would be as one, before anybody says that they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Error;
use super::caller::{Caller, Role};
use super::catching_up::strictest;
use super::desk::Desk;
use super::get_customer::{KnownIdentifier, identifiers};
use super::merge_customers::members_or_alone;
use super::naming::named;
use super::service::Service;
use super::traces::About;
use crate::cache::Remembered;
use crate::context::{AttributeWrite, Context, Disclosure, current_profile, open_intents};
use crate::identity::{HintKind, Identifier, MOST_MEMBERS, Policy};
use crate::ids::CustomerId;
use crate::store::Reads;
use crate::store::rows::Verb;

/// One of the two, with everybody who is one person with them.
pub struct Side {
    /// The set, by its name.
    pub customer: CustomerId,
    /// Its members, oldest first.
    pub members: Vec<CustomerId>,
    /// Settled contacts so far.
    pub contacts: i64,
    /// Matters not settled.
    pub open_intents: usize,
    /// What points to them.
    pub identifiers: Vec<KnownIdentifier>,
    /// What is shown of them at most.
    pub disclosure: Disclosure,
}

/// An attribute of which the two say different things.
pub struct AttributeConflict {
    /// Its name.
    pub name: String,
    /// What would stand.
    pub kept: AttributeWrite,
    /// What would not.
    pub other: AttributeWrite,
}

/// What would be joined, and what conflicts.
pub struct Preview {
    /// The two.
    pub sides: [Side; 2],
    /// Whether they are one person already.
    pub already_merged: bool,
    /// Whether they would be more than a set may hold.
    pub too_large: bool,
    /// What the set would be called.
    pub customer: CustomerId,
    /// Identifiers that both have.
    pub shared: Vec<Identifier>,
    /// Identifiers of which a person has one, and the two have different ones.
    pub contradicting: Vec<Identifier>,
    /// Attributes that differ.
    pub attributes: Vec<AttributeConflict>,
    /// What would be shown of them at most.
    pub disclosure: Disclosure,
}

impl Service {
    /// Looks what a merge would join. Nothing is written.
    ///
    /// # Errors
    /// [`Error::CustomerNotFound`], [`Error::SameCustomer`], [`Error::RoleRequired`], and the
    /// store's.
    pub async fn preview_merge(
        self: &Arc<Self>,
        caller: &Caller,
        customer_ref: &str,
        other_customer_ref: &str,
    ) -> Result<Preview, Error> {
        let about = About::customers(&[customer_ref, other_customer_ref]);
        let previewed = self.both(caller, customer_ref, other_customer_ref).await;
        let whom = |it: &Preview| it.sides.iter().map(|side| side.customer).collect();
        self.traced(caller, Verb::PreviewMerge, &about, previewed, whom)
    }

    async fn both(
        self: &Arc<Self>,
        caller: &Caller,
        customer_ref: &str,
        other_customer_ref: &str,
    ) -> Result<Preview, Error> {
        caller.needs(&[Role::Admin])?;
        let mut reads = Reads::Fresh(Arc::clone(&self.store));
        let mut desk = Desk::new(self, &caller.tenant, &mut reads);
        let one = named(&mut desk, customer_ref).await?;
        let other = named(&mut desk, other_customer_ref).await?;
        if one == other {
            return Err(Error::SameCustomer);
        }
        let found = desk.sets(&[one, other], true).await?;
        let set = |id: CustomerId| -> Result<Vec<Arc<Remembered>>, Error> {
            let own = found.get(&id).ok_or(Error::CustomerNotFound)?;
            let same = found.values().filter(|person| person.set_name() == own.set_name());
            let mut set: Vec<Arc<Remembered>> = same.cloned().collect();
            set.sort_by_key(|person| person.row.customer);
            Ok(set)
        };
        preview(&desk, set(one)?, set(other)?)
    }
}

fn preview(
    desk: &Desk<'_, '_>,
    one: Vec<Arc<Remembered>>,
    other: Vec<Arc<Remembered>>,
) -> Result<Preview, Error> {
    let contexts = [context(&one), context(&other)];
    let sides = [side(desk, &one, &contexts[0])?, side(desk, &other, &contexts[1])?];
    let [a, b] = &sides;
    let already_merged = a.customer == b.customer;
    let of = |side: &Side| -> BTreeSet<Identifier> {
        side.identifiers.iter().map(|known| known.identifier.clone()).collect()
    };
    let (left, right) = (of(a), of(b));
    let everybody: Vec<Arc<Remembered>> = one.iter().chain(&other).cloned().collect();
    Ok(Preview {
        already_merged,
        too_large: !already_merged && everybody.len() > MOST_MEMBERS,
        customer: a.customer.min(b.customer),
        shared: left.intersection(&right).cloned().collect(),
        contradicting: contradicting(&desk.tenant.policy.identity, &left, &right),
        attributes: if already_merged { Vec::new() } else { differing(&contexts) },
        disclosure: strictest(&everybody),
        sides,
    })
}

fn context(set: &[Arc<Remembered>]) -> Arc<Context> {
    Context::gathered(set.iter().map(|it| it.context.clone().unwrap_or_default()).collect())
}

fn side(desk: &Desk<'_, '_>, set: &[Arc<Remembered>], context: &Context) -> Result<Side, Error> {
    let first = set.first().ok_or(Error::CustomerNotFound)?;
    Ok(Side {
        customer: first.set_name(),
        members: members_or_alone(&first.members, first.row.customer),
        contacts: set.iter().map(|member| member.row.contacts).sum(),
        open_intents: open_intents(&context.facts).len(),
        identifiers: identifiers(desk.tenant_id(), set)?,
        disclosure: strictest(set),
    })
}

/// A person signs in to one issuer as one subject, and has one id in a system of the caller's.
fn contradicting(
    policy: &Policy,
    one: &BTreeSet<Identifier>,
    other: &BTreeSet<Identifier>,
) -> Vec<Identifier> {
    let own_system = |it: &Identifier| {
        it.scheme == "external" && policy.namespace(&it.namespace).kind == HintKind::Crm
    };
    let single = |it: &&Identifier| it.scheme == "web_token" || own_system(it);
    let same =
        |a: &Identifier, b: &Identifier| (&a.scheme, &a.namespace) == (&b.scheme, &b.namespace);
    let against = |own: &Identifier, others: &BTreeSet<Identifier>| {
        others.iter().any(|it| same(own, it)) && !others.contains(own)
    };
    let left = one.iter().filter(single).filter(|own| against(own, other));
    let right = other.iter().filter(single).filter(|own| against(own, one));
    left.chain(right).cloned().collect()
}

/// Attributes of which the two say different things, and which would stand.
fn differing([one, other]: &[Arc<Context>; 2]) -> Vec<AttributeConflict> {
    let both: Vec<AttributeWrite> = one.profile.iter().chain(&other.profile).cloned().collect();
    let standing = current_profile(&both);
    let (left, right) = (current_profile(&one.profile), current_profile(&other.profile));
    let mut differing = Vec::new();
    for (name, a) in &left {
        let Some(b) = right.get(name).filter(|b| b.value != a.value) else { continue };
        let kept = standing.get(name).copied().unwrap_or(a);
        let loser = if kept.value == a.value { b } else { a };
        differing.push(AttributeConflict {
            name: (*name).to_owned(),
            kept: kept.clone(),
            other: (*loser).clone(),
        });
    }
    differing
}
