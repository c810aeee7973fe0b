//! Two companies with customers who are alike to the last byte: as much as can be put in each other's
//! place.

use std::collections::BTreeMap;

use sqlx::{AnyConnection, AssertSqlSafe, Executor as _, Row as _};
use threadline::cli::client::{Connection, Customers, Interactions, connect};
use threadline::cli::keys::{NewKey, create};
use threadline::grpc::proto::{
    EndInteractionRequest, IdentityHints, Intent, IntentStatus, LineType, MergeCustomersRequest,
    ProfileAttributeInput, StartInteractionRequest, Telco, UnmergeCustomersRequest, VariableInput,
};
use threadline::ids::CustomerId;
use threadline::store::Engine;

use crate::database::Database;
use crate::keys::settings;
use crate::spawned::Spawned;
use crate::swaps::{CASES, Case};
use crate::unasked;

/// Customers of a company.
const PEOPLE: usize = 24;

/// A customer of one of them.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) tenant: i64,
    pub(crate) key: String,
    pub(crate) interaction_id: String,
    pub(crate) customer_ref: String,
}

/// All of them, and the database past the store.
pub(crate) struct World {
    pub(crate) people: Vec<Person>,
    /// Sealed values that newer ones have replaced.
    pub(crate) older: Vec<Vec<u8>>,
    engine: Engine,
    connection: AnyConnection,
}

impl World {
    /// Makes both companies.
    pub(crate) async fn gather(database: &Database) -> Self {
        let mut keys = Vec::new();
        let service = settings(database).open().await.expect("a service");
        let mut older = Vec::new();
        for tenant in ["acme", "globex"] {
            let roles = ["telephony", "agent", "admin"].map(str::to_owned).to_vec();
            let (tenant, source) = (tenant.to_owned(), "pbx".to_owned());
            let (may_address, max_assurance, test) = (Vec::new(), None, false);
            let key = NewKey { tenant, roles, source, may_address, max_assurance, test };
            keys.push(create(&service, &key).await.expect("a key"));
            for _ in 0..2 {
                older.push(unasked::endpoint(&service, &key.tenant).await);
            }
        }
        service.store().close().await;
        let connection = database.connect().await;
        let people = Vec::new();
        let mut world = Self { people, older, engine: database.engine, connection };
        let server = Spawned::serve(database, "info", "gather.log").await;
        for (index, key) in keys.iter().enumerate() {
            let tenant = index as i64 + 1;
            let connection = connect(&server.url, Some(key)).await.expect("it answers");
            for number in 0..PEOPLE {
                let customer_ref = contact(&connection, number).await;
                let (key, interaction_id) = (key.clone(), id(number));
                world.people.push(Person { tenant, key, interaction_id, customer_ref });
            }
            world.change(&connection, tenant).await;
            for number in PEOPLE..PEOPLE + 2 {
                let gone = contact(&connection, number).await;
                unasked::erase(&connection, &gone).await;
            }
        }
        world.others().await;
        world
    }

    /// Those of a company's rows that are nobody's: one of them is a case, the others are elsewhere.
    async fn others(&mut self) {
        for table in ["webhook_endpoint", "erasure_notice", "tombstone"] {
            let sql = format!("SELECT content FROM {table} WHERE LENGTH(content) > 0");
            let rows = self.connection.fetch_all(AssertSqlSafe(sql)).await.expect("a look");
            assert!(rows.len() >= 4, "{table}: two of each company");
            self.older.extend(rows.iter().map(|row| row.get::<Vec<u8>, _>(0)));
        }
    }

    /// Ends are amended, merges undone: what was sealed before is older now.
    async fn change(&mut self, connection: &Connection, tenant: i64) {
        let own: Vec<Person> =
            self.people.iter().filter(|it| it.tenant == tenant).cloned().collect();
        let mut customers = Customers::new(connection.clone());
        for pair in own.chunks(2) {
            let merge = MergeCustomersRequest {
                request_id: format!("merge-{}", pair[0].interaction_id),
                customer_ref: pair[0].customer_ref.clone(),
                other_customer_ref: pair[1].customer_ref.clone(),
                reason: "one person".into(),
                ..Default::default()
            };
            let request_id = format!("un{}", merge.request_id);
            let merged = customers.merge_customers(merge).await.expect("a merge");
            let merge_id = merged.into_inner().merge_id;
            for case in CASES.iter().filter(|case| case.is_replaced()) {
                for person in pair {
                    let value = self.find(case, person).await;
                    self.older.extend(value);
                }
            }
            let unmerge = UnmergeCustomersRequest { request_id, merge_id, ..Default::default() };
            customers.unmerge_customers(unmerge).await.expect("an unmerge");
        }
        let mut interactions = Interactions::new(connection.clone());
        for number in 0..own.len() {
            interactions.end_interaction(end(number, 2)).await.expect("an amendment");
        }
    }

    /// Somebody's value of a column, if there is one.
    pub(crate) async fn find(&mut self, case: &Case, person: &Person) -> Option<Vec<u8>> {
        let (table, column) = case.column.split_once('.').expect("table and column");
        let sql = format!("SELECT {column} FROM {table} WHERE {}", self.row(case, person));
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_optional(&mut self.connection).await;
        row.expect("a look").map(|row| row.get(0))
    }

    /// Puts a value into somebody's row, as whoever can write the database would: with a new stamp, so
    /// that nobody trusts what is remembered.
    pub(crate) async fn put(&mut self, case: &Case, person: &Person, value: &[u8]) {
        let (table, column) = case.column.split_once('.').expect("table and column");
        let row = self.row(case, person);
        let sql = format!("UPDATE {table} SET {column} = $1 WHERE {row}");
        let put = sqlx::query(AssertSqlSafe(sql)).bind(value.to_vec());
        let put = put.execute(&mut self.connection).await.expect("a write");
        assert_eq!(put.rows_affected(), 1, "{}", case.column);
        let (tenant, customer) = (person.tenant, self.customer(person));
        let stamp = format!(
            "UPDATE customer SET stamp = stamp + 1 WHERE tenant = {tenant} AND customer = {customer}"
        );
        self.connection.execute(AssertSqlSafe(stamp)).await.expect("a stamp");
    }

    fn row(&self, case: &Case, person: &Person) -> String {
        case.row.replace("{t}", &person.tenant.to_string()).replace("{c}", &self.customer(person))
    }

    fn customer(&self, person: &Person) -> String {
        let id = CustomerId::parse_ref(&person.customer_ref).expect("a ref");
        let hex = data_encoding::HEXLOWER.encode(&id.0);
        match self.engine {
            Engine::Sqlite => format!("x'{hex}'"),
            Engine::Postgres => format!("'\\x{hex}'"),
        }
    }
}

fn id(number: usize) -> String {
    format!("interaction-{number:04}")
}

/// A first contact; whose it is.
async fn contact(connection: &Connection, number: usize) -> String {
    let mut service = Interactions::new(connection.clone());
    let start = StartInteractionRequest {
        interaction_id: id(number),
        channel: "voice".into(),
        identity_hints: Some(IdentityHints {
            caller_number: format!("+1415555{number:04}"),
            ..Default::default()
        }),
        telco: Some(Telco { line_type: LineType::Mobile as i32, ..Default::default() }),
        ..Default::default()
    };
    let answer = service.start_interaction(start).await.expect("a start").into_inner();
    service.end_interaction(end(number, 1)).await.expect("an end");
    answer.customer_ref
}

fn end(number: usize, revision: i64) -> EndInteractionRequest {
    let variable = VariableInput { value: format!("parcel of {number:04}"), ..Default::default() };
    let attribute =
        ProfileAttributeInput { value: format!("name {number:04}"), ..Default::default() };
    EndInteractionRequest {
        interaction_id: id(number),
        intents: vec![Intent {
            intent: format!("delivery_{number:04}"),
            reference: format!("order-{number:04}"),
            status: IntentStatus::Open as i32,
            ..Default::default()
        }],
        variables: BTreeMap::from([("parcel".to_owned(), variable)]),
        profile: BTreeMap::from([("name".to_owned(), attribute)]),
        summary: format!("asked {revision} times for the parcel of {number:04}"),
        revision: Some(revision),
        ..Default::default()
    }
}
