//! Where a decision reads: outside the writer, each load in a read transaction of its own, or
//! inside the writer's transaction once a decision has been stale twice.

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection};

use super::operation::Boxed;
use super::schedule::Point;
use super::statement::{self, Scoped, scoped};
use super::{Engine, Error, Store};

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
        self.load_as(Moment::OfTransaction, load).await
    }

    /// Runs a load that is one statement: it needs no transaction to be of one moment.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn look<T: Send + 'static>(&mut self, load: Load<T>) -> Result<T, Error> {
        self.load_as(Moment::OfStatement, load).await
    }

    async fn load_as<T: Send + 'static>(
        &mut self,
        moment: Moment,
        load: Load<T>,
    ) -> Result<T, Error> {
        match self {
            Self::Inside(connection) => load(connection).await,
            Self::Outside(store) => outside(store, moment, load).await,
            Self::Fresh(store) => {
                let loaded = outside(store, moment, load).await?;
                // No commit of its own comes after what it saw.
                store.durability.reached().await?;
                Ok(loaded)
            }
        }
    }
}

/// What a load is of one moment by.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Moment {
    OfTransaction,
    OfStatement,
}

pub(super) async fn outside<T: Send + 'static>(
    store: &Arc<Store>,
    moment: Moment,
    load: Load<T>,
) -> Result<T, Error> {
    let store = Arc::clone(store);
    // A request that is cancelled must not leave a connection inside a transaction:
    // the task goes on to its end without it.
    let own = Arc::clone(&store);
    let task = tokio::spawn(async move { snapshot(&own, moment, load).await });
    let loaded = task.await.map_err(|_| Error::Unavailable)?;
    store.schedule.at(Point::Loaded).await?;
    loaded
}

impl Store {
    /// A reader on which `first` has been executed. A connection that broke while it was idle, as
    /// all do when PostgreSQL restarts, shows it there, before anything was read: the next one is
    /// taken instead, and in the end a new one. One that is silent is broken, too.
    pub(super) async fn reader(&self, first: Scoped) -> Result<PoolConnection<Any>, Error> {
        let mut left = self.readers.options().get_max_connections();
        loop {
            let mut connection = self.readers.acquire().await?;
            let greeting = statement::command(&mut connection, first);
            let greeted = tokio::time::timeout(GREETED_WITHIN, greeting).await;
            let broken: Error = match greeted {
                Ok(Ok(_)) => return Ok(connection),
                Ok(Err(error)) => error.into(),
                Err(_) => Error::Unavailable,
            };
            drop(connection.detach());
            if left == 0 {
                return Err(broken);
            }
            left -= 1;
        }
    }
}

async fn snapshot<T>(store: &Store, moment: Moment, load: Load<T>) -> Result<T, Error> {
    store.counts.snapshots.inc();
    // PostgreSQL is asked for a transaction anyhow: a broken connection shows itself there.
    let alone = moment == Moment::OfStatement && store.engine == Engine::Sqlite;
    let mut connection = match alone {
        true => store.readers.acquire().await?,
        false => store.reader(store.engine.begin_read()).await?,
    };
    let reading = async {
        let loaded = load(&mut connection).await;
        let commit = scoped!("COMMIT");
        (loaded, alone || statement::command(&mut connection, commit).await.is_ok())
    };
    let (loaded, ended) = tokio::time::timeout(READ_WITHIN, reading)
        .await
        .unwrap_or((Err(Error::Unavailable), false));
    if !ended {
        // A connection in an unknown state goes back to nobody.
        drop(connection.detach());
    }
    loaded
}
