//! A customer in hand: the row and links as they will be, until they become effects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Error;
use super::record::HintRecord;
use super::sealing::Slot;
use super::service::Service;
use super::tenant::Tenant;
use crate::cache::Remembered;
use crate::clock::Time;
use crate::crypto::DataKey;
use crate::identity::{HintKind, used};
use crate::ids::{CustomerId, Stamp, Token};
use crate::store::rows::{CustomerRow, DataKeyRow, LinkRow, TieRow};
use crate::store::{Effects, Removal};

pub(super) struct Working {
    pub row: CustomerRow,
    pub key: Arc<DataKey>,
    links: BTreeMap<Token, LinkRow>,
    ties: BTreeMap<Token, TieRow>,
    new_key: Option<DataKeyRow>,
    changed: bool,
    changed_links: BTreeSet<Token>,
    removed_links: BTreeSet<Token>,
    new_owners: BTreeSet<Token>,
    changed_ties: BTreeSet<Token>,
}

impl Working {
    /// A customer that the store knows.
    pub fn known(person: &Remembered) -> Self {
        Self {
            row: person.row.clone(),
            key: Arc::clone(&person.key),
            links: person.links.iter().map(|link| (link.token, link.clone())).collect(),
            ties: person.ties.iter().map(|tie| (tie.token, tie.clone())).collect(),
            new_key: None,
            changed: false,
            changed_links: BTreeSet::new(),
            removed_links: BTreeSet::new(),
            new_owners: BTreeSet::new(),
            changed_ties: BTreeSet::new(),
        }
    }

    /// A new customer, first seen at `created`.
    ///
    /// # Errors
    /// When this instance lacks the version of the root key that wraps now.
    pub fn new(service: &Service, tenant: &Tenant, created: Time) -> Result<Self, Error> {
        let key = DataKey::generate(&service.entropy);
        let (data_key, wrapped) = (key.id(), service.wrap(tenant.id, &key)?);
        let row = CustomerRow {
            customer: CustomerId::new(service.clock.now(), &service.entropy),
            data_key,
            stamp: Stamp(0),
            created,
            received: Time(0),
            last_contact: Time(0),
            contacts: 0,
            disclosure: crate::context::Disclosure::Normal.code(),
            moved_to: None,
            set_name: None,
            archived: Time(0),
        };
        let new_key =
            DataKeyRow { data_key, root_version: wrapped.version, wrapped: wrapped.bytes };
        Ok(Self {
            row,
            key: Arc::new(key),
            links: BTreeMap::new(),
            ties: BTreeMap::new(),
            new_key: Some(new_key),
            changed: true,
            changed_links: BTreeSet::new(),
            removed_links: BTreeSet::new(),
            new_owners: BTreeSet::new(),
            changed_ties: BTreeSet::new(),
        })
    }

    /// Something of this customer changed: it gets a new stamp.
    pub fn touch(&mut self) -> &mut CustomerRow {
        self.changed = true;
        &mut self.row
    }

    /// Whether it does not exist yet.
    pub fn is_new(&self) -> bool {
        self.new_key.is_some()
    }

    /// Whether any link was made, raised or taken away.
    pub fn has_changed_links(&self) -> bool {
        !self.new_owners.is_empty()
    }

    pub fn links(&self) -> &BTreeMap<Token, LinkRow> {
        &self.links
    }

    /// What was said of ties beside any contact.
    pub fn ties(&self) -> &BTreeMap<Token, TieRow> {
        &self.ties
    }

    /// Until when contacts give no reason for that tie; zero when it was never unlinked.
    pub fn untied(&self, token: Token) -> Time {
        self.ties.get(&token).map_or(Time(0), |tie| tie.untied)
    }

    fn tie(&mut self, token: Token) -> &mut TieRow {
        let customer = self.row.customer;
        self.changed = true;
        self.changed_ties.insert(token);
        let none = || TieRow { customer, token, assurance: 0, untied: Time(0) };
        self.ties.entry(token).or_insert_with(none)
    }

    /// Gives an identifier a reason of its own, beside any contact.
    pub fn link_directly(
        &mut self,
        service: &Service,
        tenant: &Tenant,
        token: Token,
        hint: &HintRecord,
    ) {
        let tie = self.tie(token);
        tie.assurance = tie.assurance.max(hint.assurance);
        self.link(service, tenant, token, hint, hint.assurance);
    }

    /// Takes an identifier away, with every reason for it until `at`.
    pub fn unlink_directly(&mut self, token: Token, at: Time) {
        let tie = self.tie(token);
        tie.assurance = 0;
        tie.untied = tie.untied.max(at);
        self.unlink(token);
    }

    /// Links an identifier, or raises its link, to at least `assurance`.
    pub fn link(
        &mut self,
        service: &Service,
        tenant: &Tenant,
        token: Token,
        hint: &HintRecord,
        assurance: i64,
    ) {
        let customer = self.row.customer;
        if let Some(link) = self.links.get_mut(&token) {
            if link.assurance >= assurance {
                return;
            }
            link.assurance = assurance;
        } else {
            let identifier = HintRecord {
                scheme: hint.scheme.clone(),
                namespace: hint.namespace.clone(),
                value: hint.value.clone(),
                kind: hint.kind,
                ..HintRecord::default()
            };
            let slot = Slot::Link { customer, token };
            let identifier = slot.seal(tenant.id, &self.key, &identifier, &service.entropy);
            let (newest, confirmed) = (Time(0), Time(0));
            let link = LinkRow {
                customer,
                token,
                assurance,
                uses: 0,
                weight: 0.0,
                newest,
                identifier,
                confirmed,
            };
            self.links.insert(token, link);
        }
        self.removed_links.remove(&token);
        self.changed_links.insert(token);
        self.new_owners.insert(token);
        self.changed = true;
    }

    /// Counts one settled use of an identifier that is linked.
    pub fn count_use(&mut self, token: Token, at: Time, kind: HintKind) {
        if let Some(link) = self.links.get_mut(&token) {
            (link.weight, link.newest) = used(link.weight, link.newest, link.uses, at, kind);
            link.uses += 1;
            self.changed_links.insert(token);
            self.changed = true;
        }
    }

    /// Sets a link to what its remaining reasons support.
    pub fn reset_link(&mut self, token: Token, refolded: &Refolded) {
        if let Some(link) = self.links.get_mut(&token) {
            link.assurance = refolded.assurance;
            link.uses = refolded.uses;
            link.weight = refolded.weight;
            link.newest = refolded.newest;
            link.confirmed = refolded.confirmed;
            self.changed_links.insert(token);
            self.new_owners.insert(token);
            self.changed = true;
        }
    }

    /// Notes that somebody confirmed the customer when they used an identifier.
    pub fn confirm_use(&mut self, token: Token, at: Time) {
        if let Some(link) = self.links.get_mut(&token).filter(|link| link.confirmed < at) {
            link.confirmed = at;
            self.changed_links.insert(token);
            self.changed = true;
        }
    }

    /// Takes a link away.
    pub fn unlink(&mut self, token: Token) {
        if self.links.remove(&token).is_some() {
            self.changed_links.remove(&token);
            self.removed_links.insert(token);
            self.new_owners.insert(token);
            self.changed = true;
        }
    }

    /// One settled contact more, at that time.
    pub fn count_contact(&mut self, at: Time) {
        let row = self.touch();
        row.contacts += 1;
        row.last_contact = row.last_contact.max(at);
    }

    /// Everything that changed, as rows.
    pub fn into_effects(self, effects: &mut Effects) {
        let customer = self.row.customer;
        let removed = self.removed_links.iter();
        effects.removals.extend(removed.map(|token| Removal::Link { customer, token: *token }));
        effects.heads.extend(&self.new_owners);
        if let Some(new_key) = self.new_key {
            effects.data_keys.push(new_key);
            effects.keys.push((customer, self.key));
        }
        if self.changed {
            effects.customers.push(self.row);
        }
        let mut ties = self.ties;
        effects.ties.extend(self.changed_ties.iter().filter_map(|token| ties.remove(token)));
        let mut links = self.links;
        effects.links.extend(self.changed_links.iter().filter_map(|token| links.remove(token)));
    }
}

/// A link as its remaining reasons support it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Refolded {
    pub assurance: i64,
    pub uses: i64,
    pub weight: f64,
    pub newest: Time,
    pub confirmed: Time,
}
