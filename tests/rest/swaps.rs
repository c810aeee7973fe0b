//! Whoever can write the database puts sealed values elsewhere: into other rows, columns, customers and
//! tenants, older ones in the place of newer ones, with bytes flipped or cut off. None of it opens, and
//! every refusal is the same.
//!
//! Which columns there are comes from the migrations: a new sealed one without a case fails.

use std::collections::BTreeSet;
use std::sync::Arc;

use threadline::cli::client::{Customers, Interactions, connect, reason};
use threadline::continuity::{Error, Service};
use threadline::grpc::proto::{GetCustomerRequest, GetInteractionRequest};
use threadline::ids::TenantId;
use tonic::{Code, Status};

use crate::database::Database;
use crate::keys::settings;
use crate::people::{Person, World};
use crate::spawned::Spawned;
use crate::unasked;

/// Bytes at either end of a value that are all flipped: format, key and nonce; the tag.
const ENDS: usize = 24;
/// Between them one byte in so many, unless `THREADLINE_SWAPS=all` asks for every one.
const STRIDE: usize = 11;

/// By what somebody sees that a value does not open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// By anything at all of the tenant, at an instance that has not opened it yet.
    Tenant,
    /// By a look at the customer.
    Customer,
    /// By a look at the interaction.
    Interaction,
    /// By a service that does not begin.
    Start,
    /// By whoever sends web-hooks.
    Endpoint,
    /// By whoever tells receivers who was erased.
    Notice,
    /// By a backup that is put back.
    Backup,
}

/// A sealed column, and which row of it is somebody's.
pub(crate) struct Case {
    pub(crate) column: &'static str,
    /// `{t}` stands for the tenant, `{c}` for the customer.
    pub(crate) row: &'static str,
    seen: Seen,
}

impl Case {
    /// Whether the column is written anew under the same key.
    pub(crate) fn is_replaced(&self) -> bool {
        ["interaction.content", "journal.state", "customer_merge.content"].contains(&self.column)
    }
}

const THEIRS: &str = "tenant = {t} AND customer = {c}";

/// What is remembered once it has opened comes first: the tenant.
pub(crate) static CASES: &[Case] = &[
    Case { column: "root_key.check_value", row: "tenant = 0 AND version = 1", seen: Seen::Start },
    Case { column: "tenant.secrets", row: "tenant = {t}", seen: Seen::Tenant },
    Case {
        column: "data_key.wrapped",
        row: "tenant = {t} AND data_key = (SELECT data_key FROM tenant WHERE tenant = {t})",
        seen: Seen::Tenant,
    },
    Case {
        column: "data_key.wrapped",
        row: "tenant = {t} AND data_key = \
              (SELECT data_key FROM customer WHERE tenant = {t} AND customer = {c})",
        seen: Seen::Customer,
    },
    Case { column: "link.identifier", row: THEIRS, seen: Seen::Customer },
    Case { column: "interaction.content", row: THEIRS, seen: Seen::Customer },
    Case { column: "intent_fact.content", row: THEIRS, seen: Seen::Customer },
    Case {
        column: "block.content",
        row: "tenant = {t} AND customer = {c} AND kind = 1 AND position = \
              (SELECT MAX(position) FROM block WHERE tenant = {t} AND customer = {c} AND kind = 1)",
        seen: Seen::Customer,
    },
    Case {
        column: "block.content",
        row: "tenant = {t} AND customer = {c} AND kind = 2 AND position = \
              (SELECT MAX(position) FROM block WHERE tenant = {t} AND customer = {c} AND kind = 2)",
        seen: Seen::Customer,
    },
    Case {
        column: "label.content",
        row: "tenant = {t} AND token = \
              (SELECT intent FROM intent_fact WHERE tenant = {t} AND customer = {c})",
        seen: Seen::Customer,
    },
    Case {
        column: "customer_merge.content",
        row: "tenant = {t} AND (one = {c} OR other = {c})",
        seen: Seen::Customer,
    },
    Case {
        column: "journal.state",
        row: "tenant = {t} AND position = (SELECT MAX(position) FROM journal WHERE tenant = {t} \
              AND customer = {c} AND verb IN (1, 2, 3))",
        seen: Seen::Interaction,
    },
    Case {
        column: "webhook_endpoint.content",
        row: "tenant = {t} AND endpoint = (SELECT endpoint FROM webhook_endpoint \
              WHERE tenant = {t} ORDER BY created, endpoint LIMIT 1)",
        seen: Seen::Endpoint,
    },
    Case {
        column: "erasure_notice.content",
        row: "tenant = {t} AND erasure = (SELECT erasure FROM erasure_notice \
              WHERE tenant = {t} ORDER BY erasure LIMIT 1)",
        seen: Seen::Notice,
    },
    Case {
        column: "tombstone.content",
        row: "tenant = {t} AND token = (SELECT token FROM tombstone \
              WHERE tenant = {t} AND kind = 2 ORDER BY token LIMIT 1)",
        seen: Seen::Backup,
    },
];

/// Fails unless nothing that is put elsewhere opens, and all of it does in its place.
pub(crate) async fn are_refused(database: &Database) {
    every_sealed_column_has_a_case();
    let mut world = World::gather(database).await;
    let mut elsewhere = world.older.clone();
    let bystanders: Vec<Person> =
        [0, world.people.len() - 1].map(|it| world.people[it].clone()).to_vec();
    for case in CASES {
        for person in bystanders.iter().chain([&victim(&world, case)]) {
            elsewhere.extend(world.find(case, person).await);
        }
    }
    elsewhere.extend([Vec::new(), vec![0; 64], b"in plain text".to_vec()]);
    let server = Spawned::serve(database, "info,threadline=trace", "swaps.log").await;
    let cold = settings(database).open().await.expect("a service");
    let (mut probes, mut refusals) = (0, BTreeSet::new());
    for case in CASES {
        let person = victim(&world, case);
        let own = world.find(case, &person).await.expect("a value");
        let spoilt = spoilt(&own, case.seen == Seen::Backup);
        for value in elsewhere.iter().filter(|other| **other != own).cloned().chain(spoilt) {
            world.put(case, &person, &value).await;
            let refused = look(database, (&server, &cold), case, &person).await;
            let Err(refused) = refused else {
                panic!("{}: a value of {} bytes from elsewhere opens", case.column, value.len())
            };
            assert!(refusals.len() <= 2, "{}: {refusals:?}", case.column);
            refusals.insert(refused);
            probes += 1;
        }
        world.put(case, &person, &own).await;
    }
    for case in CASES {
        let seen = look(database, (&server, &cold), case, &victim(&world, case)).await;
        assert_eq!(seen, Ok(()), "{}: it opens in its own place", case.column);
    }
    cold.store().close().await;
    eprintln!("{:?}: {probes} values in places not their own, {refusals:?}", database.engine);
    let expected = [INTERNAL, NO_START].map(str::to_owned);
    assert_eq!(refusals, BTreeSet::from(expected), "every refusal is the same");
    nothing_is_told(&server);
}

pub(crate) const INTERNAL: &str = "Internal INTERNAL internal error";
const NO_START: &str = "the root key is not the one this database was made with";

/// Every value on its own: flipped in one byte, cut off anywhere, one byte longer. `few` places where a
/// look takes long.
fn spoilt(own: &[u8], few: bool) -> Vec<Vec<u8>> {
    let all = std::env::var("THREADLINE_SWAPS").is_ok_and(|which| which == "all");
    let ends = |at: usize| !few && (at < ENDS || own.len() - at <= ENDS);
    let places = (0..own.len()).filter(|at| all || ends(*at) || at.is_multiple_of(STRIDE));
    let mut spoilt = vec![[own, &[0]].concat()];
    for at in places {
        let mut flipped = own.to_vec();
        flipped[at] ^= 1 << (at % 8);
        spoilt.push(flipped);
        spoilt.push(own[..at].to_vec());
    }
    spoilt
}

/// Somebody else for each case: whoever has opened once is remembered.
fn victim(world: &World, case: &Case) -> Person {
    let at = CASES.iter().position(|one| std::ptr::eq(one, case)).expect("one of them");
    // Those of one pair were merged: the next but one.
    world.people[2 * at].clone()
}

/// Looks; all that whoever looks is told when it does not open.
async fn look(
    database: &Database,
    (server, cold): (&Spawned, &Arc<Service>),
    case: &Case,
    person: &Person,
) -> Result<(), String> {
    let told = |status: Status| {
        let (code, message): (Code, &str) = (status.code(), status.message());
        Err(format!("{code:?} {} {message}", reason(&status)))
    };
    if case.seen == Seen::Start {
        return match settings(database).open().await {
            Ok(service) => {
                service.store().close().await;
                Ok(())
            }
            Err(error) => Err(format!("{error:#}")),
        };
    }
    match case.seen {
        Seen::Endpoint => return unasked::open_endpoint(cold, person.tenant).await,
        Seen::Notice => return unasked::read_notice(database, cold, person.tenant).await,
        Seen::Backup => return unasked::put_back(database).await,
        _ => {}
    }
    if case.seen == Seen::Tenant {
        // The server has opened it when it began to sweep.
        return match cold.tenant(TenantId(person.tenant)).await {
            Ok(_) => Ok(()),
            Err(Error::Sealed) => Err(INTERNAL.to_owned()),
            Err(error) => Err(error.to_string()),
        };
    }
    let connection = connect(&server.url, Some(&person.key)).await.expect("it answers");
    if case.seen == Seen::Interaction {
        let interaction_id = person.interaction_id.clone();
        let request = GetInteractionRequest { interaction_id, ..Default::default() };
        return match Interactions::new(connection).get_interaction(request).await {
            Ok(_) => Ok(()),
            Err(status) => told(status),
        };
    }
    let customer_ref = person.customer_ref.clone();
    let request = GetCustomerRequest { customer_ref, ..Default::default() };
    match Customers::new(connection).get_customer(request).await {
        Ok(_) => Ok(()),
        Err(status) => told(status),
    }
}

/// Neither what people said nor a panic is in the log.
fn nothing_is_told(server: &Spawned) {
    let log = std::fs::read_to_string(&server.logs).expect("the log");
    assert!(log.contains("a sealed value did not open"), "it says that something did not open");
    for word in ["parcel", "delivery_", "order-0", "+1415", "one person", "panicked"] {
        assert!(!log.contains(word), "the log says {word}");
    }
}

/// The sealed columns of the migrations, each with a case.
fn every_sealed_column_has_a_case() {
    let mut sealed = BTreeSet::new();
    for engine in ["sqlite", "postgres"] {
        let folder = format!("{}/migrations/{engine}", env!("CARGO_MANIFEST_DIR"));
        for file in std::fs::read_dir(folder).expect("the migrations") {
            let text = std::fs::read_to_string(file.expect("a file").path()).expect("a migration");
            sealed.extend(sealed_columns(&text));
        }
    }
    assert!(sealed.len() >= 10, "{sealed:?}");
    let cases: BTreeSet<String> = CASES.iter().map(|case| case.column.to_owned()).collect();
    assert_eq!(cases, sealed, "a sealed column without a case, or a case without one");
}

fn sealed_columns(migration: &str) -> Vec<String> {
    let (mut table, mut found) = (String::new(), Vec::new());
    for line in migration.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["CREATE" | "ALTER", "TABLE", name, ..] = words[..] {
            table = name.to_owned();
        }
        let Some((sql, _)) = line.split_once("-- sealed:") else { continue };
        let column = match sql.split_once("ADD COLUMN ") {
            Some((_, added)) => added,
            None => sql,
        };
        found.extend(column.split_whitespace().next().map(|name| format!("{table}.{name}")));
    }
    found
}
