//! `threadline merge`: shows what joining two customers would mean, joins them, or takes it back.
//! A client of the API like any other.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use tonic::Status;

use super::client::{Customers, ServerArgs, sentence};
use crate::grpc::proto::{
    Disclosure, IdentifierName, MergeCustomersRequest, MergeSide, PreviewMergeRequest,
    PreviewMergeResponse, UnmergeCustomersRequest,
};
use crate::ids::Entropy;

/// Two customers, or a merge.
#[derive(clap::Args)]
pub struct MergeArgs {
    /// The two customers' refs. Without --reason it only shows what would be joined
    #[arg(value_name = "CUSTOMER", num_args = 2, required_unless_present = "undo")]
    customers: Vec<String>,
    /// Joins them, and says why for whoever looks later. It can be taken back
    #[arg(long, value_name = "WHY")]
    reason: Option<String>,
    /// On what evidence, such as a ticket's number
    #[arg(long, value_name = "WHAT", requires = "reason", conflicts_with = "undo")]
    evidence: Option<String>,
    /// Takes this merge back instead, exactly. (One in 64 begins with a dash.)
    #[arg(long, value_name = "MERGE_ID", conflicts_with = "customers", allow_hyphen_values = true)]
    undo: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Does it, and prints what became of it: 0 when it was done or shown, 1 when it was refused.
///
/// # Errors
/// When the server cannot be reached, or standard output is closed.
pub async fn run(args: MergeArgs) -> anyhow::Result<ExitCode> {
    let client = Customers::new(args.server.connect().await?);
    let said = match (&args.undo, args.customers.as_slice(), &args.reason) {
        (Some(merge), ..) => unmerge(client, merge, args.reason.as_deref()).await,
        (None, [one, other], None) => preview(client, one, other).await,
        (None, [one, other], Some(reason)) => {
            merge(client, [one, other], reason, args.evidence.as_deref()).await
        }
        // Its own grammar takes two, or none beside --undo.
        _ => anyhow::bail!("two customers' refs, or --undo and a merge"),
    };
    match said {
        Ok(text) => {
            std::io::stdout().write_all(text.as_bytes()).context("standard output")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(status) => {
            writeln!(std::io::stderr(), "{}", sentence(&status))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn preview(mut client: Customers, one: &str, other: &str) -> Result<String, Status> {
    let request =
        PreviewMergeRequest { customer_ref: one.to_owned(), other_customer_ref: other.to_owned() };
    Ok(shown(&client.preview_merge(request).await?.into_inner()))
}

async fn merge(
    mut client: Customers,
    [one, other]: [&String; 2],
    reason: &str,
    evidence: Option<&str>,
) -> Result<String, Status> {
    let request = MergeCustomersRequest {
        request_id: fresh(),
        customer_ref: one.clone(),
        other_customer_ref: other.clone(),
        reason: reason.to_owned(),
        evidence: evidence.unwrap_or_default().to_owned(),
        ..MergeCustomersRequest::default()
    };
    let merged = client.merge_customers(request).await?.into_inner();
    let set = merged.set.unwrap_or_default();
    Ok(format!(
        "one person now: {} ({})\nto take it back: threadline merge --undo {}\n",
        set.customer_ref,
        set.member_refs.join(", "),
        merged.merge_id
    ))
}

async fn unmerge(
    mut client: Customers,
    merge: &str,
    reason: Option<&str>,
) -> Result<String, Status> {
    let request = UnmergeCustomersRequest {
        request_id: fresh(),
        merge_id: merge.to_owned(),
        reason: reason.unwrap_or_default().to_owned(),
        ..UnmergeCustomersRequest::default()
    };
    let parted = client.unmerge_customers(request).await?.into_inner();
    let sets = parted.sets.iter().map(|set| format!("  {}\n", set.member_refs.join(", ")));
    Ok(format!("taken back; they are\n{}", sets.collect::<String>()))
}

/// Said by a person at a terminal, once: nothing repeats it.
fn fresh() -> String {
    format!("command-{:016x}", Entropy::System.positive())
}

/// The preview, for a person: what speaks for it, what against, what would be shown.
fn shown(preview: &PreviewMergeResponse) -> String {
    let mut text = String::new();
    let mut line = |it: String| {
        text.push_str(&it);
        text.push('\n');
    };
    preview.sides.iter().for_each(|side| line(side_of(side)));
    if preview.already_merged {
        line("they are one person already".into());
    }
    if preview.too_large {
        line("together they would be more than the 64 that one person may consist of".into());
    }
    for (what, identifiers) in [
        ("for it: both have", &preview.shared_identifiers),
        ("against it: each has another", &preview.contradicting_identifiers),
    ] {
        identifiers.iter().for_each(|it| line(format!("{what} {}", name_of(it))));
    }
    for conflict in &preview.attribute_conflicts {
        let value = |it: &Option<crate::grpc::proto::ProfileAttribute>| {
            it.as_ref().map_or_else(String::new, |it| it.value.clone())
        };
        line(format!(
            "{}: {:?} would stand, {:?} would not",
            conflict.name,
            value(&conflict.kept),
            value(&conflict.other)
        ));
    }
    if preview.disclosure() != Disclosure::Normal && preview.disclosure() != Disclosure::Unspecified
    {
        line(format!("disclosure would be {}", preview.disclosure().as_str_name()));
    }
    line(format!("the whole would be {}", preview.customer_ref));
    text
}

fn side_of(side: &MergeSide) -> String {
    let set = side.set.clone().unwrap_or_default();
    format!(
        "{}: {} contacts, {} open matters, {} identifiers{}",
        set.customer_ref,
        side.contact_count,
        side.open_intent_count,
        side.identifiers.len(),
        if set.member_refs.len() > 1 {
            format!(", of {} customers", set.member_refs.len())
        } else {
            String::new()
        }
    )
}

fn name_of(identifier: &IdentifierName) -> String {
    let IdentifierName { kind, namespace, value } = identifier;
    if namespace.is_empty() {
        format!("{kind} {value}")
    } else {
        format!("{kind}:{namespace} {value}")
    }
}
