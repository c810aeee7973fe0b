//! The root key's versions as the store knows them, the keys they wrap, and who reads them.
//!
//! What is written here is a chore of this process's writer, as in `admin`. A version goes one way:
//! announced, in use, retired. Only an `UPDATE` ever touches a wrapped key: one that was destroyed
//! meanwhile stays so.

use sqlx::Row as _;

use super::admin::GREETING;
use super::statement::{self, Across, Arguments, scoped};
use super::{Error, Store};
use crate::clock::{SECOND, Time};
use crate::ids::{KeyId, TenantId};

/// The installation itself: root keys belong to no tenant.
const ALL: TenantId = TenantId(0);
/// An instance that has been silent for longer does not serve any more, in milliseconds.
pub const INSTANCE_LIVES: i64 = 20 * SECOND;

/// What a version of the root key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootKeyState {
    /// It unwraps; the newest of these wraps.
    InUse = 1,
    /// Who serves has to read it, and nothing is wrapped with it yet.
    Announced = 2,
    /// Nothing is wrapped with it any more, for good.
    Retired = 3,
}

/// A version of the root key.
#[derive(Clone, PartialEq, Eq)]
pub struct RootKeyRow {
    /// Its number.
    pub version: i64,
    /// A sealed constant that only it opens; empty once it is retired.
    pub check_value: Vec<u8>,
    /// What it is for.
    pub state: RootKeyState,
    /// Store time since when it is that; zero when nobody noted it.
    pub changed: Time,
}

/// A data key as it lies there.
#[derive(Clone)]
pub struct WrappedRow {
    /// Its name.
    pub key: KeyId,
    /// The version that wraps it.
    pub version: i64,
    /// The key under it.
    pub wrapped: Vec<u8>,
}

/// A data key that is to be wrapped by another version.
pub struct Rewrap {
    /// Its name.
    pub key: KeyId,
    /// As it lay there; whatever lies there by now otherwise is left.
    pub before: Vec<u8>,
    /// The key under the other version.
    pub after: Vec<u8>,
}

/// Somebody who serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Random, new with every start.
    pub instance: i64,
    /// The versions that it reads.
    pub versions: Vec<i64>,
}

impl Store {
    /// All versions, by number.
    ///
    /// # Errors
    /// As the database's.
    pub async fn root_keys(&self) -> Result<Vec<RootKeyRow>, Error> {
        let mut connection = self.reader(GREETING).await?;
        let sql = scoped!(
            "SELECT version, check_value, state, changed FROM root_key \
                   WHERE tenant = $1 ORDER BY version"
        );
        let rows = statement::query(sql, Arguments::of(ALL)).fetch_all(&mut *connection).await?;
        let read = |row: &sqlx::any::AnyRow| {
            let code: i64 = row.try_get(2)?;
            let states = [RootKeyState::InUse, RootKeyState::Announced, RootKeyState::Retired];
            let state = states.into_iter().find(|state| *state as i64 == code);
            Ok(RootKeyRow {
                version: row.try_get(0)?,
                check_value: row.try_get(1)?,
                state: state.ok_or(Error::Damaged { table: "root_key" })?,
                changed: Time(row.try_get(3)?),
            })
        };
        rows.iter().map(read).collect()
    }

    /// Adds a version: the first one is in use at once, a later one announced. One of that number that
    /// is there already stays as it is.
    ///
    /// # Errors
    /// As the database's.
    pub async fn add_root_key(
        &self,
        version: i64,
        check_value: Vec<u8>,
        state: RootKeyState,
    ) -> Result<(), Error> {
        let mut arguments = Arguments::of(ALL);
        arguments.push(&version);
        arguments.push(&check_value);
        arguments.push(&(state as i64));
        arguments.push(&self.now());
        let sql = scoped!(
            "INSERT INTO root_key (tenant, version, check_value, state, changed) \
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, version) DO NOTHING"
        );
        self.execute(sql, arguments).await.map(drop)
    }

    /// From now on an announced version wraps.
    ///
    /// # Errors
    /// As the database's.
    pub async fn use_root_key(&self, version: i64) -> Result<(), Error> {
        let mut arguments = Arguments::of(ALL);
        arguments.push(&version);
        arguments.push(&(RootKeyState::Announced as i64));
        arguments.push(&(RootKeyState::InUse as i64));
        arguments.push(&self.now());
        let sql = scoped!(
            "UPDATE root_key SET state = $4, changed = $5 \
                   WHERE tenant = $1 AND version = $2 AND state = $3"
        );
        self.execute(sql, arguments).await.map(drop)
    }

    /// Retires a version, unless a tenant may still get keys that are wrapped with it: a tenant that
    /// was made a moment ago, or one that nobody has closed to it. Whether it is retired now. A
    /// tenant in the making holds the version's row, so that one of the two sees the other.
    ///
    /// # Errors
    /// As the database's.
    pub async fn retire_root_key(&self, version: i64) -> Result<bool, Error> {
        let now = self.now();
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                let mut arguments = Arguments::of(ALL);
                arguments.push(&version);
                let sql =
                    scoped!("UPDATE root_key SET state = state WHERE tenant = $1 AND version = $2");
                statement::query(sql, arguments).execute(&mut *connection).await?;
                let lowest = statement::across(Across::LowestVersion).fetch_one(&mut *connection);
                if lowest.await?.try_get::<i64, _>(0)? <= version {
                    return Ok(false);
                }
                let mut arguments = Arguments::of(ALL);
                arguments.push(&version);
                arguments.push(&(RootKeyState::Retired as i64));
                arguments.push(&Vec::<u8>::new());
                arguments.push(&now);
                let sql = scoped!(
                    "UPDATE root_key SET state = $3, check_value = $4, changed = $5 \
                           WHERE tenant = $1 AND version = $2"
                );
                statement::query(sql, arguments).execute(&mut *connection).await?;
                Ok(true)
            })
        }))
        .await
    }

    /// The oldest version that new keys of each tenant may be wrapped with.
    ///
    /// # Errors
    /// As the database's.
    pub async fn oldest_versions(&self) -> Result<Vec<(TenantId, i64)>, Error> {
        let mut connection = self.readers.acquire().await?;
        let query = statement::across(Across::OldestVersions);
        let rows = query.fetch_all(&mut *connection).await?;
        rows.iter().map(|row| Ok((TenantId(row.try_get(0)?), row.try_get(1)?))).collect()
    }

    /// From now on no batch of this tenant, of whatever instance, writes a key that an older version
    /// wraps: every batch holds the tenant's head, where this stands.
    ///
    /// # Errors
    /// As the database's.
    pub async fn close_to_older(&self, tenant: TenantId, version: i64) -> Result<(), Error> {
        let mut arguments = Arguments::of(tenant);
        arguments.push(&version);
        let sql = scoped!(
            "UPDATE tenant_head SET root_version = $2 \
                   WHERE tenant = $1 AND root_version < $2"
        );
        self.execute(sql, arguments).await.map(drop)
    }

    /// A tenant's data keys after `after`, by name, that versions below `below` wrap; so many at most.
    ///
    /// # Errors
    /// As the database's.
    pub async fn wrapped_below(
        &self,
        tenant: TenantId,
        after: KeyId,
        below: i64,
        limit: i64,
    ) -> Result<Vec<WrappedRow>, Error> {
        let mut connection = self.reader(GREETING).await?;
        let mut arguments = Arguments::of(tenant);
        arguments.push(&after);
        arguments.push(&below);
        arguments.push(&limit);
        let sql = scoped!(
            "SELECT data_key, root_version, wrapped FROM data_key WHERE tenant = $1 \
                   AND data_key > $2 AND root_version < $3 ORDER BY data_key LIMIT $4"
        );
        let rows = statement::query(sql, arguments).fetch_all(&mut *connection).await?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(WrappedRow {
                key: KeyId(row.try_get(0)?),
                version: row.try_get(1)?,
                wrapped: row.try_get(2)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Puts keys under another version, those that lie there as they did; how many. One that is gone
    /// stays so.
    ///
    /// # Errors
    /// As the database's.
    pub async fn rewrap(
        &self,
        tenant: TenantId,
        version: i64,
        keys: Vec<Rewrap>,
    ) -> Result<u64, Error> {
        if keys.is_empty() {
            return Ok(0);
        }
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                let mut count = 0;
                for key in &keys {
                    let mut arguments = Arguments::of(tenant);
                    arguments.push(&version);
                    arguments.push(&key.key);
                    arguments.push(&key.before);
                    arguments.push(&key.after);
                    let sql = scoped!(
                        "UPDATE data_key SET root_version = $2, wrapped = $5 \
                         WHERE tenant = $1 AND data_key = $3 AND wrapped = $4"
                    );
                    let query = statement::query(sql, arguments);
                    count += query.execute(&mut *connection).await?.rows_affected();
                }
                Ok(count)
            })
        }))
        .await
    }

    /// How many of a tenant's keys each version wraps.
    ///
    /// # Errors
    /// As the database's.
    pub async fn keys_by_version(&self, tenant: TenantId) -> Result<Vec<(i64, i64)>, Error> {
        let mut connection = self.reader(GREETING).await?;
        let sql = scoped!(
            "SELECT root_version, CAST(COUNT(*) AS BIGINT) FROM data_key \
                   WHERE tenant = $1 GROUP BY root_version ORDER BY root_version"
        );
        let rows = statement::query(sql, Arguments::of(tenant)).fetch_all(&mut *connection).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Notes that an instance serves and which versions it reads, and forgets those that are gone.
    ///
    /// # Errors
    /// As the database's.
    pub async fn note_instance(&self, instance: i64, versions: &[i64]) -> Result<(), Error> {
        let versions: Vec<String> = versions.iter().map(i64::to_string).collect();
        let (versions, now) = (versions.join(","), self.now());
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                let mut arguments = Arguments::of(ALL);
                arguments.push(&instance);
                arguments.push(&now);
                arguments.push(&versions);
                let sql = scoped!(
                    "INSERT INTO instance (tenant, instance, seen, root_versions) \
                           VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, instance) DO UPDATE SET \
                           seen = excluded.seen, root_versions = excluded.root_versions"
                );
                statement::query(sql, arguments).execute(&mut *connection).await?;
                let mut arguments = Arguments::of(ALL);
                arguments.push(&now.plus(-INSTANCE_LIVES));
                let sql = scoped!("DELETE FROM instance WHERE tenant = $1 AND seen < $2");
                statement::query(sql, arguments).execute(&mut *connection).await?;
                Ok(())
            })
        }))
        .await
    }

    /// Commits that an instance serves; nothing of one that is not noted.
    ///
    /// # Errors
    /// As the database's.
    pub async fn touch_instance(&self, instance: i64) -> Result<(), Error> {
        let mut arguments = Arguments::of(ALL);
        arguments.push(&instance);
        arguments.push(&self.now());
        let sql = scoped!("UPDATE instance SET seen = $3 WHERE tenant = $1 AND instance = $2");
        self.execute(sql, arguments).await.map(drop)
    }

    /// An instance serves no longer.
    ///
    /// # Errors
    /// As the database's.
    pub async fn forget_instance(&self, instance: i64) -> Result<(), Error> {
        let mut arguments = Arguments::of(ALL);
        arguments.push(&instance);
        let sql = scoped!("DELETE FROM instance WHERE tenant = $1 AND instance = $2");
        self.execute(sql, arguments).await.map(drop)
    }

    /// Who serves now, by number.
    ///
    /// # Errors
    /// As the database's.
    pub async fn instances(&self) -> Result<Vec<Instance>, Error> {
        let mut connection = self.reader(GREETING).await?;
        let mut arguments = Arguments::of(ALL);
        arguments.push(&self.now().plus(-INSTANCE_LIVES));
        let sql = scoped!(
            "SELECT instance, root_versions FROM instance \
                   WHERE tenant = $1 AND seen >= $2 ORDER BY instance"
        );
        let rows = statement::query(sql, arguments).fetch_all(&mut *connection).await?;
        let read = |row: &sqlx::any::AnyRow| {
            let versions: String = row.try_get(1)?;
            let versions = versions.split(',').filter_map(|number| number.parse().ok()).collect();
            Ok(Instance { instance: row.try_get(0)?, versions })
        };
        rows.iter().map(read).collect()
    }
}
