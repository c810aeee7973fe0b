//! Where a decision reads: outside the writer, each load in a read transaction of its own, each look,
//! on SQLite, in none, and what is found by its key together with others (`gathering`); or inside the
//! writer's transaction once a decision has been stale twice.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection};

use super::admin::GREETING;
use super::gathering::{self, Found};
use super::operation::Boxed;
use super::schedule::Point;
use super::statement::{self, Scoped, scoped};
use super::{Engine, Error, Store};
use crate::clock::Time;
use crate::ids::TenantId;

/// Where to read.
pub enum Reads<'c> {
    /// In a snapshot of its own, in a task that outlives the request.
    Outside(Arc<Store>),
    /// The same, past the cache: for answers that no commit will check.
    Fresh(Arc<Store>),
    /// In a transaction that is open already: the writer's, where nothing can change any more, or a
    /// snapshot, where a refusal is decided past the cache.
    Inside(&'c mut AnyConnection),
}

/// As long as PostgreSQL lets a statement run. What takes longer has lost its connection, which
/// nobody may have said: it must not keep its place among the readers until TCP finds out.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// A first statement asks nothing of the database but to answer. Where no answer comes within this,
/// nobody is there any more: behind a firewall that has forgotten them, all idle connections are so.
const GREETED_WITHIN: Duration = Duration::from_secs(1);

/// A connection that only reads, of the pool.
pub(super) type Reader = PoolConnection<Any>;

/// A load: borrows a connection, gives what it read.
pub type Load<T> =
    Box<dyn for<'c> FnOnce(&'c mut AnyConnection) -> Boxed<'c, Result<T, Error>> + Send>;

impl Reads<'_> {
    /// Whether the cache may answer, and be filled.
    pub fn uses_cache(&self) -> bool {
        matches!(self, Self::Outside(_))
    }

    /// Runs one load. All it reads is of one moment.
    ///
    /// # Errors
    /// Whatever the load meets; [`Error::Unavailable`] when no connection is free in time.
    pub async fn load<T: Send + 'static>(&mut self, load: Load<T>) -> Result<T, Error> {
        match self {
            Self::Inside(connection) => load(connection).await,
            Self::Outside(store) => outside(store, load).await,
            Self::Fresh(store) => {
                let loaded = outside(store, load).await?;
                // No commit of its own comes after what it saw.
                store.durability.reached().await?;
                Ok(loaded)
            }
        }
    }

    /// Runs a load that need not be of one moment by a transaction: it is one statement, or a commit
    /// will check that all it read held at once.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn look<T: Send + 'static>(&mut self, look: Load<T>) -> Result<T, Error> {
        match self {
            Self::Inside(connection) => look(connection).await,
            Self::Outside(store) => looked_up(store, look).await,
            Self::Fresh(store) => {
                let found = looked_up(store, look).await?;
                store.durability.reached().await?;
                Ok(found)
            }
        }
    }

    /// Looks up by keys, in one statement with whoever else looks for the same: what is not there is
    /// left out; what had expired at `now` may be. It need not be of one moment with anything else: a commit will check that it was.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn find<F: Found>(
        &mut self,
        tenant: TenantId,
        keys: Vec<F::Key>,
        now: Time,
    ) -> Result<HashMap<F::Key, F>, Error> {
        match self {
            Self::Inside(connection) => F::ask(connection, tenant, &keys, now).await,
            Self::Outside(store) => gathering::find(store, tenant, keys, now).await,
            Self::Fresh(store) => {
                let found = gathering::find(store, tenant, keys, now).await?;
                store.durability.reached().await?;
                Ok(found)
            }
        }
    }
}

pub(super) async fn outside<T: Send + 'static>(
    store: &Arc<Store>,
    load: Load<T>,
) -> Result<T, Error> {
    beside(store, |store, connection| async move { snapshot(&store, connection, load).await }).await
}

async fn looked_up<T: Send + 'static>(store: &Arc<Store>, look: Load<T>) -> Result<T, Error> {
    beside(store, |store, connection| async move {
        // PostgreSQL is asked for a transaction anyhow: a broken connection shows itself there.
        match store.engine {
            Engine::Postgres => snapshot(&store, connection, look).await,
            Engine::Sqlite => at_once(connection, look).await,
        }
    })
    .await
}

/// Looks up who calls, and of whom: no decision rests on that, and no cache would have saved it. It
/// goes on to its end without whoever gives up, as any other read.
pub(super) async fn who_calls<T: Send + 'static>(
    store: &Arc<Store>,
    look: Load<T>,
) -> Result<T, Error> {
    let (own, reader) = (Arc::clone(store), store.readers.acquire().await?);
    let looking = tokio::spawn(async move {
        let reader = own.greeted(reader, GREETING).await?;
        at_once(reader, look).await
    });
    looking.await.map_err(|_| Error::Unavailable)?
}

/// Reads in no transaction.
async fn at_once<T>(reader: Reader, look: Load<T>) -> Result<T, Error> {
    let mut reader = reader;
    let looked_up = tokio::time::timeout(READ_WITHIN, look(&mut reader)).await;
    looked_up.unwrap_or_else(|_| {
        // A connection in an unknown state goes back to nobody.
        drop(reader.detach());
        Err(Error::Unavailable)
    })
}

/// A request that is cancelled must not leave a connection inside a transaction or a statement: the
/// task goes on to its end without it. But who waits for a connection only waits: of those who have
/// given up none must be served before those who have not.
async fn beside<T: Send + 'static, R>(
    store: &Arc<Store>,
    reading: impl FnOnce(Arc<Store>, Reader) -> R,
) -> Result<T, Error>
where
    R: Future<Output = Result<T, Error>> + Send + 'static,
{
    store.counts.snapshots.inc();
    let connection = store.readers.acquire().await?;
    let reading = reading(Arc::clone(store), connection);
    let read = tokio::spawn(reading).await.map_err(|_| Error::Unavailable)?;
    store.schedule.at(Point::Loaded).await?;
    read
}

impl Store {
    /// A reader on which `first` has been executed.
    pub(super) async fn reader(&self, first: Scoped) -> Result<Reader, Error> {
        let connection = self.readers.acquire().await?;
        self.greeted(connection, first).await
    }

    /// This reader, once `first` has been executed on it. A connection that broke while it was idle, as
    /// all do when PostgreSQL restarts, shows it there, before anything was read: the next one is
    /// taken instead, and in the end a new one. One that is silent is broken, too.
    async fn greeted(&self, connection: Reader, first: Scoped) -> Result<Reader, Error> {
        let mut connection = connection;
        let mut left = self.readers.options().get_max_connections();
        loop {
            let broken = match Unknown(Some(connection)).greeted(first).await {
                Ok(connection) => return Ok(connection),
                Err(broken) => broken,
            };
            if left == 0 {
                return Err(broken);
            }
            left -= 1;
            connection = self.readers.acquire().await?;
        }
    }

    /// Looks these keys up on this reader, in no transaction; gives it back, if it is good for more.
    /// Where PostgreSQL's turns out to be broken, or is silent, another one is asked once more, that
    /// answers: what is read twice is what it was.
    pub(super) async fn ask<F: Found>(
        &self,
        reader: Reader,
        tenant: TenantId,
        keys: &[F::Key],
        now: Time,
    ) -> (Option<Reader>, Result<HashMap<F::Key, F>, Error>) {
        let mut reader = reader;
        let within = match self.engine {
            Engine::Sqlite => READ_WITHIN,
            Engine::Postgres => GREETED_WITHIN,
        };
        let asked = F::ask(&mut reader, tenant, keys, now);
        match tokio::time::timeout(within, asked).await {
            Ok(Err(Error::Unavailable)) | Err(_) => {}
            Ok(found) => return (Some(reader), found),
        }
        // A connection in an unknown state goes back to nobody.
        drop(reader.detach());
        if self.engine == Engine::Sqlite {
            return (None, Err(Error::Unavailable));
        }
        let keys = keys.to_vec();
        let again: Load<HashMap<F::Key, F>> = Box::new(move |connection| {
            Box::pin(async move { F::ask(connection, tenant, &keys, now).await })
        });
        match self.reader(self.engine.begin_read()).await {
            Err(error) => (None, Err(error)),
            Ok(reader) => ended(reader, again).await,
        }
    }
}

/// A reader of which nobody knows whether it is good. Unless it answers it goes back to nobody, also
/// where whoever asks has given up meanwhile: the pool would ask it again, without a time-out, and
/// keep its place until TCP finds out.
struct Unknown(Option<Reader>);

impl Unknown {
    /// The reader, once `first` has been executed on it.
    async fn greeted(mut self, first: Scoped) -> Result<Reader, Error> {
        let reader = self.0.as_mut().ok_or(Error::Unavailable)?;
        let greeting = statement::command(reader, first);
        let greeted = tokio::time::timeout(GREETED_WITHIN, greeting).await;
        greeted.map_err(|_| Error::Unavailable)??;
        self.0.take().ok_or(Error::Unavailable)
    }
}

impl Drop for Unknown {
    fn drop(&mut self) {
        if let Some(reader) = self.0.take() {
            drop(reader.detach());
        }
    }
}

async fn snapshot<T>(store: &Store, reader: Reader, load: Load<T>) -> Result<T, Error> {
    let reader = store.greeted(reader, store.engine.begin_read()).await?;
    ended(reader, load).await.1
}

/// Reads in the transaction that has begun on this reader, and ends it; gives the reader back, if it is
/// good for more.
async fn ended<T>(reader: Reader, load: Load<T>) -> (Option<Reader>, Result<T, Error>) {
    let mut reader = reader;
    let reading = async {
        let loaded = load(&mut reader).await;
        (loaded, statement::command(&mut reader, scoped!("COMMIT")).await.is_ok())
    };
    let (loaded, ended) = tokio::time::timeout(READ_WITHIN, reading)
        .await
        .unwrap_or((Err(Error::Unavailable), false));
    if ended {
        return (Some(reader), loaded);
    }
    // A connection in an unknown state goes back to nobody.
    drop(reader.detach());
    (None, loaded)
}
