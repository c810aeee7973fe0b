//! Customers in memory: who owns what, and what each contact gave them.

use std::collections::{BTreeMap, HashMap, HashSet};

use rustc_hash::FxHashMap;

use crate::clock::Time;
use crate::identity::{
    Assurance, Basis, Hint, HintKind, Identifier, Owner, Person, Proof, Shown, links, used,
};
use crate::ids::CustomerId;

/// A contact under way or on file.
pub(super) struct Interaction {
    place: usize,
    pub(super) started: Time,
    pub(super) ended: Option<Time>,
    hints: Vec<Hint>,
    shown: Vec<Shown>,
    /// On whom it is settled, or the best candidate.
    pub(super) customer: Option<CustomerId>,
    pub(super) settled: bool,
    /// Whether its customer was made by it.
    pub(super) made: bool,
    /// Whether somebody, or a VERIFIED token, said whose it is.
    pub(super) vouched: bool,
    supports: Vec<(Identifier, Assurance, HintKind)>,
}

impl Interaction {
    pub(super) fn new(place: usize, started: Time, hints: Vec<Hint>) -> Self {
        Self {
            place,
            started,
            ended: None,
            hints,
            shown: Vec::new(),
            customer: None,
            settled: false,
            made: false,
            vouched: false,
            supports: Vec::new(),
        }
    }
}

#[derive(Clone)]
struct Link {
    assurance: Assurance,
    uses: i64,
    weight: f64,
    newest: Time,
    confirmed: Option<Time>,
}

impl Link {
    fn new(assurance: Assurance) -> Self {
        Self { assurance, uses: 0, weight: 0.0, newest: Time(0), confirmed: None }
    }

    fn count(&mut self, at: Time, kind: HintKind, vouched: bool) {
        (self.weight, self.newest) = used(self.weight, self.newest, self.uses, at, kind);
        self.uses += 1;
        if vouched {
            self.confirmed = self.confirmed.max(Some(at));
        }
    }
}

struct Customer {
    created: Time,
    contacts: usize,
    last_contact: Option<Time>,
    moved_to: Option<CustomerId>,
    links: BTreeMap<Identifier, Link>,
    /// Ended contacts, by their start's place.
    file: BTreeMap<usize, Interaction>,
    /// Contacts settled here that have not ended.
    under_way: usize,
}

/// Everybody.
#[derive(Default)]
pub(super) struct Customers {
    all: HashMap<CustomerId, Customer>,
    owners: HashMap<Identifier, Vec<CustomerId>>,
    seen: HashSet<Identifier>,
}

impl Customers {
    /// Somebody new; ids rise in the order of making, as the service's do.
    pub(super) fn make(&mut self, created: Time) -> CustomerId {
        let id = CustomerId((self.all.len() as u128 + 1).to_be_bytes());
        let customer = Customer {
            created,
            contacts: 0,
            last_contact: None,
            moved_to: None,
            links: BTreeMap::new(),
            file: BTreeMap::new(),
            under_way: 0,
        };
        self.all.insert(id, customer);
        id
    }

    /// Whom a ref names by now.
    pub(super) fn stands_for(&self, id: CustomerId) -> CustomerId {
        let mut id = id;
        while let Some(next) = self.all.get(&id).and_then(|customer| customer.moved_to) {
            id = next;
        }
        id
    }

    /// The customer may stand for another by now.
    pub(super) fn refresh(&self, interaction: &mut Interaction) {
        interaction.customer = interaction.customer.map(|id| self.stands_for(id));
    }

    /// Who owns what was shown; it is seen from now on.
    pub(super) fn look(&mut self, interaction: &mut Interaction) -> Vec<Shown> {
        let shown = self.shown(&interaction.hints);
        self.seen.extend(interaction.hints.iter().map(|hint| hint.identifier.clone()));
        interaction.shown.clone_from(&shown);
        shown
    }

    fn shown(&self, hints: &[Hint]) -> Vec<Shown> {
        let index_of = |one: &Hint| {
            hints.iter().position(|hint| hint.identifier == one.identifier).unwrap_or_default()
        };
        let shown = |hint: &Hint| {
            let owners = self.owners.get(&hint.identifier).into_iter().flatten();
            let owners = owners.filter_map(|id| self.owner(*id, &hint.identifier)).collect();
            Shown::new(hint, index_of(hint), self.seen.contains(&hint.identifier), owners)
        };
        hints.iter().map(shown).collect()
    }

    fn owner(&self, customer: CustomerId, identifier: &Identifier) -> Option<Owner> {
        let link = self.all.get(&customer)?.links.get(identifier)?;
        Some(Owner {
            customer,
            assurance: link.assurance,
            uses: link.uses,
            weight: link.weight,
            newest: link.newest,
            confirmed: link.confirmed,
        })
    }

    /// What the model needs to know of the owners.
    pub(super) fn people(&self, shown: &[Shown]) -> FxHashMap<CustomerId, Person> {
        let owners = shown.iter().flat_map(|hint| &hint.owners).map(|owner| owner.customer);
        let known = owners.filter_map(|id| {
            let customer = self.all.get(&id)?;
            let last_contact = customer.last_contact;
            Some((id, Person { last_contact, created: customer.created }))
        });
        known.collect()
    }

    /// Settles a contact on a customer and links what it showed; beside a token that decides, not
    /// what disagrees with it.
    pub(super) fn settle(
        &mut self,
        interaction: &mut Interaction,
        id: CustomerId,
        basis: Basis,
        proof: Proof,
    ) {
        let elsewhere = |shown: &Shown| {
            let others = !shown.owners.is_empty();
            others && shown.owners.iter().all(|owner| owner.customer != id)
        };
        let decided = proof == Proof::Decides(id);
        for made in links(&interaction.shown, id, basis) {
            if decided && elsewhere(&interaction.shown[made.shown]) {
                continue;
            }
            let hint = &interaction.hints[made.shown];
            self.link(id, &hint.identifier, made.assurance);
            let supports = &mut interaction.supports;
            match supports.iter_mut().find(|(known, ..)| *known == hint.identifier) {
                Some(known) => known.1 = known.1.max(made.assurance),
                None => supports.push((hint.identifier.clone(), made.assurance, hint.kind)),
            }
        }
        if !(interaction.settled && interaction.customer == Some(id)) {
            self.all.entry(id).and_modify(|customer| customer.under_way += 1);
        }
        interaction.customer = Some(id);
        interaction.settled = true;
    }

    fn link(&mut self, id: CustomerId, identifier: &Identifier, assurance: Assurance) {
        let Some(customer) = self.all.get_mut(&id) else { return };
        match customer.links.get_mut(identifier) {
            Some(link) => link.assurance = link.assurance.max(assurance),
            None => {
                customer.links.insert(identifier.clone(), Link::new(assurance));
                self.owners.entry(identifier.clone()).or_default().push(id);
            }
        }
    }

    /// Makes a contact that customer's, wherever it was before.
    pub(super) fn become_of(
        &mut self,
        interaction: &mut Interaction,
        to: CustomerId,
        basis: Basis,
    ) {
        let from = interaction.customer.filter(|from| interaction.settled && *from != to);
        if let Some(from) = from {
            self.withdraw(interaction, from);
        }
        interaction.shown = self.shown(&interaction.hints);
        interaction.shown.iter_mut().for_each(|shown| shown.seen_before = true);
        self.settle(interaction, to, basis, Proof::NotSignedIn);
        if let Some(from) = from {
            self.retire_if_empty(from, to);
        }
    }

    /// Takes back all that a contact gave: links and counters are folded from those that stay.
    fn withdraw(&mut self, interaction: &mut Interaction, from: CustomerId) {
        let Some(customer) = self.all.get_mut(&from) else { return };
        customer.under_way -= 1;
        let mut folded: BTreeMap<&Identifier, Link> = BTreeMap::new();
        let mut stay: Vec<&Interaction> = customer.file.values().collect();
        stay.sort_by_key(|contact| contact.ended);
        for contact in stay {
            for (identifier, assurance, kind) in &contact.supports {
                let link = folded.entry(identifier).or_insert_with(|| Link::new(*assurance));
                link.assurance = link.assurance.max(*assurance);
                if let Some(ended) = contact.ended {
                    link.count(ended, *kind, contact.vouched);
                }
            }
        }
        for (identifier, ..) in std::mem::take(&mut interaction.supports) {
            match folded.remove(&identifier) {
                Some(link) => drop(customer.links.insert(identifier, link)),
                None => {
                    customer.links.remove(&identifier);
                    if let Some(owners) = self.owners.get_mut(&identifier) {
                        owners.retain(|owner| *owner != from);
                    }
                }
            }
        }
        interaction.settled = false;
    }

    fn retire_if_empty(&mut self, old: CustomerId, to: CustomerId) {
        if let Some(customer) = self.all.get_mut(&old)
            && customer.file.is_empty()
            && customer.links.is_empty()
            && customer.under_way == 0
        {
            customer.moved_to = Some(to);
        }
    }

    /// An ended contact feeds the counters if it is settled, and goes on file.
    pub(super) fn file(&mut self, interaction: Interaction) {
        let (Some(id), Some(ended), true) =
            (interaction.customer, interaction.ended, interaction.settled)
        else {
            return;
        };
        let Some(customer) = self.all.get_mut(&id) else { return };
        customer.under_way -= 1;
        customer.contacts += 1;
        customer.last_contact = customer.last_contact.max(Some(ended));
        for (identifier, _, kind) in &interaction.supports {
            if let Some(link) = customer.links.get_mut(identifier) {
                link.count(ended, *kind, interaction.vouched);
            }
        }
        customer.file.insert(interaction.place, interaction);
    }
}
