//! `threadline audit list`: who did what to whom, a line each.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use data_encoding::HEXLOWER;
use serde_json::json;

use super::super::DatabaseArgs;
use super::{called, tenants};
use crate::clock::Time;
use crate::continuity::Service;
use crate::continuity::audit::shown;
use crate::ids::CustomerId;
use crate::store::audit::list::{Listed, Wanted};
use crate::store::rows::{Outcome, Verb};

/// Entries that are printed at most.
const MAX_LISTED: usize = 10_000;

/// Prints entries.
#[derive(Args)]
pub struct ListArgs {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Which entries, and how they are printed.
#[derive(Args, Clone, Debug, Default)]
pub struct Filters {
    /// Only this tenant's
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Only of this customer, and of everybody who is one person with them
    #[arg(long, value_name = "REF")]
    pub customer: Option<String>,
    /// Only what this API key did (as `keys list` shows it), or `sweep`
    #[arg(long, value_name = "KEY")]
    pub caller: Option<String>,
    /// Only this action, such as start or get_customer; may be given several times
    #[arg(long = "action", value_name = "ACTION")]
    pub actions: Vec<String>,
    /// Only from this time on, such as 2026-11-26T10:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// So many at most, the newest
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub limit: usize,
    /// Customers by their refs; without it by pseudonyms that nobody can read back
    #[arg(long)]
    pub refs: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Prints.
///
/// # Errors
/// Filters that mean nothing, and the store's.
pub(super) async fn run(arguments: ListArgs) -> anyhow::Result<ExitCode> {
    let service = arguments.database.existing()?.open().await?;
    let text = listed(&service, &arguments.filters).await;
    service.store().close().await;
    write!(std::io::stdout(), "{}", text?)?;
    Ok(ExitCode::SUCCESS)
}

/// What is printed.
///
/// # Errors
/// Filters that mean nothing, and the store's.
pub async fn listed(service: &Arc<Service>, filters: &Filters) -> anyhow::Result<String> {
    let (wanted, customer) = wanted(filters)?;
    let mut all = Vec::new();
    for row in tenants(service, filters.tenant.as_deref()).await? {
        let opened = service.tenant(row.tenant).await?;
        let customers = match customer {
            Some(customer) => service.entries_of(row.tenant, customer).await?,
            None => Vec::new(),
        };
        let wanted = Wanted { customers, ..wanted.clone() };
        let name = called(&row);
        for entry in service.store().list_audit(row.tenant, &wanted).await? {
            let customer = entry.customer.map(|customer| match filters.refs {
                true => customer.to_ref(),
                false => format!("p_{}", HEXLOWER.encode(&opened.secrets.pseudonym(customer).0)),
            });
            all.push((name.clone(), entry, customer.unwrap_or_default()));
        }
    }
    all.sort_by_key(|(_, entry, _)| entry.received);
    let surplus = all.len().saturating_sub(filters.limit);
    let mut text = String::new();
    for (tenant, entry, customer) in all.drain(surplus..) {
        text.push_str(&line(&tenant, &entry, &customer, filters.json));
        text.push('\n');
    }
    Ok(text)
}

fn wanted(filters: &Filters) -> anyhow::Result<(Wanted, Option<CustomerId>)> {
    if !(1..=MAX_LISTED).contains(&filters.limit) {
        bail!("--limit must be from 1 to {MAX_LISTED}");
    }
    let named = |name: &String| Verb::named(name).with_context(|| unknown_action(name));
    let verbs = filters.actions.iter().map(named).collect::<anyhow::Result<Vec<Verb>>>()?;
    let customer = filters.customer.as_deref().map(|named| {
        CustomerId::parse_ref(named).context("--customer must be a customer_ref, cus_…")
    });
    let wanted = Wanted {
        customers: Vec::new(),
        // `keys list` shows the tenant's number before it.
        caller: filters.caller.as_deref().map_or("", own_id).to_owned(),
        verbs,
        since: time("since", filters.since.as_deref())?,
        until: time("until", filters.until.as_deref())?,
        limit: filters.limit,
    };
    Ok((wanted, customer.transpose()?))
}

fn own_id(key: &str) -> &str {
    key.split_once('_').map_or(key, |(_, id)| id)
}

fn unknown_action(name: &str) -> String {
    let known: Vec<&str> = Verb::ALL.iter().map(|(_, name)| *name).collect();
    format!("--action {name:?} is none of {}", known.join(", "))
}

fn time(option: &str, text: Option<&str>) -> anyhow::Result<Option<Time>> {
    let Some(text) = text else { return Ok(None) };
    let time: jiff::Timestamp =
        text.parse().with_context(|| format!("--{option} must be a time in RFC 3339"))?;
    Ok(Some(Time(time.as_millisecond())))
}

fn line(tenant: &str, entry: &Listed, customer: &str, as_json: bool) -> String {
    // What was forgotten has a position and nothing else.
    let action = Verb::from_code(entry.verb).map_or("forgotten", Verb::name);
    let outcome = Outcome::name(entry.outcome).unwrap_or("-");
    let (time, position, caller) = (shown(entry.received), entry.position, &entry.caller);
    if as_json {
        let object = json!({
            "time": time, "tenant": tenant, "position": position, "caller": caller,
            "action": action, "outcome": outcome, "customer": customer,
        });
        return object.to_string();
    }
    let customer = if customer.is_empty() { "-" } else { customer };
    format!(
        "{time}  {tenant}  {position:>8}  {caller:<16}  {action:<17}  {outcome:<12}  {customer}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_with_or_without_its_tenant() {
        assert_eq!((own_id("1_k3f9"), own_id("k3f9"), own_id("sweep")), ("k3f9", "k3f9", "sweep"));
    }

    #[test]
    fn times_are_read_and_odd_ones_refused() {
        let read = time("since", Some("2026-11-26T10:00:00.5Z")).unwrap();
        assert_eq!(read, Some(Time(1_795_687_200_500)));
        assert!(
            time("since", Some("yesterday")).is_err() && time("since", None).unwrap().is_none()
        );
    }
}
