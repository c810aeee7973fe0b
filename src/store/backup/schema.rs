//! The tables that a database has, from its own catalogue.

use sqlx::{AnyConnection, Row as _};

use super::INSTALLATION;
use crate::store::statement::{self, Across};
use crate::store::{Engine, Error};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BIGINT.
    Number,
    /// TEXT.
    Text,
    /// BLOB or BYTEA.
    Bytes,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// A table, without the tenant that every one of ours begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its other columns, in order.
    pub columns: Vec<Column>,
}

impl Table {
    /// Where a column stands.
    pub fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }
}

/// All tables that hold rows of tenants, by name. The installation's own row is not among them.
pub(super) async fn tables(connection: &mut AnyConnection) -> Result<Vec<Table>, Error> {
    let ours = |table: &Declared| {
        table.0 != INSTALLATION && table.1.first().is_some_and(|(name, _)| name == "tenant")
    };
    let declared = catalogue(connection).await?;
    let read = declared.into_iter().filter(ours).map(|(name, columns)| {
        let columns = columns.into_iter().skip(1).map(|(column, kind)| {
            let kind = kind_of(&kind).ok_or_else(|| odd(&name, &column))?;
            Ok(Column { name: column, kind })
        });
        let columns = columns.collect::<Result<_, Error>>()?;
        Ok(Table { name, columns })
    });
    let mut tables = read.collect::<Result<Vec<Table>, Error>>()?;
    // Each engine orders texts in its own way.
    tables.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(tables)
}

/// Whether the schema is new enough to say what is being put back.
pub(super) async fn knows_installations(connection: &mut AnyConnection) -> Result<bool, Error> {
    Ok(catalogue(connection).await?.iter().any(|(name, _)| name == INSTALLATION))
}

/// A table's name, and its columns with their declared types, in order.
type Declared = (String, Vec<(String, String)>);

async fn catalogue(connection: &mut AnyConnection) -> Result<Vec<Declared>, Error> {
    let engine = Engine::behind(connection);
    let mut found: Vec<Declared> = Vec::new();
    for row in statement::across(Across::Catalogue(engine)).fetch_all(connection).await? {
        let (table, column, kind): (String, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        match found.last_mut() {
            Some((last, columns)) if *last == table => columns.push((column, kind)),
            _ => found.push((table, vec![(column, kind)])),
        }
    }
    Ok(found)
}

fn kind_of(declared: &str) -> Option<Kind> {
    match declared.to_ascii_uppercase().as_str() {
        "BIGINT" => Some(Kind::Number),
        "TEXT" => Some(Kind::Text),
        "BLOB" | "BYTEA" => Some(Kind::Bytes),
        _ => None,
    }
}

fn odd(table: &str, column: &str) -> Error {
    Error::Configuration(format!("{table}.{column} is of a type that no table of ours has"))
}

/// The newest migration of the schema.
pub(super) async fn migration(connection: &mut AnyConnection) -> Result<i64, Error> {
    Ok(statement::across(Across::Migration).fetch_one(connection).await?.try_get(0)?)
}
