//! One instance of the service with a wheel of its own, and what a caller asks of it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use threadline::cli::client::{Connection, Interactions, connect};
use threadline::continuity::Service;
use threadline::grpc::proto::customer_service_client::CustomerServiceClient;
use threadline::grpc::proto::{
    EndInteractionRequest, EndInteractionResponse, GetCustomerRequest, GetCustomerResponse,
    GetInteractionRequest, GetInteractionResponse, IdentityHints, Recommendation,
    StartInteractionRequest, StartInteractionResponse,
};
use threadline::server::{Running, Serve, serve};
use threadline::store::Schedule;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

use crate::database::Database;
use crate::keys::settings;
use crate::serving::{phone, start};
use crate::wheel::Wheel;

/// The entry of a read is written within this, however loaded the machine is.
const TRACED_WITHIN: Duration = Duration::from_secs(60);
/// How long is waited for it where the writer may be held.
const TRACED_IF_FREE: Duration = Duration::from_millis(500);
/// No sweep but the one that a test asks for.
const NEVER: Duration = Duration::from_secs(86_400);

pub(crate) struct Instance {
    pub(crate) running: Running,
    pub(crate) wheel: Arc<Wheel>,
    pub(crate) calls: Calls,
}

impl Instance {
    /// Serves this database, with budgets that a loaded machine keeps.
    pub(crate) async fn on(database: &Database, key: &str) -> Self {
        Self::with(settings(database), key).await
    }

    /// Serves with these settings; the key is known here when this returns.
    pub(crate) async fn with(mut settings: Serve, key: &str) -> Self {
        let wheel = Arc::new(Wheel::default());
        settings.schedule = Schedule::Steered(Arc::clone(&wheel) as _);
        settings.configuration.sweep_every = NEVER;
        let running = serve(settings).await.expect("a server");
        let calls = Calls::to(&running, key).await;
        // The first call of a key looks it up, and its tenant: that is over before a test begins.
        let unknown = calls.get("nobody's").await.err().map(|status| status.code());
        assert_eq!(unknown, Some(Code::NotFound));
        Self { running, wheel, calls }
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await.expect("it stops");
    }
}

/// A caller of one instance. Clones share a connection.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) interactions: Interactions,
    pub(crate) customers: CustomerServiceClient<Connection>,
    service: Arc<Service>,
}

/// An answer on its way.
pub(crate) type OnItsWay<T> = JoinHandle<Result<T, Status>>;

impl Calls {
    pub(crate) async fn to(running: &Running, key: &str) -> Self {
        let url = format!("http://{}", running.address);
        let connection = connect(&url, Some(key)).await.expect("it answers");
        let customers = CustomerServiceClient::new(connection.clone());
        let service = Arc::clone(&running.service);
        Self { interactions: Interactions::new(connection), customers, service }
    }

    /// A start whose answer is awaited later.
    pub(crate) fn start(
        &self,
        request: StartInteractionRequest,
    ) -> OnItsWay<StartInteractionResponse> {
        let mut client = self.interactions.clone();
        tokio::spawn(async move { Ok(client.start_interaction(request).await?.into_inner()) })
    }

    /// An end whose answer is awaited later.
    pub(crate) fn end(&self, request: EndInteractionRequest) -> OnItsWay<EndInteractionResponse> {
        let mut client = self.interactions.clone();
        tokio::spawn(async move { Ok(client.end_interaction(request).await?.into_inner()) })
    }

    /// A start by this number that must be decided.
    pub(crate) async fn started(&self, id: &str, number: u64) -> StartInteractionResponse {
        decided(self.start(call(id, number)).await)
    }

    /// An end that must be acknowledged.
    pub(crate) async fn ended(&self, id: &str) -> EndInteractionResponse {
        let answer = self.end(crate::serving::end(id)).await.expect("a call that ends");
        answer.expect("an end that is acknowledged")
    }

    pub(crate) async fn get(&self, id: &str) -> Result<GetInteractionResponse, Status> {
        let answer = self.shown(id).await;
        self.traced().await;
        answer
    }

    /// The same while the writer may be held.
    pub(crate) async fn get_meanwhile(&self, id: &str) -> Result<GetInteractionResponse, Status> {
        let answer = self.shown(id).await;
        drop(tokio::time::timeout(TRACED_IF_FREE, self.none_waits()).await);
        answer
    }

    async fn shown(&self, id: &str) -> Result<GetInteractionResponse, Status> {
        let request =
            GetInteractionRequest { interaction_id: id.into(), ..GetInteractionRequest::default() };
        let answer = self.interactions.clone().get_interaction(request).await;
        Ok(answer?.into_inner())
    }

    /// A read leaves its entry behind its answer: what is held, cut or silenced next shall not be
    /// that.
    pub(crate) async fn traced(&self) {
        let written = tokio::time::timeout(TRACED_WITHIN, self.none_waits()).await;
        written.expect("the entry of a read is written");
    }

    async fn none_waits(&self) {
        while self.service.store().traces_waiting() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// What is known of that customer.
    pub(crate) async fn person(&self, customer: &str) -> GetCustomerResponse {
        let person = self.shown_person(customer).await;
        self.traced().await;
        person
    }

    /// The same while the writer may be held.
    pub(crate) async fn person_meanwhile(&self, customer: &str) -> GetCustomerResponse {
        let person = self.shown_person(customer).await;
        drop(tokio::time::timeout(TRACED_IF_FREE, self.none_waits()).await);
        person
    }

    async fn shown_person(&self, customer: &str) -> GetCustomerResponse {
        let request =
            GetCustomerRequest { customer_ref: customer.into(), ..GetCustomerRequest::default() };
        let answer = self.customers.clone().get_customer(request).await;
        answer.expect("a customer").into_inner()
    }
}

/// A mobile calls: shown again within some days, its number is enough for `reuse`.
pub(crate) fn call(id: &str, number: u64) -> StartInteractionRequest {
    start(id, IdentityHints { caller_number: phone(number), ..IdentityHints::default() })
}

/// The answer of a start that must be a decision.
pub(crate) fn decided(
    answer: Result<Result<StartInteractionResponse, Status>, tokio::task::JoinError>,
) -> StartInteractionResponse {
    let answer = answer.expect("a call that ends").expect("a start that is answered");
    assert!(!answer.degraded, "{}", answer.degraded_reason);
    answer
}

pub(crate) fn recommended(answer: &StartInteractionResponse) -> Recommendation {
    answer.identity.as_ref().expect("an identity").recommendation()
}

/// How many rows a table has.
pub(crate) async fn rows(database: &Database, table: &str) -> i64 {
    let mut connection = database.connect().await;
    let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a count")
}

/// Every row of the journal is covered by the chain, and the rows agree with one another.
pub(crate) async fn consistent(database: &Database) {
    let mut connection = database.connect().await;
    crate::audit::verify(&mut connection, 1).await;
    crate::invariants::verify(&mut connection, 1).await;
}
