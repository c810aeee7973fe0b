//! Customers as they are read: their own row, their links, and what was said of ties beside them.

use std::collections::HashMap;

use sqlx::{AnyConnection, Row as _};

use super::Error;
use super::read::{bytes16, distinct, optional16, time};
use super::rows::{CustomerRow, LinkRow, TieRow};
use super::statement::{self, Question, keyed};
use crate::ids::{CustomerId, KeyId, Stamp, TenantId, Token};

/// A customer and their links.
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
}

/// The customers that exist among `ids`, with their links.
///
/// # Errors
/// As the database's.
pub async fn people(
    connection: &mut AnyConnection,
    tenant: TenantId,
    ids: &[CustomerId],
) -> Result<HashMap<CustomerId, Person>, Error> {
    let mut found = HashMap::with_capacity(ids.len());
    let sql = keyed!(
        "SELECT customer, data_key, stamp, created, received, last_contact, contacts, \
         disclosure, moved_to, set_name, archived FROM customer WHERE tenant = $1 AND customer"
    );
    for row in statement::select_in(connection, tenant, sql, ids).await? {
        let customer = CustomerRow {
            customer: CustomerId(bytes16(&row, 0, "customer")?),
            data_key: KeyId(row.try_get(1)?),
            stamp: Stamp(row.try_get(2)?),
            created: time(&row, 3)?,
            received: time(&row, 4)?,
            last_contact: time(&row, 5)?,
            contacts: row.try_get(6)?,
            disclosure: row.try_get(7)?,
            moved_to: optional16(&row, 8, "customer")?.map(CustomerId),
            set_name: optional16(&row, 9, "customer")?.map(CustomerId),
            archived: time(&row, 10)?,
        };
        let (links, ties, members) = (Vec::new(), Vec::new(), Vec::new());
        found.insert(customer.customer, Person { row: customer, links, ties, members });
    }
    members(connection, tenant, &mut found).await?;
    let ids = distinct(ids.iter().map(|id| id.0));
    links_and_ties(connection, tenant, &ids, &mut found).await?;
    Ok(found)
}

/// Adds the members of the sets that these customers belong to.
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

/// Links, and what was said of ties beside them, in one statement: most customers have no such ties.
async fn links_and_ties(
    connection: &mut AnyConnection,
    tenant: TenantId,
    ids: &[[u8; 16]],
    found: &mut HashMap<CustomerId, Person>,
) -> Result<(), Error> {
    let questions = [
        Question {
            sql: keyed!(
                "SELECT 1, customer, token, assurance, uses, weight, newest, identifier, confirmed \
                  FROM link \
                  WHERE tenant = $1 AND customer"
            ),
            keys: ids,
        },
        Question {
            sql: keyed!(
                "SELECT 2, customer, token, assurance, assurance, assurance, untied, token, untied \
                  FROM tie \
                  WHERE tenant = $1 AND customer"
            ),
            keys: ids,
        },
    ];
    for row in statement::select_union(connection, tenant, &questions).await? {
        let customer = CustomerId(bytes16(&row, 1, "link")?);
        let token = Token(bytes16(&row, 2, "link")?);
        let Some(person) = found.get_mut(&customer) else { continue };
        let (assurance, newest) = (row.try_get(3)?, time(&row, 6)?);
        if row.try_get::<i32, _>(0)? == 2 {
            person.ties.push(TieRow { customer, token, assurance, untied: newest });
            continue;
        }
        person.links.push(LinkRow {
            customer,
            token,
            assurance,
            uses: row.try_get(4)?,
            weight: f64::from_bits(row.try_get::<i64, _>(5)? as u64),
            newest,
            identifier: row.try_get(7)?,
            confirmed: time(&row, 8)?,
        });
    }
    Ok(())
}
