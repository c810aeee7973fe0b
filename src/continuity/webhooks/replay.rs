//! Events that were given up, shown, and asked for again.

use std::sync::Arc;

use super::{MOST_WAITING, Refused};
use crate::clock::Time;
use crate::continuity::service::Service;
use crate::continuity::tenant::Tenant;
use crate::store::webhooks::DeliveryRow;

/// Events that are looked through at once.
const PAGE: i64 = 500;

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its `webhook-id`, as the receiver knows it.
    pub id: String,
    /// How often it was tried.
    pub attempts: i64,
    /// Store time of the last try.
    pub failed: Time,
    /// The status it was answered with, or a code below 100 for why there was none.
    pub outcome: i64,
    position: i64,
}

/// The `webhook-id` of an event: the same at every try, at every endpoint, whoever sends it.
pub fn event_id(tenant: &Tenant, position: i64) -> String {
    let digest = tenant.secrets.fingerprint(&[b"webhook event", &position.to_be_bytes()]);
    format!("msg_{:032x}", u128::from_be_bytes(digest))
}

impl Service {
    /// What was given up at an endpoint, in the order in which it had happened.
    ///
    /// # Errors
    /// [`Refused::Unknown`]; the store's.
    pub async fn dead_letters(self: &Arc<Self>, name: &str) -> Result<Vec<DeadLetter>, Refused> {
        let (tenant, endpoint) = self.webhook(name).await?;
        let (mut letters, mut after) = (Vec::new(), i64::MIN);
        loop {
            let page = self.store.dead_letters(tenant.id, endpoint.endpoint, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(letters) };
            after = last.position;
            letters.extend(page.iter().map(|row| letter(&tenant, row)));
        }
    }

    /// Lets what was given up be tried again: one event by its `webhook-id`, or as many as may wait, the
    /// oldest first. How many.
    ///
    /// # Errors
    /// [`Refused::Unknown`], [`Refused::NotGivenUp`]; the store's.
    pub async fn replay_dead_letters(
        self: &Arc<Self>,
        name: &str,
        only: Option<&str>,
    ) -> Result<usize, Refused> {
        let letters = self.dead_letters(name).await?;
        let wanted = letters.iter().filter(|one| only.is_none_or(|id| id == one.id));
        let positions: Vec<i64> = wanted.map(|one| one.position).collect();
        if only.is_some() && positions.is_empty() {
            return Err(Refused::NotGivenUp);
        }
        let (tenant, endpoint) = super::named(name).ok_or(Refused::Unknown)?;
        let (waiting, _) = self.store.count_deliveries(tenant, endpoint).await?;
        let room = usize::try_from(MOST_WAITING - waiting).unwrap_or_default();
        let positions = &positions[..positions.len().min(room)];
        let mut replayed = 0;
        for some in positions.chunks(PAGE as usize) {
            let asked = (some.to_vec(), self.entropy.positive());
            replayed += self.store.replay_dead_letters(tenant, endpoint, asked, name).await?;
        }
        Ok(replayed)
    }
}

fn letter(tenant: &Tenant, row: &DeliveryRow) -> DeadLetter {
    DeadLetter {
        id: event_id(tenant, row.position),
        attempts: row.attempts,
        failed: row.failed,
        outcome: row.outcome,
        position: row.position,
    }
}
