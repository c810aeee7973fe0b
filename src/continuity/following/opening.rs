//! Opening rows of the journal: those that were read, the ones before them, and the newest of their
//! interactions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::{Happened, people};
use crate::continuity::load::Loaded;
use crate::continuity::record::{RequestRecord, State};
use crate::continuity::sealing::Slot;
use crate::continuity::service::Service;
use crate::continuity::tenant::Tenant;
use crate::crypto::{DataKey, key_id};
use crate::ids::{CustomerId, KeyId, TenantId, Token};
use crate::store::follow::{self, Entry, Place};
use crate::store::read;
use crate::store::rows::Verb;
use crate::store::{self, Connection};

/// Where the rows of each interaction are, oldest first.
pub(super) struct Histories(HashMap<Token, Vec<Place>>);

impl Histories {
    /// Of the interactions of these rows.
    pub async fn of(
        connection: &mut Connection,
        tenant: TenantId,
        rows: &[(Happened, Entry)],
    ) -> Result<Self, store::Error> {
        let tokens = rows.iter().filter(|(happened, _)| !happened.is_change());
        let tokens: BTreeSet<Token> = tokens.map(|(_, row)| row.interaction).collect();
        let tokens: Vec<Token> = tokens.into_iter().collect();
        let mut histories: HashMap<Token, Vec<Place>> = HashMap::new();
        for (token, place) in follow::places(connection, tenant, &tokens).await? {
            histories.entry(token).or_default().push(place);
        }
        histories.values_mut().for_each(|places| places.sort_unstable());
        Ok(Self(histories))
    }

    fn places(&self, token: Token) -> &[Place] {
        self.0.get(&token).map(Vec::as_slice).unwrap_or_default()
    }

    /// The row before this one.
    fn before(&self, row: &Entry) -> Option<&Place> {
        let mut places = self.places(row.interaction).iter().rev();
        places.find(|place| place.position < row.position)
    }

    /// The newest row of an interaction.
    fn newest(&self, token: Token) -> Option<i64> {
        self.places(token).last().map(|place| place.position)
    }

    /// Whether an interaction had ended before this end, other than by itself.
    pub fn ended_before(&self, row: &Entry) -> bool {
        let is_end = |place: &Place| place.verb == Verb::End as i64;
        let mut places = self.places(row.interaction).iter();
        places.any(|place| place.position < row.position && is_end(place))
    }
}

/// Data keys by their names; none where one is damaged.
type Keys = HashMap<KeyId, Option<Arc<DataKey>>>;

/// What rows hold, by their positions.
pub(super) struct Opened {
    histories: Histories,
    states: HashMap<i64, Arc<State>>,
    requests: HashMap<i64, RequestRecord>,
}

impl Opened {
    /// Opens the rows, those before them, and the newest of their interactions.
    pub async fn of(
        service: &Service,
        tenant: &Tenant,
        connection: &mut Connection,
        rows: &[(Happened, Entry)],
    ) -> Loaded<Self> {
        let histories = Histories::of(connection, tenant.id, rows).await?;
        let mut known: HashMap<i64, Entry> =
            rows.iter().map(|(_, row)| (row.position, row.clone())).collect();
        let beside = rows.iter().flat_map(|(_, row)| {
            let before = histories.before(row).map(|place| place.position);
            before.into_iter().chain(histories.newest(row.interaction))
        });
        let missing: BTreeSet<i64> = beside.filter(|at| !known.contains_key(at)).collect();
        let missing: Vec<i64> = missing.into_iter().collect();
        let more = follow::entries_at(connection, tenant.id, &missing).await?;
        known.extend(more.into_iter().map(|row| (row.position, row)));
        let ids: HashSet<KeyId> = known.values().filter_map(|row| key_id(&row.state)).collect();
        let ids: Vec<KeyId> = ids.into_iter().filter(|id| *id != tenant.key.id()).collect();
        let mut keys = Keys::from([(tenant.key.id(), Some(Arc::clone(&tenant.key)))]);
        for wrapped in read::data_keys(connection, tenant.id, &ids).await? {
            let id = wrapped.0;
            match people::unwrapped(service, tenant.id, wrapped).await {
                Ok(key) => drop(keys.insert(id, key)),
                Err(error) => return Ok(Err(error)),
            }
        }
        let mut opened = Self { histories, states: HashMap::new(), requests: HashMap::new() };
        known.values().for_each(|row| opened.open(tenant.id, row, &keys));
        Ok(Ok(opened))
    }

    fn open(&mut self, tenant: TenantId, row: &Entry, keys: &Keys) {
        let (Some(verb), Some(id)) = (row.verb, key_id(&row.state)) else { return };
        // Without its key it is gone with its customer.
        let Some(key) = keys.get(&id) else { return };
        let Some(key) = key else {
            // As below, for all rows of one customer.
            tracing::error!(position = row.position, "the key of a journal row does not open");
            return;
        };
        let (interaction, part) = (row.interaction, row.part.clone());
        let slot = Slot::Journal { interaction, verb, part };
        let read = match Happened::of(verb) {
            Some(happened) if happened.is_change() => slot
                .open(tenant, key, &row.state)
                .map(|record| drop(self.requests.insert(row.position, record))),
            Some(_) => slot
                .open(tenant, key, &row.state)
                .map(|state| drop(self.states.insert(row.position, Arc::new(state)))),
            None => Ok(()),
        };
        if read.is_err() {
            // One damaged row keeps nobody from all that come after it.
            tracing::error!(position = row.position, "a journal row does not open");
        }
    }

    /// How an interaction stood before a row, where it was known, and after it; `None` when it is
    /// gone. Moved to somebody else, it has lost how it stood before: then it was as it is now, and
    /// whose it was the rows still say.
    pub fn around(&self, row: &Entry) -> Option<(Option<Arc<State>>, Arc<State>)> {
        let newest = self.newest(row.interaction)?;
        let was = |customer: Option<CustomerId>| {
            let customer = customer.map_or_else(Vec::new, |id| id.0.to_vec());
            Arc::new(State { customer, ..State::clone(newest) })
        };
        let after = self.states.get(&row.position).cloned();
        let before = self.histories.before(row).filter(|place| place.customer.is_some());
        let before = before.map(|place| {
            let kept = self.states.get(&place.position).cloned();
            kept.unwrap_or_else(|| was(place.customer))
        });
        Some((before, after.unwrap_or_else(|| was(row.customer))))
    }

    /// As an interaction stands now; `None` when that is gone.
    pub fn newest(&self, token: Token) -> Option<&Arc<State>> {
        self.states.get(&self.histories.newest(token)?)
    }

    /// A request that changed a customer; `None` when it is gone.
    pub fn request(&self, row: &Entry) -> Option<&RequestRecord> {
        self.requests.get(&row.position)
    }

    /// What has happened to an interaction, with what only its other rows and its content say.
    pub fn happened(&self, verb: Happened, row: &Entry) -> Happened {
        match verb {
            _ if self.states.get(&row.position).is_some_and(|state| state.rewritten) => {
                Happened::Redacted
            }
            Happened::Ended if self.histories.ended_before(row) => Happened::Amended,
            verb => verb,
        }
    }
}
