//! `threadline backup`: everything the store holds, in two files of one moment.
//!
//! Rows without the keys that open them are noise, and a key that was destroyed opens nothing any
//! more. So the wrapped keys go into a file of their own, which is not kept for long: when the last one
//! that holds a person's key is gone, no backup of the rows can be read of them.

pub mod file;
mod reading;
mod record;
mod writing;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use file::{Contents, Header};
pub use reading::{Reader, Unreadable};
pub use record::Record;
use writing::Writer;

use crate::clock::{Clock, Time};
use crate::ids::{Entropy, TenantId};
use crate::meters::Meters;
use crate::store::backup::copying::Taker;
use crate::store::backup::schema::Table;
use crate::store::backup::{CopyFailed, Origin, Value};
use crate::store::gate::{Key, Listener};
use crate::store::{Durable, Error, Schedule, Settings, Store};

/// What goes into the file of keys and nowhere else: what opens rows.
const KEYS_ONLY: [&str; 2] = ["data_key", "root_key"];
/// What goes into both: what must not be forgotten when older rows or older keys are put back. Who was
/// erased, and which API keys were revoked.
const BOTH: [&str; 2] = ["api_key", "tombstone"];

/// What is true only while it is served: which instances there are.
const OF_THE_MOMENT: &str = "instance";

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackedUp {
    /// Store time of the moment that both files are of.
    pub time: Time,
    /// Rows in the file of rows.
    pub rows: u64,
    /// Rows in the file of keys.
    pub keys: u64,
}

/// Writes all rows and all keys, as they are at one moment, while others write. Opens nothing: what
/// is sealed stays so, and no root key is needed.
///
/// # Errors
/// The store's and the files'.
pub async fn back_up<W: io::Write + Send>(
    store: &Store,
    rows: W,
    keys: W,
) -> Result<BackedUp, CopyFailed> {
    let mut both = Both {
        rows: Writer::new(rows, Contents::Rows),
        keys: Writer::new(keys, Contents::Keys),
        time: Time(0),
        into: (false, false),
    };
    store.copy_out(&mut both).await?;
    let (rows, keys) = (both.rows.finish()?, both.keys.finish()?);
    Ok(BackedUp { time: both.time, rows, keys })
}

/// Opens a store for whoever only copies it.
///
/// # Errors
/// The store's.
pub async fn open_store(url: String, clock: Clock, entropy: Entropy) -> Result<Arc<Store>, Error> {
    Store::open(Settings {
        url,
        clock,
        entropy,
        budget: Duration::from_secs(10),
        listener: Arc::new(Nobody),
        gate: Arc::default(),
        schedule: Schedule::Free,
        durable: Durable::InCommit,
        meters: Meters::default(),
    })
    .await
}

/// Nothing is remembered here.
struct Nobody;

impl Listener for Nobody {
    fn changed(&self, _: &[Key]) {}
    fn changed_unseen(&self) {}
}

/// The two files at once, and which of them the table belongs to.
struct Both<W: io::Write> {
    rows: Writer<W>,
    keys: Writer<W>,
    time: Time,
    into: (bool, bool),
}

impl<W: io::Write + Send> Taker for Both<W> {
    fn begin(&mut self, origin: &Origin) -> io::Result<()> {
        self.time = origin.time;
        self.rows.begin(origin)?;
        self.keys.begin(origin)
    }

    fn table(&mut self, tenant: TenantId, table: &Table) -> io::Result<()> {
        let name = table.name.as_str();
        let both = BOTH.contains(&name);
        let kept = name != OF_THE_MOMENT;
        let keys_only = KEYS_ONLY.contains(&name);
        self.into = (kept && !keys_only, both || keys_only);
        if self.into.0 {
            self.rows.table(tenant, table)?;
        }
        if self.into.1 {
            self.keys.table(tenant, table)?;
        }
        Ok(())
    }

    fn row(&mut self, values: &[Value]) -> io::Result<()> {
        if self.into.0 {
            self.rows.row(values)?;
        }
        if self.into.1 {
            self.keys.row(values)?;
        }
        Ok(())
    }
}
