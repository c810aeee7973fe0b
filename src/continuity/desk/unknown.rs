//! Customers who are in no cache: how they are read.

use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::Desk;
use crate::cache::Remembered;
use crate::continuity::{Error, load};
use crate::crypto::DataKey;
use crate::ids::CustomerId;
use crate::store::read;

impl Desk<'_, '_> {
    /// The customers that exist among `ids`; with their contexts if asked. What a commit will check
    /// is looked up in one statement after the other, everything else is read in one transaction.
    pub(super) async fn read_people(
        &mut self,
        ids: Vec<CustomerId>,
        with_context: bool,
    ) -> Result<Vec<Remembered>, Error> {
        let (service, owner) = (Arc::clone(self.service), Arc::clone(self.tenant));
        if !self.reads.uses_cache() {
            let loaded = self.reads.load(Box::new(move |connection| {
                Box::pin(async move {
                    load::people(&service, &owner, connection, &ids, with_context).await
                })
            }));
            return loaded.await?;
        }
        let tenant = owner.id;
        let rows = self.reads.look(Box::new(move |connection| {
            let ids = ids.clone();
            Box::pin(async move { read::people(connection, tenant, &ids).await })
        }));
        let mut found = load::opened(&service, tenant, rows.await?).await?;
        if with_context && !found.is_empty() {
            let asked: Vec<(CustomerId, Arc<DataKey>)> =
                found.iter().map(|one| (one.row.customer, Arc::clone(&one.key))).collect();
            let contexts = self.reads.look(Box::new(move |connection| {
                let (service, owner, asked) =
                    (Arc::clone(&service), Arc::clone(&owner), asked.clone());
                Box::pin(async move { load::contexts(&service, &owner, connection, &asked).await })
            }));
            for (person, context) in found.iter_mut().zip(contexts.await??) {
                person.context = Some(Arc::new(context));
            }
        }
        Ok(found)
    }

    /// Past the cache no commit will check what was read: a member who left meanwhile must not be
    /// shown with those who stayed.
    pub(super) async fn sets_of_one_moment(
        &mut self,
        ids: &[CustomerId],
        with_context: bool,
    ) -> Result<FxHashMap<CustomerId, Arc<Remembered>>, Error> {
        let (service, owner) = (Arc::clone(self.service), Arc::clone(self.tenant));
        let ids = ids.to_vec();
        let loaded = self
            .reads
            .load(Box::new(move |connection| {
                Box::pin(async move {
                    load::sets(&service, &owner, connection, &ids, with_context).await
                })
            }))
            .await??;
        let mut found = FxHashMap::with_capacity_and_hasher(loaded.len(), FxBuildHasher);
        for person in loaded {
            let person = Arc::new(person);
            self.saw(&person);
            found.insert(person.row.customer, person);
        }
        Ok(found)
    }
}
