//! Typed clients that send an API key with every call, and refusals taken apart.

use std::net::SocketAddr;

use threadline::grpc::proto::customer_service_client::CustomerServiceClient;
use threadline::grpc::proto::interaction_service_client::InteractionServiceClient;
use threadline::grpc::proto::{
    CustomerConflict, EndInteractionRequest, EndInteractionResponse, EraseCustomerRequest,
    EraseCustomerResponse, ExportCustomerRequest, GetCustomerRequest, GetCustomerResponse,
    GetInteractionRequest, GetInteractionResponse, ImportCustomersRequest, ImportCustomersResponse,
    LinkIdentifierRequest, LinkIdentifierResponse, ListConflictsRequest, ListConflictsResponse,
    ListInteractionsRequest, ListInteractionsResponse, MergeCustomersRequest,
    MergeCustomersResponse, PreviewMergeRequest, PreviewMergeResponse, ReassignInteractionRequest,
    ReassignInteractionResponse, Recommendation, RedactInteractionRequest,
    RedactInteractionResponse, ResolveConflictRequest, ResolveConflictResponse,
    StartInteractionRequest, StartInteractionResponse, UnlinkIdentifierRequest,
    UnlinkIdentifierResponse, UnmergeCustomersRequest, UnmergeCustomersResponse,
    UpdateInteractionRequest, UpsertCustomerRequest, UpsertCustomerResponse, export_record,
};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

/// Adds `authorization` to every call.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

type Connection = InterceptedService<Channel, Bearer>;

/// What a call gave: its answer, or why not.
pub type Answered<T> = Result<T, Refusal>;

/// Both services, under one API key. Clones share a connection.
#[derive(Clone)]
pub struct Client {
    /// Interactions.
    pub interactions: InteractionServiceClient<Connection>,
    /// Customers.
    pub customers: CustomerServiceClient<Connection>,
}

impl Client {
    /// Connects with this `authorization`, or none.
    pub async fn connect(address: SocketAddr, authorization: Option<&str>) -> Self {
        let channel = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = channel.tcp_nodelay(true).connect().await.expect("the server listens");
        let bearer = Bearer(authorization.map(|text| text.parse().expect("printable")));
        Self {
            interactions: InteractionServiceClient::with_interceptor(
                channel.clone(),
                bearer.clone(),
            ),
            customers: CustomerServiceClient::with_interceptor(channel, bearer),
        }
    }

    /// StartInteraction.
    pub async fn start(
        &self,
        request: impl tonic::IntoRequest<StartInteractionRequest>,
    ) -> Answered<StartInteractionResponse> {
        answered(self.interactions.clone().start_interaction(request).await)
    }

    /// UpdateInteraction.
    pub async fn update(
        &self,
        request: impl tonic::IntoRequest<UpdateInteractionRequest>,
    ) -> Answered<StartInteractionResponse> {
        answered(self.interactions.clone().update_interaction(request).await)
    }

    /// EndInteraction.
    pub async fn end(
        &self,
        request: impl tonic::IntoRequest<EndInteractionRequest>,
    ) -> Answered<EndInteractionResponse> {
        answered(self.interactions.clone().end_interaction(request).await)
    }

    /// GetInteraction.
    pub async fn get(
        &self,
        request: impl tonic::IntoRequest<GetInteractionRequest>,
    ) -> Answered<GetInteractionResponse> {
        answered(self.interactions.clone().get_interaction(request).await)
    }

    /// ListInteractions.
    pub async fn list(
        &self,
        request: impl tonic::IntoRequest<ListInteractionsRequest>,
    ) -> Answered<ListInteractionsResponse> {
        answered(self.interactions.clone().list_interactions(request).await)
    }

    /// GetCustomer.
    pub async fn customer(
        &self,
        request: impl tonic::IntoRequest<GetCustomerRequest>,
    ) -> Answered<GetCustomerResponse> {
        answered(self.customers.clone().get_customer(request).await)
    }

    /// ExportCustomer, to its end.
    pub async fn export(&self, customer_ref: &str) -> Answered<Vec<export_record::Record>> {
        let request = ExportCustomerRequest { customer_ref: customer_ref.into() };
        let mut messages = answered(self.customers.clone().export_customer(request).await)?;
        let mut records = Vec::new();
        loop {
            match messages.message().await {
                Ok(Some(message)) => {
                    records.extend(message.records.into_iter().filter_map(|it| it.record));
                }
                Ok(None) => return Ok(records),
                Err(status) => return Err(Refusal::of(&status)),
            }
        }
    }

    /// PreviewMerge.
    pub async fn preview(&self, one: &str, other: &str) -> Answered<PreviewMergeResponse> {
        let (customer_ref, other_customer_ref) = (one.into(), other.into());
        let request = PreviewMergeRequest { customer_ref, other_customer_ref };
        answered(self.customers.clone().preview_merge(request).await)
    }

    /// MergeCustomers.
    pub async fn merge(&self, request: MergeCustomersRequest) -> Answered<MergeCustomersResponse> {
        answered(self.customers.clone().merge_customers(request).await)
    }

    /// UnmergeCustomers.
    pub async fn unmerge(
        &self,
        request: UnmergeCustomersRequest,
    ) -> Answered<UnmergeCustomersResponse> {
        answered(self.customers.clone().unmerge_customers(request).await)
    }

    /// ReassignInteraction.
    pub async fn reassign(
        &self,
        request: ReassignInteractionRequest,
    ) -> Answered<ReassignInteractionResponse> {
        answered(self.interactions.clone().reassign_interaction(request).await)
    }

    /// RedactInteraction.
    pub async fn redact(
        &self,
        request: RedactInteractionRequest,
    ) -> Answered<RedactInteractionResponse> {
        answered(self.interactions.clone().redact_interaction(request).await)
    }

    /// GetCustomer by its ref alone.
    pub async fn person(&self, customer_ref: &str) -> GetCustomerResponse {
        let request =
            GetCustomerRequest { customer_ref: customer_ref.into(), ..Default::default() };
        self.customer(request).await.expect("a known customer")
    }

    /// EraseCustomer.
    pub async fn erase(&self, request: EraseCustomerRequest) -> Answered<EraseCustomerResponse> {
        answered(self.customers.clone().erase_customer(request).await)
    }

    /// UpsertCustomer.
    pub async fn upsert(&self, request: UpsertCustomerRequest) -> Answered<UpsertCustomerResponse> {
        answered(self.customers.clone().upsert_customer(request).await)
    }

    /// LinkIdentifier.
    pub async fn link(&self, request: LinkIdentifierRequest) -> Answered<LinkIdentifierResponse> {
        answered(self.customers.clone().link_identifier(request).await)
    }

    /// UnlinkIdentifier.
    pub async fn unlink(
        &self,
        request: UnlinkIdentifierRequest,
    ) -> Answered<UnlinkIdentifierResponse> {
        answered(self.customers.clone().unlink_identifier(request).await)
    }

    /// ListConflicts.
    pub async fn list_conflicts(
        &self,
        request: ListConflictsRequest,
    ) -> Answered<ListConflictsResponse> {
        answered(self.customers.clone().list_conflicts(request).await)
    }

    /// The open conflicts of one customer.
    pub async fn conflicts(&self, customer_ref: &str) -> Vec<CustomerConflict> {
        let request =
            ListConflictsRequest { customer_ref: customer_ref.into(), ..Default::default() };
        self.list_conflicts(request).await.expect("a known customer").conflicts
    }

    /// ResolveConflict.
    pub async fn resolve(
        &self,
        request: ResolveConflictRequest,
    ) -> Answered<ResolveConflictResponse> {
        answered(self.customers.clone().resolve_conflict(request).await)
    }

    /// ImportCustomers.
    pub async fn import(
        &self,
        messages: Vec<ImportCustomersRequest>,
    ) -> Answered<ImportCustomersResponse> {
        let messages = tokio_stream::iter(messages);
        answered(self.customers.clone().import_customers(messages).await)
    }

    /// The ids of a customer's ended interactions, newest first.
    pub async fn history(&self, customer_ref: &str) -> Vec<String> {
        let request =
            ListInteractionsRequest { customer_ref: customer_ref.into(), ..Default::default() };
        let listed = self.list(request).await.expect("a known customer");
        listed.interactions.into_iter().map(|one| one.interaction_id).collect()
    }
}

fn answered<T>(result: Result<tonic::Response<T>, Status>) -> Answered<T> {
    result.map(tonic::Response::into_inner).map_err(|status| Refusal::of(&status))
}

/// What an answer recommends; generated enums have no `Debug`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Somebody new.
    Ignore,
    /// Ask first.
    Confirm,
    /// Go on.
    Reuse,
}

/// What an answer recommends.
#[track_caller]
pub fn said(answer: &StartInteractionResponse) -> Said {
    match answer.identity.as_ref().expect("an identity").recommendation() {
        Recommendation::Reuse => Said::Reuse,
        Recommendation::Confirm => Said::Confirm,
        Recommendation::Ignore => Said::Ignore,
        Recommendation::Unspecified => panic!("no recommendation"),
    }
}

/// An error as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: Code,
    /// The documented reason, empty when there is none.
    pub reason: String,
    /// The domain of the reason.
    pub domain: Box<str>,
    /// What the reason says of its cause, empty when it says nothing.
    pub cause: Box<str>,
    /// Every bad field, with its description.
    pub fields: Vec<(String, String)>,
    /// The text.
    pub message: String,
    /// When to come back, if it says so.
    pub retry: Option<Box<std::time::Duration>>,
}

impl Refusal {
    /// Takes a status apart.
    pub fn of(status: &Status) -> Self {
        let reason = status.get_details_error_info();
        let fields = status.get_details_bad_request();
        Self {
            code: status.code(),
            reason: reason.as_ref().map(|it| it.reason.clone()).unwrap_or_default(),
            domain: reason.as_ref().map(|it| it.domain.clone()).unwrap_or_default().into(),
            cause: reason.and_then(|mut it| it.metadata.remove("cause")).unwrap_or_default().into(),
            fields: fields
                .map(|it| it.field_violations)
                .unwrap_or_default()
                .into_iter()
                .map(|it| (it.field, it.description))
                .collect(),
            message: status.message().to_owned(),
            retry: status.get_details_retry_info().and_then(|it| it.retry_delay).map(Box::new),
        }
    }

    /// The names of the bad fields, sorted, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.fields.iter().map(|(field, _)| field.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The refusal of a call that must not succeed.
pub fn refused<T>(result: Answered<T>) -> Refusal {
    match result {
        Ok(_) => panic!("this was to be refused"),
        Err(refusal) => refusal,
    }
}

/// Holds a refusal against its code and reason.
#[track_caller]
pub fn assert_refused<T>(result: Answered<T>, code: Code, reason: &str) -> Refusal {
    let refusal = refused(result);
    assert_eq!((refusal.code, refusal.reason.as_str()), (code, reason), "{refusal:?}");
    refusal
}
