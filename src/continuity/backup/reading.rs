//! Reading one file of a backup: nothing of it counts before its end was reached and the hash fits.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, Take};
use std::path::Path;

use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};

use super::file::{FORMAT, HASH, Header, MAX_HEADER};
use super::record::{self, Record, malformed};
use crate::store::backup::schema::Table;

/// Bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not a file of this kind.
    #[error("is no backup")]
    NoBackup,
    /// A form that this program does not know.
    #[error("was written by a newer version of this program")]
    Newer,
    /// Its end is missing, or something in it was changed.
    #[error("is truncated or damaged")]
    Damaged,
    /// The system does not let it be read.
    #[error(transparent)]
    File(io::Error),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // As decompressing and our own reading say it.
            io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::UnexpectedEof => Self::Damaged,
            _ => Self::File(error),
        }
    }
}

/// A file that is being read.
pub struct Reader {
    /// Its first line.
    pub header: Header,
    records: BufReader<GzDecoder<BufReader<Hashing>>>,
    table: Option<Table>,
    rows: u64,
}

impl Reader {
    /// Opens it and reads the header.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn open(path: &Path) -> Result<Self, Unreadable> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let body = length.checked_sub(HASH as u64).ok_or(Unreadable::NoBackup)?;
        let hashing = Hashing { from: file.take(body), hash: Sha256::new() };
        let mut bytes = BufReader::with_capacity(BUFFER, hashing);
        let mut line = Vec::new();
        bytes.by_ref().take(MAX_HEADER as u64).read_until(b'\n', &mut line)?;
        #[derive(serde::Deserialize)]
        struct Form {
            threadline_backup: u32,
        }
        let form: Form = serde_json::from_slice(&line).map_err(|_| Unreadable::NoBackup)?;
        if form.threadline_backup > FORMAT {
            return Err(Unreadable::Newer);
        }
        let header = serde_json::from_slice(&line).map_err(|_| Unreadable::NoBackup)?;
        let records = BufReader::with_capacity(BUFFER, GzDecoder::new(bytes));
        Ok(Self { header, records, table: None, rows: 0 })
    }

    /// The next record; `None` after the last.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn next_record(&mut self) -> Result<Option<Record>, Unreadable> {
        let record = record::read(&mut self.records, self.table.as_ref())?;
        match &record {
            Record::Table(_, table) => self.table = Some(table.clone()),
            Record::Row(_) => self.rows += 1,
            Record::End(rows) if *rows == self.rows => return Ok(None),
            Record::End(_) => return Err(Unreadable::Damaged),
        }
        Ok(Some(record))
    }

    /// After the last record: the file's hash, which fits all that was read.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn finish(mut self) -> Result<[u8; HASH], Unreadable> {
        // The end of what was compressed is checked there.
        let nothing_left = self.records.fill_buf()?.is_empty();
        let mut bytes = self.records.into_inner().into_inner();
        if !nothing_left || !bytes.fill_buf()?.is_empty() {
            return Err(malformed().into());
        }
        let Hashing { from, hash } = bytes.into_inner();
        let mut file = from.into_inner();
        file.seek(io::SeekFrom::End(-(HASH as i64)))?;
        let mut stored = [0; HASH];
        file.read_exact(&mut stored)?;
        let hash: [u8; HASH] = hash.finalize().into();
        if stored == hash { Ok(hash) } else { Err(Unreadable::Damaged) }
    }
}

/// Hashes what goes through.
struct Hashing {
    from: Take<File>,
    hash: Sha256,
}

impl Read for Hashing {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(bytes)?;
        self.hash.update(&bytes[..read]);
        Ok(read)
    }
}
