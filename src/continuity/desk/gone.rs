//! Who is not there, or not any more: whoever was erased is told from whoever never was.

use std::sync::Arc;

use super::Desk;
use crate::cache::Remembered;
use crate::continuity::Error;
use crate::ids::CustomerId;
use crate::store::belonging;

impl Desk<'_, '_> {
    /// One customer, under the ref it resolves to now; with their context if asked.
    ///
    /// # Errors
    /// [`Error::Erased`], [`Error::CustomerNotFound`], and the store's.
    pub async fn there(
        &mut self,
        id: CustomerId,
        with_context: bool,
    ) -> Result<Arc<Remembered>, Error> {
        match self.person(id, with_context).await? {
            Some(person) => Ok(person),
            None => Err(self.why_gone(id).await?),
        }
    }

    /// Why a customer is not there: [`Error::Erased`] or [`Error::CustomerNotFound`].
    ///
    /// # Errors
    /// The store's.
    pub async fn why_gone(&mut self, id: CustomerId) -> Result<Error, Error> {
        let tenant = self.tenant_id();
        let tombstone = self.tenant.secrets.tombstone("customer", &id.0);
        let there = self
            .reads
            .look(Box::new(move |connection| {
                Box::pin(
                    async move { belonging::tombstones(connection, tenant, &[tombstone]).await },
                )
            }))
            .await?;
        Ok(if there.is_empty() { Error::CustomerNotFound } else { Error::Erased })
    }
}
