//! Entries of what somebody did that changes no row of a tenant's: it was tried out, read or copied.

use std::sync::Arc;

use crate::ids::TenantId;
use crate::store::rows::Verb;
use crate::store::{Error, Store, head};

/// Tenants whose entries are written together.
const TENANTS_AT_ONCE: usize = 100;

impl Store {
    /// Notes in a tenant's audit that this was done; `by` is who did it.
    ///
    /// # Errors
    /// As the database's.
    pub async fn note(
        self: &Arc<Self>,
        tenant: TenantId,
        by: &str,
        verb: Verb,
    ) -> Result<(), Error> {
        let (store, entry) = (Arc::clone(self), self.entry(by, verb));
        self.chore(Box::new(move |connection| {
            Box::pin(async move { head::append(&store, connection, tenant, entry).await })
        }))
        .await
    }

    /// Notes what concerns every tenant in the audit of each.
    ///
    /// # Errors
    /// As the database's: some tenants may have their entry then.
    pub async fn note_in_each(self: &Arc<Self>, by: &str, verb: Verb) -> Result<(), Error> {
        let tenants: Vec<TenantId> = self.tenants().await?.iter().map(|row| row.tenant).collect();
        // A write of another process empties the memory of one that serves the same file: few of them.
        for some in tenants.chunks(TENANTS_AT_ONCE) {
            let (store, some, entry) = (Arc::clone(self), some.to_vec(), self.entry(by, verb));
            self.chore(Box::new(move |connection| {
                Box::pin(async move {
                    for tenant in some {
                        head::append(&store, connection, tenant, entry.clone()).await?;
                    }
                    Ok(())
                })
            }))
            .await?;
        }
        Ok(())
    }
}
