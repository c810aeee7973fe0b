//! `InteractionService`: each call is parse → use case → answer.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use super::fields::Token;
use super::proto::interaction_service_server::InteractionService;
use super::proto::{self, InteractionView};
use super::status::deadline_exceeded;
use super::{
    admitted, answers, begun, caller, deadline, explaining, redact_request, requests, status,
    watching,
};
use crate::continuity::list_interactions::List;
use crate::continuity::{Admitted, Answer, Caller, Error, Role, Service};
use crate::events::Watching;

/// What a start keeps back of a client's deadline for the way home.
const WAY_HOME: Duration = Duration::from_millis(10);
/// No write waits longer than this for its commit.
pub const WRITE_WITHIN: Duration = Duration::from_secs(20);

/// The service behind the protocol.
pub struct Interactions {
    service: Arc<Service>,
    watching: Arc<Watching>,
}

impl Interactions {
    /// Serves these use cases.
    pub fn new(watching: &Arc<Watching>) -> Self {
        Self { service: Arc::clone(watching.service()), watching: Arc::clone(watching) }
    }

    /// Whom the web token among the hints names; keys are waited for no longer than `within`.
    async fn signed_in(
        &self,
        caller: &Caller,
        hints: &Option<proto::IdentityHints>,
        within: Duration,
    ) -> Token {
        let token = hints.as_ref().map_or("", |hints| &hints.web_token);
        self.service.signed_in(caller, token, within).await
    }
}

/// Whether a caller may be told candidates that were not recommended: who measures decisions.
pub(super) fn explains(caller: &Caller) -> bool {
    caller.has(Role::Backfill) || caller.has(Role::Admin)
}

/// The result of a write within the client's deadline, if it has one.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    write: impl Future<Output = Result<T, Error>>,
) -> Result<T, Status> {
    let limit = limit.unwrap_or(WRITE_WITHIN).min(WRITE_WITHIN);
    // Pinned here: a time-out would move all of it, several KB.
    let write = pin!(write);
    match tokio::time::timeout(limit, write).await {
        Ok(result) => result.map_err(|error| status(&error)),
        Err(_) => Err(deadline_exceeded()),
    }
}

#[tonic::async_trait]
impl InteractionService for Interactions {
    async fn watch_interactions(
        &self,
        request: Request<proto::WatchInteractionsRequest>,
    ) -> Result<Response<BoxStream<proto::WatchInteractionsResponse>>, Status> {
        watching::interactions(&self.watching, request).await
    }

    async fn start_interaction(
        &self,
        request: Request<proto::StartInteractionRequest>,
    ) -> Result<Response<proto::StartInteractionResponse>, Status> {
        // The look at the key is part of the budget: the caller waits for both.
        let begun = begun(&request);
        let own = deadline(request.metadata()).map(|limit| limit.saturating_sub(WAY_HOME));
        let budget = own.map_or(self.service.budget(), |own| own.min(self.service.budget()));
        // A store that takes longer for a key decides nothing in what is left.
        let patience = (budget * 2 / 3).saturating_sub(begun.elapsed());
        let admitted = admitted(&self.service, &request, patience).await;
        let (caller, is_current) = match admitted.map_err(|error| status(&error))? {
            Admitted::Now(caller) => (caller, true),
            Admitted::Before(caller) => (caller, false),
        };
        let now = self.service.store().now();
        caller.may_start().map_err(|error| status(&error))?;
        let start = request.into_inner();
        // Half of what is left: the decision needs its time, too.
        let within = budget.saturating_sub(begun.elapsed()) / 2;
        let token = self.signed_in(&caller, &start.identity_hints, within).await;
        let (start, redacted) = requests::start(start, &caller, now, token)?;
        let left = budget.saturating_sub(begun.elapsed());
        let answer = match is_current {
            true => self.service.start_interaction(&caller, start, left).await,
            false => Ok(self.service.start_unanswered(&caller, &start)),
        };
        let mut answer = answer.map_err(|error| status(&error))?;
        answer.warnings.extend(redacted);
        Ok(Response::new(answers::context(answer, explains(&caller))))
    }

    async fn update_interaction(
        &self,
        request: Request<proto::UpdateInteractionRequest>,
    ) -> Result<Response<proto::StartInteractionResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let now = self.service.store().now();
        let update = request.into_inner();
        let half = limit.unwrap_or(WRITE_WITHIN) / 2;
        let token = self.signed_in(&caller, &update.identity_hints, half).await;
        let (update, redacted) = requests::update(update, &caller, now, token)?;
        let mut answer = within(limit, self.service.update_interaction(&caller, update)).await?;
        answer.warnings.extend(redacted);
        Ok(Response::new(answers::context(answer, explains(&caller))))
    }

    async fn end_interaction(
        &self,
        request: Request<proto::EndInteractionRequest>,
    ) -> Result<Response<proto::EndInteractionResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let now = self.service.store().now();
        let end = request.into_inner();
        let half = limit.unwrap_or(WRITE_WITHIN) / 2;
        let token = self.signed_in(&caller, &end.identity_hints, half).await;
        let (end, redacted) = requests::end(end, &caller, now, token)?;
        let mut ended = within(limit, self.service.end_interaction(&caller, end)).await?;
        ended.warnings.extend(redacted);
        Ok(Response::new(answers::ended(ended)))
    }

    async fn get_interaction(
        &self,
        request: Request<proto::GetInteractionRequest>,
    ) -> Result<Response<proto::GetInteractionResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let get = request.into_inner();
        let (view, history) = requests::get(&get)?;
        let reading =
            self.service.get_interaction(&caller, &get.source, &get.interaction_id, history);
        let answer = within(limit, reading).await?;
        Ok(Response::new(got(answer, view, explains(&caller))))
    }

    async fn reassign_interaction(
        &self,
        request: Request<proto::ReassignInteractionRequest>,
    ) -> Result<Response<proto::ReassignInteractionResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let reassigning = requests::reassign(request.into_inner(), &caller)?;
        let reassigned = within(limit, self.service.reassign_interaction(&caller, reassigning));
        Ok(Response::new(answers::reassigned(reassigned.await?)))
    }

    async fn redact_interaction(
        &self,
        request: Request<proto::RedactInteractionRequest>,
    ) -> Result<Response<proto::RedactInteractionResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let redacting = redact_request::redact(request.into_inner(), &caller)?;
        let redacted = within(limit, self.service.redact_interaction(&caller, redacting));
        Ok(Response::new(answers::redacted(redacted.await?)))
    }

    async fn list_interactions(
        &self,
        request: Request<proto::ListInteractionsRequest>,
    ) -> Result<Response<proto::ListInteractionsResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let list = request.into_inner();
        let (page_size, after) = requests::list(&list)?;
        let list = List {
            customer_ref: list.customer_ref,
            interaction_id: list.interaction_id,
            source: list.source,
            channel: list.channel,
            page_size: i64::from(page_size),
            after,
        };
        let listing = within(limit, self.service.list_interactions(&caller, list)).await?;
        let customer = listing.customer;
        let contacts = listing.contacts.into_iter();
        Ok(Response::new(proto::ListInteractionsResponse {
            interactions: contacts.map(|one| answers::listed(customer, one)).collect(),
            next_page_token: listing.next.map_or_else(String::new, requests::page_token),
            withheld_count: i32::try_from(listing.withheld).unwrap_or(i32::MAX),
            warnings: answers::warnings(&listing.warnings),
        }))
    }
}

/// An interaction as this view shows it.
pub(super) fn got(
    answer: Answer,
    view: InteractionView,
    explains: bool,
) -> proto::GetInteractionResponse {
    let interaction = Some(answers::facts(&answer));
    let decision = if explains { explaining::decision(&answer) } else { None };
    let all = answers::context(answer, explains);
    let mut message = proto::GetInteractionResponse {
        decision,
        interaction_id: all.interaction_id,
        customer_ref: all.customer_ref,
        new_customer: all.new_customer,
        start_time: all.start_time,
        identity: all.identity,
        warnings: all.warnings,
        interaction,
        ..Default::default()
    };
    if view != InteractionView::Basic {
        message.open_intents = all.open_intents;
        message.variables = all.variables;
        message.withheld_count = all.withheld_count;
        message.withheld_variables = all.withheld_variables;
        message.profile = all.profile;
        message.recent_interactions = all.recent_interactions;
        message.brief = all.brief;
        message.last_agent_ref = all.last_agent_ref;
        message.consents = all.consents;
        message.reply_windows = all.reply_windows;
        message.diverged_thread = all.diverged_thread;
    }
    message
}
