//! A CSV file, read from front to back: byte order mark, separator, header, rows. A row is as long
//! as it may be and no longer, however the file is quoted.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context as _, bail};
use csv::{ByteRecord, Reader, ReaderBuilder, StringRecord, Terminator};

/// Bytes of one row at most. What is longer is most likely a quote that is not closed.
const MAX_ROW_BYTES: usize = 1 << 20;
/// So much is read at once.
const READ_AT_ONCE: usize = 1 << 16;

/// A character that no table holds.
const MARK: &str = "\u{1}";
/// What is read behind the end of the file.
const END: &[u8] = b"\n\x01\n";

/// A CSV file.
pub(super) struct CsvFile {
    reader: Reader<Bounded<Box<dyn Read>>>,
    left: Rc<Cell<usize>>,
    header: StringRecord,
    row: ByteRecord,
    bytes: u64,
    /// Lines before the header.
    skipped: u64,
    /// Why nothing can be read any more.
    broken: Option<String>,
}

/// One row, or why it is none.
pub(super) struct CsvRow {
    /// The line of the file on which it begins.
    pub(super) line: u64,
    /// Where in the file the next one begins.
    pub(super) ends_at: u64,
    /// Its fields.
    pub(super) fields: Result<StringRecord, String>,
}

/// Gives so many bytes at most before somebody allows more.
struct Bounded<R> {
    inner: R,
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(std::io::Error::other("too long"));
        }
        let within = buffer.len().min(left);
        let read = self.inner.read(&mut buffer[..within])?;
        self.left.set(left - read);
        Ok(read)
    }
}

impl CsvFile {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// A file that cannot be read, is not UTF-8, or has no header.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        let bytes = file.metadata().with_context(|| format!("cannot read {name}"))?.len();
        Self::read(Box::new(file), bytes).with_context(|| format!("cannot read {name}"))
    }

    /// Reads a header from whatever holds the file.
    pub(super) fn read(file: Box<dyn Read>, bytes: u64) -> anyhow::Result<Self> {
        let mut file = BufReader::with_capacity(READ_AT_ONCE, file);
        let start = file.fill_buf().context("it cannot be read")?;
        if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
            bail!("it is UTF-16; save it as UTF-8");
        }
        let mark = if start.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let (separator, told) = separator(&start[mark..]);
        file.consume(mark + told);
        let left = Rc::new(Cell::new(MAX_ROW_BYTES));
        // What stands behind the end is read as a row of its own, unless a quote is still open.
        let whole: Box<dyn Read> = Box::new(file.chain(END));
        let mut reader = ReaderBuilder::new()
            .delimiter(separator)
            // A row of another width is that row's mistake alone.
            .flexible(true)
            .has_headers(false)
            // Lines are counted by it; a carriage return before it is trimmed with the field.
            .terminator(Terminator::Any(b'\n'))
            .buffer_capacity(READ_AT_ONCE)
            .from_reader(Bounded { inner: whole, left: Rc::clone(&left) });
        let mut header = StringRecord::new();
        match reader.read_record(&mut header) {
            Ok(true) if header.len() == 1 && &header[0] == MARK => bail!("it is empty"),
            Ok(true) if header.iter().any(|name| name.contains(MARK)) => {
                bail!("its first line has a quote that is not closed")
            }
            Ok(true) => {}
            Ok(false) => bail!("it is empty"),
            Err(_) => bail!("its first line is no header in UTF-8"),
        }
        left.set(MAX_ROW_BYTES);
        let skipped = u64::from(told > 0);
        let row = ByteRecord::new();
        Ok(Self { reader, left, header, row, bytes, skipped, broken: None })
    }

    /// The names of the columns.
    pub(super) fn header(&self) -> &StringRecord {
        &self.header
    }

    /// How long the file is.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next row; `None` after the last.
    ///
    /// # Errors
    /// When nothing can be read any more.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<CsvRow>> {
        if let Some(why) = &self.broken {
            bail!("{why}");
        }
        let mut line = self.reader.position().line() + self.skipped;
        loop {
            self.left.set(MAX_ROW_BYTES);
            match self.reader.read_byte_record(&mut self.row) {
                // An empty line whose end is a carriage return as well.
                Ok(true) if self.row.len() == 1 && self.row[0] == *b"\r" => {
                    line = self.reader.position().line() + self.skipped;
                }
                Ok(true) if self.row.len() == 1 && self.row[0] == *MARK.as_bytes() => {
                    return Ok(None);
                }
                Ok(true) => break,
                Ok(false) => return Ok(None),
                Err(error) => {
                    let why = self.broken.insert(why_broken(error, line, self.left.get()));
                    bail!("{why}");
                }
            }
        }
        let swallowed = self
            .row
            .iter()
            .any(|field| field.ends_with(MARK.as_bytes()) || field.ends_with(&END[1..]));
        let fields = if swallowed {
            Err("has a quote that is not closed: it takes in all that comes after it".to_owned())
        } else if self.row.len() == self.header.len() {
            StringRecord::from_byte_record(self.row.clone()).map_err(|_| "is not UTF-8".to_owned())
        } else {
            Err(format!("has {} fields, the header {}", self.row.len(), self.header.len()))
        };
        Ok(Some(CsvRow { line, ends_at: self.reader.position().byte(), fields }))
    }
}

/// Why nothing can be read beyond a line.
fn why_broken(error: csv::Error, line: u64, left: usize) -> String {
    match error.into_kind() {
        csv::ErrorKind::Io(_) if left == 0 => format!(
            "the row that begins on line {line} is longer than {MAX_ROW_BYTES} bytes: is a quote \
             not closed? The rows before it were imported"
        ),
        csv::ErrorKind::Io(error) => format!("the file cannot be read beyond line {line}: {error}"),
        _ => format!("the file is no CSV beyond line {line}"),
    }
}

/// The separator of a file, and how many bytes say so: spreadsheets write `sep=;` as a line of its
/// own; else it is the one that stands most often in the first line, outside quotes.
fn separator(start: &[u8]) -> (u8, usize) {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let told = line.strip_suffix(b"\r").unwrap_or(line);
    if let [b's', b'e', b'p', b'=', separator] = told {
        return (*separator, (line.len() + 1).min(start.len()));
    }
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in line {
        quoted ^= *byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(known, _)| known == byte && !quoted) {
            *count += 1;
        }
    }
    // Of equally many the first: a comma.
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let separator = counts.iter().find(|(_, count)| *count == most);
    (separator.map_or(b',', |(separator, _)| *separator), 0)
}
