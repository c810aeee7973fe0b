//! Writing one file of a backup, in little memory.

use std::io::{self, BufWriter, Write};

use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use super::file::{Contents, FORMAT, Header};
use super::record;
use crate::ids::TenantId;
use crate::store::backup::schema::Table;
use crate::store::backup::{Origin, Value};

/// Sealed values do not get smaller, refs, times and names do: more effort gains little.
const EFFORT: Compression = Compression::fast();
/// Bytes that are handed on at once.
const BUFFER: usize = 64 << 10;

pub(super) struct Writer<W: Write> {
    records: BufWriter<GzEncoder<Hashing<W>>>,
    holds: Contents,
    rows: u64,
}

impl<W: Write> Writer<W> {
    pub fn new(to: W, holds: Contents) -> Self {
        let compressing = GzEncoder::new(Hashing { to, hash: Sha256::new() }, EFFORT);
        Self { records: BufWriter::with_capacity(BUFFER, compressing), holds, rows: 0 }
    }

    pub fn begin(&mut self, origin: &Origin) -> io::Result<()> {
        let header = Header {
            threadline_backup: FORMAT,
            holds: self.holds,
            installation: HEXLOWER.encode(&origin.installation),
            migration: origin.migration,
            store_time: origin.time.0,
        };
        let mut line = serde_json::to_vec(&header)?;
        line.push(b'\n');
        // The line stands before everything that is compressed, which has not begun yet.
        self.records.get_mut().get_mut().write_all(&line)
    }

    pub fn table(&mut self, tenant: TenantId, table: &Table) -> io::Result<()> {
        record::write_table(&mut self.records, tenant, table)
    }

    pub fn row(&mut self, values: &[Value]) -> io::Result<()> {
        self.rows += 1;
        record::write_row(&mut self.records, values)
    }

    /// Writes the end; how many rows there are.
    pub fn finish(mut self) -> io::Result<u64> {
        record::write_end(&mut self.records, self.rows)?;
        let compressed = self.records.into_inner().map_err(io::IntoInnerError::into_error)?;
        let Hashing { mut to, hash } = compressed.finish()?;
        to.write_all(&hash.finalize())?;
        to.flush()?;
        Ok(self.rows)
    }
}

/// Hashes what goes through.
struct Hashing<W> {
    to: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
