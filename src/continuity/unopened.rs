//! People and interactions, for whoever takes them away: nothing of them has to be read for that, and
//! so what does not open is in nobody's way.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Error;
use super::desk::{Desk, Known};
use crate::cache::Remembered;
use crate::crypto::DataKey;
use crate::ids::{CustomerId, Token};
use crate::store::read;

/// The customers that exist among `ids`, without their contexts. Whose key does not open has another
/// one at this desk, which opens nothing.
///
/// # Errors
/// The store's.
pub(super) async fn people(
    desk: &mut Desk<'_, '_>,
    ids: &[CustomerId],
) -> Result<FxHashMap<CustomerId, Arc<Remembered>>, Error> {
    let found = desk.people(ids, false).await;
    if !matches!(found, Err(Error::Sealed)) {
        return found;
    }
    // A root key may have been added since this process last looked: what it wraps is not damaged.
    desk.service.follow_root_keys().await?;
    for id in ids {
        match desk.one(*id, false).await {
            Err(Error::Sealed) => see(desk, *id).await?,
            found => drop(found?),
        }
    }
    desk.people(ids, false).await
}

/// Looks at a customer whose key does not open. That they are so stays at this desk: a cache that
/// remembered it would seal with a key that nobody has.
async fn see(desk: &mut Desk<'_, '_>, id: CustomerId) -> Result<(), Error> {
    let tenant = desk.tenant_id();
    let mut found = desk
        .reads
        .load(Box::new(move |connection| {
            Box::pin(async move { read::people(connection, tenant, &[id]).await })
        }))
        .await?;
    let Some(person) = found.remove(&id) else { return Ok(()) };
    tracing::warn!(tenant = tenant.0, "the key of somebody who is taken away does not open");
    let key = Arc::new(DataKey::stand_in(person.row.data_key, &desk.service.entropy));
    desk.saw(&Arc::new(Remembered::unopened(person, key)));
    Ok(())
}

/// An interaction, as [`Desk::interaction`] finds it; none either where it does not open.
///
/// # Errors
/// [`Error::Erased`] when it was erased with its person, and the store's.
pub(super) async fn interaction(
    desk: &mut Desk<'_, '_>,
    token: Token,
) -> Result<Option<Known>, Error> {
    let known = desk.interaction(token).await;
    if !matches!(known, Err(Error::Sealed)) {
        return known;
    }
    // As above: what a new root key wraps is not lost.
    desk.service.follow_root_keys().await?;
    let known = desk.interaction(token).await;
    if !matches!(known, Err(Error::Sealed)) {
        return known;
    }
    tracing::warn!(
        tenant = desk.tenant_id().0,
        "an interaction that an erasure touches does not open: it is taken for one that has gone"
    );
    Ok(None)
}
