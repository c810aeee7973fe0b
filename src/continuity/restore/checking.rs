//! Every file is read to its end before anything is written.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER_PERMISSIVE;
use sha2::{Digest as _, Sha256};

use super::error::RestoreError;
use crate::continuity::backup::{Contents, Header, Reader, Record};
use crate::crypto::{RootKeys, Wrapped};
use crate::ids::TenantId;
use crate::store::backup::Value;
use crate::store::backup::schema::Table;
use crate::store::root_keys::RootKeyState;

/// A file that is whole.
pub(super) struct Checked {
    pub path: PathBuf,
    pub header: Header,
    pub hash: [u8; 32],
    /// The installation's name.
    pub installation: Vec<u8>,
    /// Of rows: each tenant's own key and name.
    tenants: Vec<Owner>,
}

/// A tenant, and the key that opens it.
struct Owner {
    tenant: TenantId,
    data_key: i64,
    name: String,
}

/// Reads a file of rows.
pub(super) fn check_rows(path: &Path) -> Result<Checked, RestoreError> {
    let mut tenants = Vec::new();
    let mut checked = check(path, Contents::Rows, |tenant, table, row| {
        if table.name == "tenant"
            && let (Some(Value::Number(data_key)), Some(Value::Text(name))) =
                (value(table, row, "data_key"), value(table, row, "name"))
        {
            tenants.push(Owner { tenant, data_key: *data_key, name: name.clone() });
        }
    })?;
    checked.tenants = tenants;
    Ok(checked)
}

/// Reads a file of keys: the root key must open what wrapped them, and every tenant must have its own.
pub(super) fn check_keys(
    path: &Path,
    rows: &Checked,
    root: &RootKeys,
) -> Result<Checked, RestoreError> {
    let mut closed: Vec<&Owner> = rows.tenants.iter().collect();
    let mut opens = true;
    let checked = check(path, Contents::Keys, |tenant, table, row| match table.name.as_str() {
        "root_key" => {
            let (version, bytes) = (value(table, row, "version"), value(table, row, "check_value"));
            let (Some(Value::Number(version)), Some(Value::Bytes(bytes))) = (version, bytes) else {
                return;
            };
            let retired = Value::Number(RootKeyState::Retired as i64);
            if value(table, row, "state") != Some(&retired) {
                let check = Wrapped { version: *version, bytes: bytes.clone() };
                opens &= root.opens_check(&check).is_ok();
            }
        }
        "data_key" => {
            let Some(Value::Number(key)) = value(table, row, "data_key") else { return };
            closed.retain(|owner| (owner.tenant, owner.data_key) != (tenant, *key));
        }
        _ => {}
    })?;
    same_installation(&checked, rows)?;
    if !opens {
        return Err(RestoreError::WrongRootKey);
    }
    match closed.first() {
        Some(owner) => Err(RestoreError::TenantWithoutKey { tenant: owner.name.clone() }),
        None => Ok(checked),
    }
}

/// Reads a further file of keys.
pub(super) fn check_erased(path: &Path, rows: &Checked) -> Result<Checked, RestoreError> {
    let checked = check(path, Contents::Keys, |_, _, _| {})?;
    same_installation(&checked, rows)?;
    Ok(checked)
}

/// What names this restore: the same files, the same name.
pub(super) fn name_of(rows: &Checked, keys: &Checked, erased: &[Checked]) -> Vec<u8> {
    let mut further: Vec<[u8; 32]> = erased.iter().map(|file| file.hash).collect();
    further.sort_unstable();
    let mut hash = Sha256::new();
    [rows.hash, keys.hash].into_iter().chain(further).for_each(|one| hash.update(one));
    hash.finalize().to_vec()
}

/// The value of a row's column.
pub(super) fn value<'r>(table: &Table, row: &'r [Value], column: &str) -> Option<&'r Value> {
    row.get(table.place(column)?)
}

fn same_installation(file: &Checked, rows: &Checked) -> Result<(), RestoreError> {
    match file.installation == rows.installation {
        true => Ok(()),
        false => Err(RestoreError::OtherInstallation { path: file.path.clone() }),
    }
}

fn check(
    path: &Path,
    wanted: Contents,
    mut each: impl FnMut(TenantId, &Table, &[Value]),
) -> Result<Checked, RestoreError> {
    let failed = |why| RestoreError::File { path: path.to_owned(), why };
    let mut reader = Reader::open(path).map_err(failed)?;
    let header = reader.header.clone();
    if header.holds != wanted {
        let wanted = match wanted {
            Contents::Rows => "rows",
            Contents::Keys => "keys",
        };
        return Err(RestoreError::OtherHalf { path: path.to_owned(), wanted });
    }
    let mut into: Option<(TenantId, Table)> = None;
    while let Some(record) = reader.next_record().map_err(failed)? {
        match (record, &into) {
            (Record::Table(tenant, table), _) => into = Some((tenant, table)),
            (Record::Row(row), Some((tenant, table))) => each(*tenant, table, &row),
            _ => {}
        }
    }
    let hash = reader.finish().map_err(failed)?;
    let installation = HEXLOWER_PERMISSIVE.decode(header.installation.as_bytes());
    let installation =
        installation.map_err(|_| failed(crate::continuity::backup::Unreadable::NoBackup))?;
    Ok(Checked { path: path.to_owned(), header, hash, installation, tenants: Vec::new() })
}
