//! Customers whom events are about. What they are called needs no key. Whoever does not open, because
//! their key or something of theirs is damaged, is left out here and keeps nobody from the others.

use std::collections::HashMap;
use std::sync::Arc;

use super::matching::Names;
use crate::cache::Remembered;
use crate::continuity::Error;
use crate::continuity::service::Service;
use crate::crypto::{DataKey, Wrapped};
use crate::ids::{CustomerId, TenantId};
use crate::store::read::{self, Person, WrappedKey};
use crate::store::{self, Connection};

/// Refs are followed so many times at most, as by a desk.
const MOST_MOVES: usize = 16;

/// Customers as they were read, and whom they resolve to.
pub(super) struct People(HashMap<CustomerId, Person>);

impl People {
    /// Those of these who are there.
    pub async fn of(
        connection: &mut Connection,
        tenant: TenantId,
        ids: Vec<CustomerId>,
    ) -> Result<Self, store::Error> {
        let (mut known, mut wanted) = (HashMap::<CustomerId, Person>::new(), ids);
        for _ in 0..MOST_MOVES {
            wanted.retain(|id| !known.contains_key(id));
            if wanted.is_empty() {
                break;
            }
            let found = read::people(connection, tenant, &wanted).await?;
            wanted = found.values().filter_map(|person| person.row.moved_to).collect();
            known.extend(found);
        }
        Ok(Self(known))
    }

    /// Whom a ref stands for by now.
    pub fn resolved(&self, id: CustomerId) -> Option<CustomerId> {
        Some(self.whom(id)?.row.customer)
    }

    /// What the sets of these are called; who is not there is not among them.
    pub fn names(&self, ids: impl IntoIterator<Item = CustomerId>) -> Names {
        let name = |id: CustomerId| {
            let row = &self.whom(id)?.row;
            Some((id, row.set_name.unwrap_or(row.customer)))
        };
        ids.into_iter().filter_map(name).collect()
    }

    /// All of them.
    pub fn all(self) -> impl Iterator<Item = Person> {
        self.0.into_values()
    }

    fn whom(&self, id: CustomerId) -> Option<&Person> {
        let mut person = self.0.get(&id)?;
        for _ in 0..MOST_MOVES {
            match person.row.moved_to {
                Some(next) => person = self.0.get(&next)?,
                None => return Some(person),
            }
        }
        None
    }
}

/// What the sets of these customers are called; who is gone is not among them.
pub(super) async fn names(
    connection: &mut Connection,
    tenant: TenantId,
    customers: Vec<CustomerId>,
) -> Result<Names, store::Error> {
    let people = People::of(connection, tenant, customers.clone()).await?;
    Ok(people.names(customers))
}

/// A customer with their key and without a context; `None` where the key is damaged or gone.
///
/// # Errors
/// As [`unwrapped`].
pub(super) async fn with_key(
    service: &Service,
    tenant: TenantId,
    mut person: Person,
) -> Result<Option<Remembered>, Error> {
    let Some(wrapped) = person.key.take() else { return Ok(None) };
    let key = unwrapped(service, tenant, wrapped).await?;
    Ok(key.map(|key| Remembered::unopened(person, key)))
}

/// A data key; `None` where it is damaged.
///
/// # Errors
/// What is wrong with this instance and not with the key: above all, a version of the root key that is
/// not here. What happens must then wait until it is, and not be passed over.
pub(super) async fn unwrapped(
    service: &Service,
    tenant: TenantId,
    (id, version, bytes): WrappedKey,
) -> Result<Option<Arc<DataKey>>, Error> {
    match service.keyring.unwrap(tenant, id, &Wrapped { version, bytes }).await {
        Ok(key) => Ok(Some(Arc::new(key))),
        Err(Error::Sealed) if service.keyring.keys().has(version) => Ok(None),
        Err(error) => Err(error),
    }
}
