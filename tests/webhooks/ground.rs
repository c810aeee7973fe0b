//! A world with an endpoint, and calls to be told of.

use std::time::{Duration, Instant};

use threadline::cli::webhooks::{NewEndpoint, create};
use threadline::events::webhooks::Terms;
use threadline::server::{Configuration, Layers};

use super::receiver::Receiver;
use crate::support::requests::{call, end, update};
use crate::support::{Client, Engine, Setup, TENANT, World};

/// Where receivers of tests may be, and retries that do not take days. An attempt that a busy machine
/// holds up is not sent again.
pub(super) const QUICK: &str = "[webhooks]\nallow_networks = [\"127.0.0.0/8\"]\n\
    timeout_seconds = 10\n\
    retry_seconds = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";

/// The same for receivers that do not answer, and instances that are killed: neither is waited for long.
pub(super) fn impatient() -> String {
    QUICK.replace("timeout_seconds = 10\n", "timeout_seconds = 2\n")
}

/// What settings say of web-hooks.
pub(super) fn terms(settings: &str) -> Terms {
    Configuration::parse(settings, &Layers::default()).expect("valid settings").webhooks
}

/// A world, a client that may do all, and an endpoint.
pub(super) struct Hooked {
    pub world: World,
    pub client: Client,
    pub receiver: Receiver,
    pub name: String,
    pub secret: String,
}

impl Hooked {
    pub async fn on(engine: Engine) -> Self {
        Self::with(engine, QUICK).await
    }

    pub async fn with(engine: Engine, settings: &str) -> Self {
        let world = Setup::on(engine).settings(settings).open().await;
        let client = world.client(&World::new_key(&["telephony", "agent", "admin"])).await;
        let receiver = Receiver::new();
        let (name, secret) = endpoint(&world, &receiver.url(), &[], settings).await;
        Self { world, client, receiver, name, secret }
    }

    /// How many rows wait, and how many were given up.
    pub async fn rows(&self) -> (i64, i64) {
        let (tenant, number) = threadline::continuity::webhooks::named(&self.name).expect("a name");
        let store = self.world.running.service.store();
        store.count_deliveries(tenant, number).await.expect("the store")
    }

    /// Waits until rows are so.
    pub async fn until_rows(&self, what: &str, so: impl Fn((i64, i64)) -> bool) {
        for _ in 0..6_000 {
            if so(self.rows().await) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: {:?}", self.rows().await);
    }
}

/// Waits until nobody holds an endpoint: who delivers lets go of it within a look or two. Whether that was
/// seen: where it stays switched on it is taken again soon.
pub(super) async fn is_let_go(world: &World, name: &str, within: Duration) -> bool {
    let (_, number) = threadline::continuity::webhooks::named(name).expect("a name");
    let (mut past, begun) = (world.connect().await, Instant::now());
    while begun.elapsed() < within {
        let sql = "SELECT held_until FROM webhook_endpoint WHERE endpoint = $1";
        let until = sqlx::query_scalar(sql).bind(number).fetch_one(&mut past).await;
        let until: i64 = until.expect("an endpoint");
        if until == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// Makes an endpoint of the usual tenant; its name and secret.
pub(super) async fn endpoint(
    world: &World,
    url: &str,
    types: &[&str],
    settings: &str,
) -> (String, String) {
    let new = NewEndpoint {
        tenant: TENANT.into(),
        test: false,
        url: url.into(),
        types: types.iter().map(|one| (*one).to_owned()).collect(),
    };
    let created = create(&world.running.service, &new, &terms(settings)).await;
    let (name, secret) = created.expect("an endpoint");
    (name, secret.to_string())
}

pub(super) fn number(of: usize) -> String {
    format!("+1415200{of:04}")
}

/// One whole call: started, updated, ended.
pub(super) async fn whole_call(client: &Client, id: &str, of: usize) {
    client.start(call(id, &number(of))).await.expect("a start");
    client.update(update(id, "u")).await.expect("an update");
    client.end(end(id)).await.expect("an end");
}

/// The order in which one customer's calls were told, as `id kind`.
pub(super) fn told_of(all: &[super::receiver::Received], of: usize) -> Vec<String> {
    let begins = format!("{of}-");
    let of_it = all.iter().filter(|one| one.of("interaction_id").starts_with(&begins));
    let told = |one: &super::receiver::Received| {
        let kind = one.kind();
        format!("{} {}", one.of("interaction_id"), kind.trim_start_matches("interaction."))
    };
    of_it.map(told).collect()
}

/// What should be told of one customer's calls.
pub(super) fn expected(of: usize, calls: usize) -> Vec<String> {
    let calls = (0..calls).map(|call| format!("{of}-{call}"));
    let kinds = ["started", "updated", "ended"];
    calls.flat_map(|id| kinds.map(|kind| format!("{id} {kind}"))).collect()
}

/// Customers call one after the other, all at once.
pub(super) async fn everybody_calls(client: &Client, customers: usize, calls: usize) {
    let mut all = tokio::task::JoinSet::new();
    for of in 0..customers {
        let client = client.clone();
        all.spawn(async move {
            for call in 0..calls {
                whole_call(&client, &format!("{of}-{call}"), of).await;
            }
        });
    }
    while let Some(done) = all.join_next().await {
        done.expect("they have called");
    }
}
