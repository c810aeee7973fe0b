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
/// those of their type stand in the first; most customers have no set and no ties.
const PARTS: [Keyed; 5] = [
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
    keyed!(
        "SELECT 5, m.customer, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, m.set_name, NULL \
         FROM customer AS c JOIN customer AS m ON m.tenant = $1 AND LENGTH(m.set_name) > 0 \
         AND m.set_name = c.set_name WHERE c.tenant = $1 AND LENGTH(c.set_name) > 0 AND c.customer"
    ),
];

/// The customers that exist among `ids`, with their links and keys: of one moment, in one statement.
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
                _ => beside.read(&row)?,
            }
        }
        beside.put(&mut people);
    }
    Ok(people)
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

/// What was read beside the customers' own rows, in whatever order the database gave it.
#[derive(Default)]
struct Beside {
    links: Vec<LinkRow>,
    ties: Vec<TieRow>,
    keys: HashMap<KeyId, WrappedKey>,
    sets: HashMap<CustomerId, Vec<CustomerId>>,
}

impl Beside {
    fn read(&mut self, row: &AnyRow) -> Result<(), Error> {
        match row.try_get::<i32, _>(0)? {
            2 => self.links.push(link_row(row)?),
            3 => self.ties.push(TieRow {
                customer: CustomerId(bytes16(row, 1, "tie")?),
                token: Token(bytes16(row, 9, "tie")?),
                assurance: row.try_get(2)?,
                untied: time(row, 5)?,
            }),
            4 => {
                let id = KeyId(row.try_get(2)?);
                self.keys.insert(id, (id, row.try_get(3)?, row.try_get(1)?));
            }
            _ => {
                let name = CustomerId(bytes16(row, 10, "customer")?);
                let member = CustomerId(bytes16(row, 1, "customer")?);
                self.sets.entry(name).or_default().push(member);
            }
        }
        Ok(())
    }

    /// Gives everybody what is theirs.
    fn put(mut self, people: &mut HashMap<CustomerId, Person>) {
        for link in self.links {
            people.entry(link.customer).and_modify(|person| person.links.push(link));
        }
        for tie in self.ties {
            people.entry(tie.customer).and_modify(|person| person.ties.push(tie));
        }
        for members in self.sets.values_mut() {
            // Found by each of them that was asked for.
            members.sort_unstable();
            members.dedup();
        }
        for person in people.values_mut() {
            if let Some(key) = self.keys.get(&person.row.data_key) {
                person.key = Some(key.clone());
            }
            if let Some(members) = person.row.set_name.and_then(|name| self.sets.get(&name)) {
                person.members.clone_from(members);
            }
        }
    }
}

impl Person {
    fn of(row: CustomerRow) -> Self {
        Self { row, links: Vec::new(), ties: Vec::new(), members: Vec::new(), key: None }
    }
}
