//! What no call of the API opens: what web-hooks are sent with and to whom they go, and what a backup
//! brings back of the erased.

use std::fs::File;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Row as _};
use threadline::cli::client::{Connection, Customers};
use threadline::cli::webhooks::{NewEndpoint, create};
use threadline::clock::Clock;
use threadline::continuity::backup::{back_up, open_store};
use threadline::continuity::following::{Filter, Interest};
use threadline::continuity::restore::{Files, RestoreError, restore};
use threadline::continuity::webhooks::{Changes, Networks, Refused, name};
use threadline::continuity::{Error, Service};
use threadline::events::webhooks::Terms;
use threadline::grpc::proto::EraseCustomerRequest;
use threadline::grpc::proto::erase_customer_response::Outcome;
use threadline::ids::{Entropy, TenantId};
use threadline::server::Serve;
use threadline::store::Durable;

use crate::database::Database;
use crate::keys::settings;
use crate::swaps::INTERNAL;

/// An endpoint of a company, which nothing is sent to: its content as it was before it was switched off.
pub(crate) async fn endpoint(service: &Arc<Service>, tenant: &str) -> Vec<u8> {
    let (url, types) = (format!("https://{tenant:0>8}.example.com/hooks"), Vec::new());
    let new = NewEndpoint { tenant: tenant.to_owned(), test: false, url, types };
    let (name, _) = create(service, &new, &Terms::default()).await.expect("an endpoint");
    let (tenant, number) = threadline::continuity::webhooks::named(&name).expect("a name");
    let row = service.store().webhook_endpoint(tenant, number).await.expect("a look");
    let off = Changes { on: Some(false), ..Changes::default() };
    service.update_webhook(&name, off, &Networks::default()).await.expect("it is off");
    row.expect("it is there").content
}

/// Erases somebody.
pub(crate) async fn erase(connection: &Connection, customer_ref: &str) {
    let mut customers = Customers::new(connection.clone());
    let request_id = format!("erase {customer_ref}");
    let customer_ref = customer_ref.to_owned();
    let request = EraseCustomerRequest { request_id, customer_ref, ..Default::default() };
    let shown = customers.erase_customer(request.clone()).await.expect("a preview").into_inner();
    let Some(Outcome::Preview(preview)) = shown.outcome else { panic!("a preview comes first") };
    let preview_token = preview.preview_token;
    let request = EraseCustomerRequest { preview_token, ..request };
    customers.erase_customer(request).await.expect("an erasure");
}

/// Opens a company's endpoint, as whoever delivers does.
pub(crate) async fn open_endpoint(service: &Service, tenant: i64) -> Result<(), String> {
    let tenant = TenantId(tenant);
    let all = service.store().webhook_endpoints(tenant).await.expect("a look");
    match service.webhook(&name(tenant, all[0].endpoint)).await {
        Ok(_) => Ok(()),
        Err(Refused::Service(Error::Sealed)) => Err(INTERNAL.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads who was erased, as whoever delivers does: what does not open is not told.
pub(crate) async fn read_notice(
    database: &Database,
    service: &Arc<Service>,
    tenant: i64,
) -> Result<(), String> {
    let mut connection = database.connect().await;
    let sql = format!("SELECT position FROM erasure_notice WHERE tenant = {tenant}");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.expect("rows");
    let positions = rows.iter().map(|row| row.get(0)).collect();
    let filter = Arc::new(Filter { erasures: true, ..Filter::default() });
    let interests: Arc<[Interest]> = Arc::new([Interest { filter, context: false }]);
    let tenant = service.tenant(TenantId(tenant)).await.expect("a tenant");
    let told = service.happened_at(&tenant, positions, &interests).await.expect("a look");
    if told.len() == rows.len() { Ok(()) } else { Err(INTERNAL.to_owned()) }
}

/// Backs all of it up, and puts it back.
pub(crate) async fn put_back(database: &Database) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let (rows, keys) = (folder.path().join("rows"), folder.path().join("keys"));
    let store = open_store(database.url.clone(), Clock::System, Entropy::System).await;
    let store = store.expect("a store");
    let file = |path| File::create(path).expect("a file");
    back_up(&store, file(&rows), file(&keys)).await.expect("a backup");
    store.close().await;
    let mut into: Serve = settings(database);
    into.configuration.database = format!("sqlite:{}", folder.path().join("back.db").display());
    let into = into.settings(Durable::InCommit).expect("settings");
    match restore(into, &Files { rows, keys, erased: Vec::new() }).await {
        Ok(_) => Ok(()),
        Err(RestoreError::Service(Error::Sealed)) => Err(INTERNAL.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
