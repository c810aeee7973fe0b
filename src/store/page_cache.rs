//! SQLite: how many pages the writer keeps in memory.
//!
//! When SQLite splits a page it may sort the new ones by way of the number of the page where its locks
//! are, 1 GiB into the file. The next commit forgets whatever lies behind the file's end, and so, while
//! the file is shorter than that, looks through all pages that are kept: for 64 MiB that took longer
//! than the batch. A short file's pages are therefore left to the system, from where they come fast.

use sqlx::{AnyConnection, Row as _};

use super::statement::{self, Scoped, scoped};

/// Pages in front of the one where the locks are; a page has 4 KiB unless somebody says otherwise.
const BEFORE_THE_LOCKS: i64 = (1 << 30) / 4096;
/// For a short file: 4 MiB, but no page that a batch has changed goes to the log before its commit
/// (in which it may be changed again) unless there are 64 MiB of them.
const SHORT: Scoped = scoped!("PRAGMA cache_size = -4096; PRAGMA cache_spill = -65536");
/// For a long file 64 MiB: the journal's index is written all over.
const LONG: Scoped = scoped!("PRAGMA cache_size = -65536");

/// Sets it for a connection that writes, by the file as it is now. A file that becomes long
/// afterwards is written with few pages kept until somebody connects again: slower, and as right.
pub(super) async fn set(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let row = statement::ask(connection, scoped!("PRAGMA page_count")).await?;
    let pages: i64 = row.try_get(0)?;
    statement::command(connection, if pages < BEFORE_THE_LOCKS { SHORT } else { LONG }).await
}

#[cfg(test)]
mod tests {
    use super::super::Engine;
    use super::*;

    async fn number(connection: &mut AnyConnection, sql: Scoped) -> i64 {
        let row = statement::ask(connection, sql).await.unwrap();
        row.try_get::<i32, _>(0).map_or_else(|_| row.get(0), i64::from)
    }

    #[tokio::test]
    async fn a_short_files_writer_keeps_few_pages_and_spills_none() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("a.db").display());
        let mut connection = Engine::Sqlite.writer(&url, true).await.unwrap();
        assert_eq!(number(&mut connection, scoped!("PRAGMA page_size")).await, 4096);
        assert_eq!(number(&mut connection, scoped!("PRAGMA cache_size")).await, -4096);
        let spilled_from = number(&mut connection, scoped!("PRAGMA cache_spill")).await;
        assert!(spilled_from > 10_000, "{spilled_from} pages");
    }

    #[tokio::test]
    async fn sqlite_is_compiled_as_cargos_configuration_says() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("a.db").display());
        let mut connection = Engine::Sqlite.writer(&url, true).await.unwrap();
        let one = scoped!("SELECT sqlite_compileoption_used('ENABLE_MEMORY_MANAGEMENT')");
        assert_eq!(number(&mut connection, one).await, 0, "one page cache for each connection");
        let uncounted = scoped!("SELECT sqlite_compileoption_used('DEFAULT_MEMSTATUS=0')");
        assert_eq!(number(&mut connection, uncounted).await, 1, "allocations take no lock");
        let stable = scoped!("SELECT sqlite_compileoption_used('ENABLE_QPSG')");
        assert_eq!(number(&mut connection, stable).await, 1, "a statement stays compiled");
    }
}
