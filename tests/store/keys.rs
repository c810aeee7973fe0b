//! How a test opens its database, and the API key it calls with.

use std::time::Duration;

use threadline::cli::keys::{NewKey, create};
use threadline::clock::Clock;
use threadline::ids::Entropy;
use threadline::server::{Configuration, Layers, Serve};
use threadline::store::Schedule;

use crate::database::Database;

/// The root key of every test's database: bytes 0 to 31.
pub(crate) const ROOT_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// How to serve this database, with budgets that a loaded machine keeps.
pub(crate) fn settings(database: &Database) -> Serve {
    let layers = Layers {
        listen: Some("127.0.0.1:0".into()),
        database: Some(database.url.clone()),
        ..Layers::default()
    };
    let mut configuration = Configuration::parse("", &layers).expect("valid settings");
    configuration.start_budget = Duration::from_secs(30);
    let root_key = Some(ROOT_KEY.to_owned());
    let schedule = Schedule::Free;
    Serve { configuration, root_key, clock: Clock::System, entropy: Entropy::System, schedule }
}

/// A key that may do everything.
pub(crate) fn anything() -> NewKey {
    let roles = ["telephony", "agent", "admin", "backfill"];
    NewKey {
        tenant: "acme".into(),
        roles: roles.map(str::to_owned).to_vec(),
        source: "pbx".into(),
        may_address: Vec::new(),
        max_assurance: None,
        test: false,
    }
}

/// Makes a key that may do everything.
pub(crate) async fn new_key(database: &Database) -> String {
    let service = settings(database).open().await.expect("a service");
    let text = create(&service, &anything()).await.expect("a key");
    service.store().close().await;
    text
}
