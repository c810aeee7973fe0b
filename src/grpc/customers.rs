//! `CustomerService`: each call is parse → use case → answer.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::interactions::within;
use super::proto::customer_service_server::CustomerService;
use super::{answers, caller, deadline, merges, proto, requests, status};
use crate::continuity::Service;
use crate::continuity::get_customer::KnownIdentifier;

/// The service behind the protocol.
pub struct Customers {
    service: Arc<Service>,
}

impl Customers {
    /// Serves these use cases.
    pub fn new(service: Arc<Service>) -> Self {
        Self { service }
    }
}

#[tonic::async_trait]
impl CustomerService for Customers {
    async fn get_customer(
        &self,
        request: Request<proto::GetCustomerRequest>,
    ) -> Result<Response<proto::GetCustomerResponse>, Status> {
        let caller = caller(&self.service, request.metadata()).await.map_err(|it| status(&it))?;
        let get = request.into_inner();
        requests::get_customer(&get)?;
        let whom = (&*get.customer_ref, &*get.source, &*get.interaction_id);
        let known = self.service.get_customer(&caller, whom).await.map_err(|it| status(&it))?;
        let identifiers = known.identifiers.iter().map(|one| identifier(one, known.whole));
        let mut message = proto::GetCustomerResponse {
            customer_ref: known.customer.to_ref(),
            create_time: answers::timestamp(known.created),
            last_contact_time: answers::timestamp(known.last_contact),
            contact_count: i32::try_from(known.contacts).unwrap_or(i32::MAX),
            disclosure: known.disclosure as i32,
            identifiers: identifiers.collect(),
            member_refs: known.members.iter().map(|member| member.to_ref()).collect(),
            ..Default::default()
        };
        answers::known_of(&mut message, &known.context, &known.view);
        message.merges = known.merges.into_iter().map(merges::history).collect();
        Ok(Response::new(message))
    }

    async fn preview_merge(
        &self,
        request: Request<proto::PreviewMergeRequest>,
    ) -> Result<Response<proto::PreviewMergeResponse>, Status> {
        let caller = caller(&self.service, request.metadata()).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let preview = request.into_inner();
        merges::preview(&preview)?;
        let (one, other) = (&preview.customer_ref, &preview.other_customer_ref);
        let previewed = within(limit, self.service.preview_merge(&caller, one, other)).await?;
        Ok(Response::new(merges::previewed(previewed)))
    }

    async fn merge_customers(
        &self,
        request: Request<proto::MergeCustomersRequest>,
    ) -> Result<Response<proto::MergeCustomersResponse>, Status> {
        let caller = caller(&self.service, request.metadata()).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let merging = merges::merge(request.into_inner(), &caller)?;
        let merged = within(limit, self.service.merge_customers(&caller, merging)).await?;
        Ok(Response::new(merges::merged(&merged)))
    }

    async fn unmerge_customers(
        &self,
        request: Request<proto::UnmergeCustomersRequest>,
    ) -> Result<Response<proto::UnmergeCustomersResponse>, Status> {
        let caller = caller(&self.service, request.metadata()).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let unmerging = merges::unmerge(request.into_inner(), &caller)?;
        let unmerged = within(limit, self.service.unmerge_customers(&caller, unmerging)).await?;
        Ok(Response::new(merges::unmerged(&unmerged)))
    }
}

pub(super) fn identifier(one: &KnownIdentifier, whole: bool) -> proto::CustomerIdentifier {
    let value = &one.identifier.value;
    let ending = || value.chars().rev().take(2).collect::<Vec<_>>().into_iter().rev();
    proto::CustomerIdentifier {
        kind: one.identifier.scheme.clone(),
        namespace: one.identifier.namespace.clone(),
        value: if whole { value.clone() } else { format!("··{}", ending().collect::<String>()) },
        assurance: one.assurance.map_or(0, |assurance| assurance as i32),
        contact_count: i32::try_from(one.uses).unwrap_or(i32::MAX),
        last_time: answers::timestamp(one.newest),
    }
}
