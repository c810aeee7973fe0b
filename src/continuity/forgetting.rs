//! What this instance remembers of customers whom another one has changed is never shown, since
//! stamps tell; but it would stay in memory until somebody asks. Whoever was erased must not.

use std::sync::Arc;

use super::Error;
use super::service::Service;
use crate::ids::{CustomerId, Stamp};
use crate::store::Reads;
use crate::store::belonging;
use crate::store::gate::{Key, Listener as _};

/// Customers that are asked for at once.
const STEP: usize = 256;

impl Service {
    /// Forgets every customer who has another stamp by now, or is gone; how many they were.
    ///
    /// # Errors
    /// The store's; what was forgotten before stays forgotten.
    pub async fn forget_changed(self: &Arc<Self>) -> Result<u64, Error> {
        self.walks.forget_old(self.store.now());
        let mut forgotten = 0;
        for (tenant, remembered) in self.memory.remembered() {
            for chunk in remembered.chunks(STEP) {
                let ids: Vec<CustomerId> = chunk.iter().map(|(customer, _)| *customer).collect();
                let mut reads = Reads::Outside(Arc::clone(&self.store));
                let now = reads
                    .look(Box::new(move |connection| {
                        Box::pin(async move { belonging::stamps(connection, tenant, &ids).await })
                    }))
                    .await?;
                let changed = |(customer, stamp): &&(CustomerId, Stamp)| {
                    now.get(customer).is_none_or(|now| now != stamp)
                };
                let keys: Vec<Key> = chunk
                    .iter()
                    .filter(changed)
                    .map(|(customer, _)| Key::Customer(tenant, *customer))
                    .collect();
                // What was changed here meanwhile is remembered anew by whoever asks next.
                self.memory.changed(&keys);
                forgotten += keys.len() as u64;
            }
        }
        Ok(forgotten)
    }

    /// How many customers are remembered.
    pub fn remembered_customers(&self) -> usize {
        self.memory.remembered().values().map(Vec::len).sum()
    }
}
