//! `WatchInteractions` and `WatchCustomer`: streams of what happens.

use std::sync::Arc;

use futures_util::stream::unfold;
use tonic::codegen::BoxStream;
use tonic::{Response, Status};

use super::answers::timestamp;
use super::fields::history_limit;
use super::interactions::{explains, got};
use super::limits::{self, Check};
use super::proto::{self, EventType, InteractionView};
use super::requests::{Parsed, finish, whom};
use super::{caller, credential, status};
use crate::continuity::following::Happened;
use crate::continuity::{Caller, Credential, Watched};
use crate::events::{Message, Request, Told, Watching};
use crate::ids::CustomerId;

/// How a stream's messages are written.
#[derive(Clone, Copy)]
struct Written {
    view: InteractionView,
    explains: bool,
}

/// Opens a stream of interactions.
pub(super) async fn interactions(
    watching: &Arc<Watching>,
    request: tonic::Request<proto::WatchInteractionsRequest>,
) -> Result<Response<BoxStream<proto::WatchInteractionsResponse>>, Status> {
    let admitted = let_in(watching, &request).await?;
    let (request, view) = read_interactions(request.into_inner())?;
    open(watching, admitted, request, view, |message, written| {
        let Message { resume_token, told } = message;
        let (r#type, event_time, commit_time) = outline(told.as_ref());
        let interaction = told.and_then(|told| shown(told, written));
        proto::WatchInteractionsResponse {
            r#type,
            resume_token,
            event_time,
            commit_time,
            interaction,
        }
    })
    .await
}

/// Opens a stream of one customer.
pub(super) async fn customer(
    watching: &Arc<Watching>,
    request: tonic::Request<proto::WatchCustomerRequest>,
) -> Result<Response<BoxStream<proto::WatchCustomerResponse>>, Status> {
    let admitted = let_in(watching, &request).await?;
    let (request, view) = read_customer(request.into_inner())?;
    open(watching, admitted, request, view, |message, written| {
        let Message { resume_token, told } = message;
        let (r#type, event_time, commit_time) = outline(told.as_ref());
        let customer = told.as_ref().and_then(|told| told.customer);
        let interaction = told.and_then(|told| shown(told, written));
        proto::WatchCustomerResponse {
            r#type,
            resume_token,
            event_time,
            commit_time,
            customer_ref: customer.map_or_else(String::new, CustomerId::to_ref),
            interaction,
        }
    })
    .await
}

async fn let_in<T>(
    watching: &Arc<Watching>,
    request: &tonic::Request<T>,
) -> Result<(Caller, Credential), Status> {
    let caller = caller(watching.service(), request).await.map_err(|error| status(&error))?;
    let shown = credential(request, &caller).map_err(|error| status(&error))?;
    Ok((caller, shown))
}

async fn open<M: 'static>(
    watching: &Arc<Watching>,
    (caller, shown): (Caller, Credential),
    request: Request,
    view: InteractionView,
    write: fn(Message, Written) -> M,
) -> Result<Response<BoxStream<M>>, Status> {
    let written = Written { view, explains: explains(&caller) };
    let opened = watching.open(caller, shown, request).await;
    let watch = opened.map_err(|error| status(&error))?;
    let messages = unfold(watch, move |mut watch| async move {
        let next = watch.next().await?;
        let next = next.map(|message| write(message, written)).map_err(|error| status(&error));
        Some((next, watch))
    });
    Ok(Response::new(Box::pin(messages)))
}

type Timestamp = Option<prost_types::Timestamp>;

/// What all messages have: what happened, and when.
fn outline(told: Option<&Told>) -> (i32, Timestamp, Timestamp) {
    let Some(told) = told else { return (EventType::Heartbeat.into(), None, None) };
    let what = match told.happened {
        Happened::Started => EventType::Started,
        Happened::Updated => EventType::Updated,
        Happened::Ended => EventType::Ended,
        Happened::Amended => EventType::Amended,
        Happened::Closed => EventType::Closed,
        Happened::Redacted => EventType::Redacted,
        Happened::Reassigned => EventType::Reassigned,
        Happened::CustomerChanged => EventType::CustomerChanged,
        Happened::CustomerMerged => EventType::CustomerMerged,
        Happened::CustomerUnmerged => EventType::CustomerUnmerged,
        // No watcher asks for it: their streams end with `ERASED`, or go on without.
        Happened::CustomerErased => EventType::Unspecified,
    };
    (what.into(), timestamp(told.time), timestamp(told.received))
}

fn shown(told: Told, written: Written) -> Option<proto::GetInteractionResponse> {
    if let Some((interaction_id, source)) = told.names_only {
        let interaction = proto::Interaction {
            interaction_id: interaction_id.clone(),
            source,
            ..Default::default()
        };
        let interaction = Some(interaction);
        return Some(proto::GetInteractionResponse {
            interaction_id,
            interaction,
            ..Default::default()
        });
    }
    told.answer.map(|answer| got(answer, written.view, written.explains))
}

fn read_interactions(
    request: proto::WatchInteractionsRequest,
) -> Parsed<(Request, InteractionView)> {
    let mut check = Check::default();
    check.line("customer_ref", &request.customer_ref, limits::ID);
    check.line("agent_ref", &request.agent_ref, limits::ID);
    check.line("queue", &request.queue, limits::NAME);
    check.word("channel", &request.channel);
    let how = (request.resume_token, request.view, request.history_limit);
    let watched = Watched::Interactions {
        customer_ref: request.customer_ref,
        agent_ref: request.agent_ref,
        queue: request.queue,
        channel: request.channel,
    };
    read(check, watched, how)
}

fn read_customer(request: proto::WatchCustomerRequest) -> Parsed<(Request, InteractionView)> {
    let mut check = Check::default();
    whom(&mut check, &request.customer_ref, &request.source, &request.interaction_id);
    let how = (request.resume_token, request.view, request.history_limit);
    let watched = Watched::Customer {
        customer_ref: request.customer_ref,
        interaction_id: request.interaction_id,
        source: request.source,
    };
    read(check, watched, how)
}

fn read(
    mut check: Check,
    watched: Watched,
    (resume_token, view, history): (String, i32, Option<i32>),
) -> Parsed<(Request, InteractionView)> {
    check.line("resume_token", &resume_token, limits::RESUME_TOKEN);
    let view = check.known("view", InteractionView::try_from(view));
    let view = view.unwrap_or(InteractionView::Full);
    let history_limit = history_limit(&mut check, history);
    let context = view != InteractionView::Basic;
    finish(check, (Request { watched, resume_token, context, history_limit }, view))
}
