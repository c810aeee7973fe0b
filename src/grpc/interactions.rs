//! `InteractionService`: each call is parse → use case → answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tonic::{Request, Response, Status};

use super::fields::Token;
use super::proto::interaction_service_server::InteractionService;
use super::proto::{self, InteractionView};
use super::status::deadline_exceeded;
use super::{answers, caller, deadline, explaining, requests, status};
use crate::continuity::list_interactions::List;
use crate::continuity::{Answer, Caller, Error, Role, Service};

/// What a start keeps back of a client's deadline for the way home.
const WAY_HOME: Duration = Duration::from_millis(10);
/// No write waits longer than this for its commit.
const WRITE_WITHIN: Duration = Duration::from_secs(20);

/// The service behind the protocol.
pub struct Interactions {
    service: Arc<Service>,
}

impl Interactions {
    /// Serves these use cases.
    pub fn new(service: Arc<Service>) -> Self {
        Self { service }
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

    /// Whether a caller may be told candidates that were not recommended: who measures decisions.
    fn explains(caller: &Caller) -> bool {
        caller.has(Role::Backfill) || caller.has(Role::Admin)
    }
}

/// The result of a write within the client's deadline, if it has one.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    write: impl Future<Output = Result<T, Error>>,
) -> Result<T, Status> {
    let limit = limit.unwrap_or(WRITE_WITHIN).min(WRITE_WITHIN);
    match tokio::time::timeout(limit, write).await {
        Ok(result) => result.map_err(|error| status(&error)),
        Err(_) => Err(deadline_exceeded()),
    }
}

#[tonic::async_trait]
impl InteractionService for Interactions {
    async fn start_interaction(
        &self,
        request: Request<proto::StartInteractionRequest>,
    ) -> Result<Response<proto::StartInteractionResponse>, Status> {
        // The look at the key is part of the budget: the caller waits for both.
        let begun = Instant::now();
        let caller = caller(&self.service, request.metadata()).await.map_err(|it| status(&it))?;
        let own = deadline(request.metadata()).map(|limit| limit.saturating_sub(WAY_HOME));
        let budget = own.map_or(self.service.budget(), |own| own.min(self.service.budget()));
        let now = self.service.store().now();
        caller
            .needs(&[Role::Telephony, Role::Bot, Role::Backfill])
            .map_err(|error| status(&error))?;
        let start = request.into_inner();
        // Half of what is left: the decision needs its time, too.
        let within = budget.saturating_sub(begun.elapsed()) / 2;
        let token = self.signed_in(&caller, &start.identity_hints, within).await;
        let (start, redacted) = requests::start(start, &caller, now, token)?;
        let left = budget.saturating_sub(begun.elapsed());
        let answer = self.service.start_interaction(&caller, start, left).await;
        let mut answer = answer.map_err(|error| status(&error))?;
        answer.warnings.extend(redacted);
        Ok(Response::new(answers::context(answer, Self::explains(&caller))))
    }

    async fn update_interaction(
        &self,
        request: Request<proto::UpdateInteractionRequest>,
    ) -> Result<Response<proto::StartInteractionResponse>, Status> {
        let caller = caller(&self.service, request.metadata()).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let update = request.into_inner();
        let half = limit.unwrap_or(WRITE_WITHIN) / 2;
        let token = self.signed_in(&caller, &update.identity_hints, half).await;
        let (update, redacted) = requests::update(update, &caller, token)?;
        let mut answer = within(limit, self.service.update_interaction(&caller, update)).await?;
        answer.warnings.extend(redacted);
        Ok(Response::new(answers::context(answer, Self::explains(&caller))))
    }

    async fn end_interaction(
        &self,
        request: Request<proto::EndInteractionRequest>,
    ) -> Result<Response<proto::EndInteractionResponse>, Status> {
        let caller = caller(&self.service, request.metadata()).await.map_err(|it| status(&it))?;
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
        let caller = caller(&self.service, request.metadata()).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let get = request.into_inner();
        let (view, history) = requests::get(&get)?;
        let reading =
            self.service.get_interaction(&caller, &get.source, &get.interaction_id, history);
        let answer = within(limit, reading).await?;
        Ok(Response::new(got(answer, view, Self::explains(&caller))))
    }

    async fn reassign_interaction(
        &self,
        request: Request<proto::ReassignInteractionRequest>,
    ) -> Result<Response<proto::ReassignInteractionResponse>, Status> {
        let caller = caller(&self.service, request.metadata()).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let reassigning = requests::reassign(request.into_inner(), &caller)?;
        let reassigned = within(limit, self.service.reassign_interaction(&caller, reassigning));
        Ok(Response::new(answers::reassigned(reassigned.await?)))
    }

    async fn list_interactions(
        &self,
        request: Request<proto::ListInteractionsRequest>,
    ) -> Result<Response<proto::ListInteractionsResponse>, Status> {
        let caller = caller(&self.service, request.metadata()).await.map_err(|it| status(&it))?;
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
        }))
    }
}

fn got(answer: Answer, view: InteractionView, explains: bool) -> proto::GetInteractionResponse {
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
    }
    message
}
