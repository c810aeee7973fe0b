//! Customers who are in no cache: how they are read.

use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::Desk;
use crate::cache::Remembered;
use crate::continuity::Error;
use crate::continuity::load::{self, Texts};
use crate::ids::CustomerId;
use crate::store::history::{History, MOST_AT_ONCE};
use crate::store::read::Person;

/// So many customers are looked up with whoever else looks somebody up; of more, all is read in one
/// transaction.
const FEW: usize = MOST_AT_ONCE;

impl Desk<'_, '_> {
    /// The customers that exist among `ids`; with their contexts if asked. What a commit will check is
    /// looked up in one statement after the other; everything else is read in one transaction.
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
        if ids.len() > FEW {
            return Ok(None);
        }
        let (service, owner) = (Arc::clone(self.service), Arc::clone(self.tenant));
        let (tenant, now) = (owner.id, service.store.now());
        let rows = self.reads.find::<Person>(tenant, ids.to_vec(), now).await?;
        let mut found = load::opened(&service, tenant, rows).await?;
        if !with_context || found.is_empty() {
            return Ok(Some(found));
        }
        let asked = found.iter().map(|one| one.row.customer).collect();
        let mut histories = self.reads.find::<History>(tenant, asked, now).await?;
        let facts = histories.values().flat_map(|history| &history.facts);
        let mut texts = Texts::of(&service, tenant, facts);
        if texts.is_missing_any() {
            let known = self.reads.look(Box::new(move |connection| {
                Box::pin(async move { texts.completed(&service, &owner, connection).await })
            }));
            texts = known.await??;
        }
        for person in &mut found {
            let rows = histories.remove(&person.row.customer).unwrap_or_default();
            if rows.stamp != Some(person.row.stamp) {
                return Ok(None);
            }
            let context = load::open_context(tenant, &person.key, &rows, &texts)?;
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
