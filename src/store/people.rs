//! Customers as they are read: their own row, their links, what was said of ties beside them, their
//! key, and the set they belong to.

use std::collections::HashMap;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::Error;
use super::read::{WrappedKey, bytes16, distinct, optional16, time};
use super::rows::{CustomerRow, LinkRow, TieRow};
use super::statement::{self, Keyed, MOST_KEYS, keyed};
use crate::ids::{CustomerId, KeyId, Stamp, TenantId, Token};

/// A customer, their links and their key.
#[derive(Clone)]
pub struct Person {
    /// The customer's own row.
    pub row: CustomerRow,
    /// Their identifiers.
    pub links: Vec<LinkRow>,
    /// What was said of ties beside any contact.
    pub ties: Vec<TieRow>,
    /// All members of the set they belong to, themselves too; none while alone.
    pub members: Vec<CustomerId>,
    /// The key that seals what is theirs, wrapped; `None` where a backup left keys out.
    pub key: Option<WrappedKey>,
}

/// What is read of customers: all of it in one statement, since for few rows the way to the database
/// takes longer than they do. Each part says by its number what it is, and puts its values where
/// those of their type stand in the first.
const PARTS: [Keyed; 4] = [
    keyed!(
        "SELECT 1, customer, data_key, stamp, created, received, last_contact, contacts, \
         disclosure, moved_to, set_name, archived FROM customer WHERE tenant = $1 AND customer"
    ),
    keyed!(
        "SELECT 2, customer, assurance, uses, weight, newest, confirmed, NULL, NULL, token, \
         identifier, NULL FROM link WHERE tenant = $1 AND customer"
    ),
    keyed!(
        "SELECT 3, customer, assurance, NULL, NULL, untied, NULL, NULL, NULL, token, NULL, NULL \
         FROM tie WHERE tenant = $1 AND customer"
    ),
    keyed!(
        "SELECT 4, k.wrapped, k.data_key, k.root_version, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
         NULL FROM customer AS c JOIN data_key AS k ON k.tenant = $1 AND k.data_key = c.data_key \
         WHERE c.tenant = $1 AND c.customer"
    ),
];

/// The customers that exist among `ids`, with their links and keys. A statement for each 256 of
/// them, and another where one of them is in a set: of one moment inside a transaction.
///
/// # Errors
/// As the database's.
pub async fn people(
    connection: &mut AnyConnection,
    tenant: TenantId,
    ids: &[CustomerId],
) -> Result<HashMap<CustomerId, Person>, Error> {
    let ids = distinct(ids.iter().map(|id| id.0));
    let mut people = HashMap::with_capacity(ids.len());
    for keys in ids.chunks(MOST_KEYS) {
        let mut beside = Beside::default();
        for row in statement::select_parts(connection, tenant, &PARTS, keys).await? {
            match row.try_get::<i32, _>(0)? {
                1 => {
                    let row = customer_row(&row)?;
                    people.insert(row.customer, Person::of(row));
                }
                2 => beside.links.push(link_row(&row)?),
                3 => beside.ties.push(tie_row(&row)?),
                // The fourth: there are no more parts.
                _ => {
                    let id = KeyId(row.try_get(2)?);
                    beside.keys.insert(id, (id, row.try_get(3)?, row.try_get(1)?));
                }
            }
        }
        beside.put(&mut people);
    }
    members(connection, tenant, &mut people).await?;
    Ok(people)
}

/// Adds the members of the sets that these customers belong to; most belong to none.
async fn members(
    connection: &mut AnyConnection,
    tenant: TenantId,
    people: &mut HashMap<CustomerId, Person>,
) -> Result<(), Error> {
    let names = distinct(people.values().filter_map(|person| person.row.set_name));
    if names.is_empty() {
        return Ok(());
    }
    let sql = keyed!(
        "SELECT set_name, customer FROM customer \
               WHERE tenant = $1 AND LENGTH(set_name) > 0 AND set_name"
    );
    let mut sets: HashMap<CustomerId, Vec<CustomerId>> = HashMap::new();
    for row in statement::select_in(connection, tenant, sql, &names).await? {
        let name = CustomerId(bytes16(&row, 0, "customer")?);
        sets.entry(name).or_default().push(CustomerId(bytes16(&row, 1, "customer")?));
    }
    sets.values_mut().for_each(|members| members.sort_unstable());
    for person in people.values_mut() {
        let members = person.row.set_name.and_then(|name| sets.get(&name));
        person.members = members.cloned().unwrap_or_default();
    }
    Ok(())
}

fn customer_row(row: &AnyRow) -> Result<CustomerRow, Error> {
    Ok(CustomerRow {
        customer: CustomerId(bytes16(row, 1, "customer")?),
        data_key: KeyId(row.try_get(2)?),
        stamp: Stamp(row.try_get(3)?),
        created: time(row, 4)?,
        received: time(row, 5)?,
        last_contact: time(row, 6)?,
        contacts: row.try_get(7)?,
        disclosure: row.try_get(8)?,
        moved_to: optional16(row, 9, "customer")?.map(CustomerId),
        set_name: optional16(row, 10, "customer")?.map(CustomerId),
        archived: time(row, 11)?,
    })
}

fn link_row(row: &AnyRow) -> Result<LinkRow, Error> {
    Ok(LinkRow {
        customer: CustomerId(bytes16(row, 1, "link")?),
        token: Token(bytes16(row, 9, "link")?),
        assurance: row.try_get(2)?,
        uses: row.try_get(3)?,
        weight: f64::from_bits(row.try_get::<i64, _>(4)? as u64),
        newest: time(row, 5)?,
        identifier: row.try_get(10)?,
        confirmed: time(row, 6)?,
    })
}

fn tie_row(row: &AnyRow) -> Result<TieRow, Error> {
    Ok(TieRow {
        customer: CustomerId(bytes16(row, 1, "tie")?),
        token: Token(bytes16(row, 9, "tie")?),
        assurance: row.try_get(2)?,
        untied: time(row, 5)?,
    })
}

/// What was read beside the customers' own rows, in whatever order the database gave it.
#[derive(Default)]
struct Beside {
    links: Vec<LinkRow>,
    ties: Vec<TieRow>,
    keys: HashMap<KeyId, WrappedKey>,
}

impl Beside {
    /// Gives everybody what is theirs.
    fn put(self, people: &mut HashMap<CustomerId, Person>) {
        for link in self.links {
            if let Some(person) = people.get_mut(&link.customer) {
                person.links.push(link);
            }
        }
        for tie in self.ties {
            if let Some(person) = people.get_mut(&tie.customer) {
                person.ties.push(tie);
            }
        }
        for person in people.values_mut() {
            if let Some(key) = self.keys.get(&person.row.data_key) {
                person.key = Some(key.clone());
            }
        }
    }
}

impl Person {
    fn of(row: CustomerRow) -> Self {
        Self { row, links: Vec::new(), ties: Vec::new(), members: Vec::new(), key: None }
    }
}
