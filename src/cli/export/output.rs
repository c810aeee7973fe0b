//! Where an export goes: standard output, a file, or a folder of tables. Others cannot read it.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use csv::Writer;
use prost_reflect::{DynamicMessage, MessageDescriptor};

use super::Format;
use super::cells::{cells, kinds, line};

/// Files that are written to.
pub(super) struct Output {
    to: To,
    /// What it is called until it is whole, and then.
    part: Option<(PathBuf, PathBuf)>,
}

enum To {
    Lines(BufWriter<Box<dyn Write + Send>>),
    /// A table for each kind, by the number of its field.
    Tables(Vec<(u32, Writer<File>)>),
}

impl Output {
    /// Begins to write.
    ///
    /// # Errors
    /// When there is something of that name already, or it cannot be made.
    pub(super) fn open(
        format: Format,
        path: Option<PathBuf>,
        customer: &str,
        of: &MessageDescriptor,
    ) -> anyhow::Result<Self> {
        let path = match (format, path) {
            (Format::Csv, None) => Some(PathBuf::from(format!("export-{customer}"))),
            (_, path) => path,
        };
        let Some(path) = path else {
            let lines = BufWriter::new(Box::new(std::io::stdout()) as Box<dyn Write + Send>);
            return Ok(Self { to: To::Lines(lines), part: None });
        };
        if path.exists() {
            bail!("{} is there already", path.display());
        }
        let mut part = path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let to = match format {
            Format::Json => To::Lines(BufWriter::new(Box::new(private(&part)?))),
            Format::Csv => To::Tables(tables(&part, of)?),
        };
        Ok(Self { to, part: Some((part, path)) })
    }

    /// Writes a record.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&mut self, record: &DynamicMessage) -> anyhow::Result<()> {
        match &mut self.to {
            To::Lines(lines) => {
                writeln!(lines, "{}", line(record)?).context("the export cannot be written")
            }
            To::Tables(tables) => {
                let Some((field, row)) = cells(record)? else { return Ok(()) };
                let table = tables.iter_mut().find(|(number, _)| *number == field);
                let (_, table) = table.context("a kind of record that is not known")?;
                table.write_record(row).context("a table cannot be written")
            }
        }
    }

    /// Gives it its name; `None` when it has none.
    ///
    /// # Errors
    /// When it cannot be written to its end.
    pub(super) fn finish(mut self) -> anyhow::Result<Option<PathBuf>> {
        match &mut self.to {
            To::Lines(lines) => lines.flush()?,
            To::Tables(tables) => {
                for (_, table) in tables {
                    table.flush()?;
                }
            }
        }
        let Some((part, path)) = self.part.take() else { return Ok(None) };
        std::fs::rename(&part, &path).with_context(|| format!("cannot name {}", path.display()))?;
        Ok(Some(path))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let Some((part, _)) = &self.part else { return };
        // What is not whole is of no use, and whoever finds it could take it for whole.
        let removed = match self.to {
            To::Lines(_) => std::fs::remove_file(part),
            To::Tables(_) => std::fs::remove_dir_all(part),
        };
        drop(removed);
    }
}

fn tables(folder: &Path, of: &MessageDescriptor) -> anyhow::Result<Vec<(u32, Writer<File>)>> {
    let mut made = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut made, 0o700);
    made.create(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut tables = Vec::new();
    for (number, name, columns) in kinds(of) {
        let mut table = Writer::from_writer(private(&folder.join(format!("{name}.csv")))?);
        table.write_record(columns).context("a table cannot be written")?;
        tables.push((number, table));
    }
    Ok(tables)
}

/// A new file that only its owner can read.
fn private(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).with_context(|| format!("cannot make {}", path.display()))
}
