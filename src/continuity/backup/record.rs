//! The records of a backup's file, to bytes and back.

use std::io::{self, Read, Write};

use super::file::{MAX_VALUE, tag};
use crate::ids::TenantId;
use crate::store::backup::Value;
use crate::store::backup::schema::{Column, Kind, Table};

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The rows that follow are this tenant's, of this table.
    Table(TenantId, Table),
    /// A row of the last table.
    Row(Vec<Value>),
    /// There are so many rows, and nothing follows.
    End(u64),
}

pub(super) fn write_table(to: &mut impl Write, tenant: TenantId, table: &Table) -> io::Result<()> {
    to.write_all(&[tag::TABLE])?;
    to.write_all(&tenant.0.to_be_bytes())?;
    write_name(to, &table.name)?;
    to.write_all(&[u8::try_from(table.columns.len()).map_err(|_| too_long())?])?;
    for column in &table.columns {
        to.write_all(&[code(column.kind)])?;
        write_name(to, &column.name)?;
    }
    Ok(())
}

pub(super) fn write_row(to: &mut impl Write, values: &[Value]) -> io::Result<()> {
    to.write_all(&[tag::ROW])?;
    values.iter().try_for_each(|value| match value {
        Value::Number(number) => to.write_all(&number.to_be_bytes()),
        Value::Text(text) => write_bytes(to, text.as_bytes()),
        Value::Bytes(bytes) => write_bytes(to, bytes),
    })
}

pub(super) fn write_end(to: &mut impl Write, rows: u64) -> io::Result<()> {
    to.write_all(&[tag::END])?;
    to.write_all(&rows.to_be_bytes())
}

/// Reads the next record; `table` is the last one that was read.
pub(super) fn read(from: &mut impl Read, table: Option<&Table>) -> io::Result<Record> {
    match byte(from)? {
        tag::TABLE => {
            let tenant = TenantId(i64::from_be_bytes(array(from)?));
            let name = read_name(from)?;
            let columns = (0..byte(from)?).map(|_| {
                let kind = kind(byte(from)?).ok_or_else(malformed)?;
                Ok(Column { kind, name: read_name(from)? })
            });
            let columns = columns.collect::<io::Result<_>>()?;
            Ok(Record::Table(tenant, Table { name, columns }))
        }
        tag::ROW => {
            let columns = table.ok_or_else(malformed)?.columns.iter();
            let values = columns.map(|column| {
                Ok(match column.kind {
                    Kind::Number => Value::Number(i64::from_be_bytes(array(from)?)),
                    Kind::Text => Value::Text(text(read_bytes(from)?)?),
                    Kind::Bytes => Value::Bytes(read_bytes(from)?),
                })
            });
            Ok(Record::Row(values.collect::<io::Result<_>>()?))
        }
        tag::END => Ok(Record::End(u64::from_be_bytes(array(from)?))),
        _ => Err(malformed()),
    }
}

fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Number => 1,
        Kind::Text => 2,
        Kind::Bytes => 3,
    }
}

fn kind(code: u8) -> Option<Kind> {
    [Kind::Number, Kind::Text, Kind::Bytes].into_iter().find(|kind| self::code(*kind) == code)
}

fn write_name(to: &mut impl Write, name: &str) -> io::Result<()> {
    to.write_all(&[u8::try_from(name.len()).map_err(|_| too_long())?])?;
    to.write_all(name.as_bytes())
}

fn read_name(from: &mut impl Read) -> io::Result<String> {
    let mut name = vec![0; usize::from(byte(from)?)];
    from.read_exact(&mut name)?;
    text(name)
}

fn write_bytes(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MAX_VALUE);
    to.write_all(&length.ok_or_else(too_long)?.to_be_bytes())?;
    to.write_all(bytes)
}

fn read_bytes(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = u32::from_be_bytes(array(from)?) as usize;
    if length > MAX_VALUE {
        return Err(malformed());
    }
    // Only what is really there takes memory, whatever the length says.
    let mut bytes = Vec::with_capacity(length.min(4_096));
    from.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn byte(from: &mut impl Read) -> io::Result<u8> {
    Ok(array::<1>(from)?[0])
}

fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| malformed())
}

pub(super) fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed")
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a value is longer than any should be")
}
