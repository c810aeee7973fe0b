//! Customers who are in no cache: how they are read.

use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::Desk;
use crate::cache::Remembered;
use crate::continuity::{Error, load};
use crate::crypto::DataKey;
use crate::ids::CustomerId;
use crate::store::{Engine, read};

/// Customers whose contexts are looked at one after the other; of more, all is read at once.
const FEW: usize = 2;

impl Desk<'_, '_> {
    /// The customers that exist among `ids`; with their contexts if asked. On SQLite, what a commit will
    /// check is looked up in one statement after the other; everything else is read in one transaction.
    pub(super) async fn read_people(
        &mut self,
        ids: Vec<CustomerId>,
        with_context: bool,
    ) -> Result<Vec<Remembered>, Error> {
        if self.reads.uses_cache()
            && let Some(found) = self.look_people_up(&ids, with_context).await?
        {
            return Ok(found);
        }
        let (service, owner) = (Arc::clone(self.service), Arc::clone(self.tenant));
        let loaded = self.reads.load(Box::new(move |connection| {
            Box::pin(
                async move { load::people(&service, &owner, connection, &ids, with_context).await },
            )
        }));
        loaded.await?
    }

    /// The same in no transaction; nothing where somebody wrote between two statements: a context that
    /// is newer than its customer must not be remembered, and gone on with, as if it were as old.
    async fn look_people_up(
        &mut self,
        ids: &[CustomerId],
        with_context: bool,
    ) -> Result<Option<Vec<Remembered>>, Error> {
        let alone = self.service.store.engine() == Engine::Sqlite;
        if !alone || with_context && ids.len() > FEW {
            return Ok(None);
        }
        let (service, owner) = (Arc::clone(self.service), Arc::clone(self.tenant));
        let (tenant, ids) = (owner.id, ids.to_vec());
        let rows = self.reads.look(Box::new(move |connection| {
            Box::pin(async move { read::people(connection, tenant, &ids).await })
        }));
        let mut found = load::opened(&service, tenant, rows.await?).await?;
        if !with_context || found.is_empty() {
            return Ok(Some(found));
        }
        let asked: Vec<(CustomerId, Arc<DataKey>)> =
            found.iter().map(|one| (one.row.customer, Arc::clone(&one.key))).collect();
        let contexts = self.reads.look(Box::new(move |connection| {
            Box::pin(async move { load::contexts(&service, &owner, connection, &asked).await })
        }));
        for (person, (context, stamp)) in found.iter_mut().zip(contexts.await??) {
            if stamp != Some(person.row.stamp) {
                return Ok(None);
            }
            person.context = Some(Arc::new(context));
        }
        Ok(Some(found))
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
