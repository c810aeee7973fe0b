//! The commands as an operator runs them, and what a store answers of everybody in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sqlx::Row as _;
use threadline::grpc::proto::{
    GetCustomerRequest, GetCustomerResponse, GetInteractionRequest, GetInteractionResponse,
};
use threadline::ids::CustomerId;
use threadline::store::Engine;

use crate::database::Database;
use crate::keys::ROOT_KEY;
use crate::serving::Served;

/// The two files of a backup.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) rows: PathBuf,
    pub(crate) keys: PathBuf,
}

/// The binary, on a database.
pub(crate) fn command(database: &Database, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command
        .args(arguments)
        .args(["--database", &database.url])
        .env("THREADLINE_ROOT_KEY", ROOT_KEY)
        .current_dir(database.folder())
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end; what it said, on both outputs, and whether it went well.
pub(crate) async fn said(mut command: Command) -> (bool, String) {
    let ran = tokio::task::spawn_blocking(move || command.output().expect("the command runs"));
    let output = ran.await.expect("it ran");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Backs a database up. Without a root key: none is needed.
pub(crate) async fn back_up(database: &Database, folder: &Path) -> Pair {
    let folder = folder.display().to_string();
    let mut command = command(database, &["backup", &folder]);
    command.env_remove("THREADLINE_ROOT_KEY");
    let (well, text) = said(command).await;
    assert!(well, "{text}");
    let written = |end: &str| {
        let all = text.lines().filter_map(|line| line.strip_prefix("wrote ")?.split_once(": "));
        let found = all.map(|(path, _)| path).find(|path| path.ends_with(end));
        PathBuf::from(found.expect("a file"))
    };
    Pair { rows: written(".rows"), keys: written(".keys") }
}

/// The arguments of a restore.
pub(crate) fn restoring(pair: &Pair, erased: &[&Path]) -> Vec<String> {
    let path = |path: &Path| path.display().to_string();
    let mut arguments = vec!["restore".to_owned()];
    arguments.extend(["--rows".to_owned(), path(&pair.rows), "--keys".into(), path(&pair.keys)]);
    erased.iter().for_each(|file| arguments.extend(["--erased".to_owned(), path(file)]));
    arguments
}

/// Restores; what was said, and whether it went well.
pub(crate) async fn restore(into: &Database, pair: &Pair, erased: &[&Path]) -> (bool, String) {
    let arguments = restoring(pair, erased);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    said(command(into, &arguments)).await
}

/// Restores into a new database, of the other engine where there is one.
pub(crate) async fn restored(database: &Database, pair: &Pair, erased: &[&Path]) -> Database {
    let into = elsewhere(database).await;
    let (well, text) = restore(&into, pair, erased).await;
    assert!(well, "{text}");
    let (well, text) = said(command(&into, &["audit", "verify"])).await;
    assert!(well && text.contains(": whole"), "{text}");
    into
}

/// A new database of the other engine; of the same where there is no other.
pub(crate) async fn elsewhere(database: &Database) -> Database {
    let other = match database.engine {
        Engine::Sqlite => Engine::Postgres,
        Engine::Postgres => Engine::Sqlite,
    };
    match Database::fresh(other).await {
        Some(other) => other,
        None => Database::fresh(database.engine).await.expect("a file can always be made"),
    }
}

/// What a store answers of everybody and everything in it, by name.
#[derive(Default, PartialEq)]
pub(crate) struct Answers {
    pub(crate) people: BTreeMap<String, GetCustomerResponse>,
    pub(crate) contacts: BTreeMap<String, GetInteractionResponse>,
}

impl Answers {
    /// Fails where another store answers otherwise.
    pub(crate) fn are(&self, others: &Self) {
        let names = |answers: &Self| -> Vec<String> {
            answers.people.keys().chain(answers.contacts.keys()).cloned().collect()
        };
        assert_eq!(names(self), names(others));
        self.people.iter().for_each(|(name, one)| assert!(*one == others.people[name], "{name}"));
        for (name, one) in &self.contacts {
            assert!(*one == others.contacts[name], "{name}");
        }
    }
}

/// Asks for everybody, and for these contacts.
pub(crate) async fn everything(database: &Database, key: &str, contacts: &[String]) -> Answers {
    let served = Served::on(database, key).await;
    let mut answers = Answers::default();
    for customer in customers(database).await {
        let request =
            GetCustomerRequest { customer_ref: customer.clone(), ..GetCustomerRequest::default() };
        let answer = served.customers.clone().get_customer(request).await;
        answers.people.insert(customer, answer.expect("everybody is there").into_inner());
    }
    for contact in contacts {
        let answer = served.interactions.clone().get_interaction(contact_of(contact)).await;
        let answer = answer.expect("every contact is there").into_inner();
        answers.contacts.insert(contact.clone(), answer);
    }
    served.running.stop().await.expect("an orderly stop");
    answers
}

pub(crate) fn contact_of(id: &str) -> GetInteractionRequest {
    GetInteractionRequest { interaction_id: id.to_owned(), ..GetInteractionRequest::default() }
}

/// Every ref that there is a row of.
pub(crate) async fn customers(database: &Database) -> Vec<String> {
    let mut connection = database.connect().await;
    let sql = "SELECT customer FROM customer WHERE LENGTH(moved_to) = 0 ORDER BY customer";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("customers");
    let id = |bytes: Vec<u8>| CustomerId(bytes.try_into().expect("16 bytes"));
    rows.iter().map(|row| id(row.get(0)).to_ref()).collect()
}
