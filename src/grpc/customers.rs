//! `CustomerService`: each call is parse → use case → answer.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::interactions::within;
use super::proto::customer_service_server::CustomerService;
use super::{
    answers, caller, credential, customer_requests, deadline, erasing, exporting, importing,
    merges, proto, requests, status, watching,
};
use crate::continuity::Service;
use crate::continuity::conflicts::{Conflict, Disagreement};
use crate::continuity::get_customer::{KnownIdentifier, Profile};
use crate::events::Watching;
use crate::identity::Sharing;

/// Rows of all imports together that are in flight at most: starts must find room in the queue.
const IMPORTING: usize = 512;

/// The service behind the protocol.
pub struct Customers {
    service: Arc<Service>,
    watching: Arc<Watching>,
    permits: Arc<Semaphore>,
}

impl Customers {
    /// Serves these use cases.
    pub fn new(watching: &Arc<Watching>) -> Self {
        Self {
            service: Arc::clone(watching.service()),
            watching: Arc::clone(watching),
            permits: Arc::new(Semaphore::new(IMPORTING)),
        }
    }
}

#[tonic::async_trait]
impl CustomerService for Customers {
    async fn watch_customer(
        &self,
        request: Request<proto::WatchCustomerRequest>,
    ) -> Result<Response<BoxStream<proto::WatchCustomerResponse>>, Status> {
        watching::customer(&self.watching, request).await
    }

    async fn get_customer(
        &self,
        request: Request<proto::GetCustomerRequest>,
    ) -> Result<Response<proto::GetCustomerResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let get = request.into_inner();
        requests::get_customer(&get)?;
        let whom = (&*get.customer_ref, &*get.source, &*get.interaction_id);
        let known = self.service.get_customer(&caller, whom).await.map_err(|it| status(&it))?;
        Ok(Response::new(customer(&known)))
    }

    async fn preview_merge(
        &self,
        request: Request<proto::PreviewMergeRequest>,
    ) -> Result<Response<proto::PreviewMergeResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
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
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let merging = merges::merge(request.into_inner(), &caller)?;
        let merged = within(limit, self.service.merge_customers(&caller, merging)).await?;
        Ok(Response::new(merges::merged(&merged)))
    }

    async fn unmerge_customers(
        &self,
        request: Request<proto::UnmergeCustomersRequest>,
    ) -> Result<Response<proto::UnmergeCustomersResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let unmerging = merges::unmerge(request.into_inner(), &caller)?;
        let unmerged = within(limit, self.service.unmerge_customers(&caller, unmerging)).await?;
        Ok(Response::new(merges::unmerged(&unmerged)))
    }

    async fn upsert_customer(
        &self,
        request: Request<proto::UpsertCustomerRequest>,
    ) -> Result<Response<proto::UpsertCustomerResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let now = self.service.store().now();
        let (upsert, redacted) = customer_requests::upsert(request.into_inner(), &caller, now)?;
        let mut upserted = within(limit, self.service.upsert_customer(&caller, upsert)).await?;
        upserted.warnings.extend(redacted);
        Ok(Response::new(proto::UpsertCustomerResponse {
            customer: Some(customer(&upserted.profile)),
            created: upserted.created,
            warnings: answers::warnings(&upserted.warnings),
        }))
    }

    async fn link_identifier(
        &self,
        request: Request<proto::LinkIdentifierRequest>,
    ) -> Result<Response<proto::LinkIdentifierResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let tie = customer_requests::link(request.into_inner(), &caller)?;
        let linked = within(limit, self.service.link_identifier(&caller, tie)).await?;
        let tied = proto::CustomerIdentifier {
            kind: linked.identifier.scheme,
            namespace: linked.identifier.namespace,
            value: linked.identifier.value,
            assurance: linked.assurance.map_or(0, |assurance| assurance as i32),
            ..Default::default()
        };
        Ok(Response::new(proto::LinkIdentifierResponse {
            customer_ref: linked.customer.to_ref(),
            identifier: Some(tied),
            already_linked: linked.already,
            owner_count: count(linked.owners),
            is_owner: linked.is_owner,
        }))
    }

    async fn unlink_identifier(
        &self,
        request: Request<proto::UnlinkIdentifierRequest>,
    ) -> Result<Response<proto::UnlinkIdentifierResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let tie = customer_requests::unlink(request.into_inner(), &caller)?;
        let unlinked = within(limit, self.service.unlink_identifier(&caller, tie)).await?;
        Ok(Response::new(proto::UnlinkIdentifierResponse {
            customer_ref: unlinked.customer.to_ref(),
            was_linked: unlinked.was_linked,
            owner_count: count(unlinked.owners),
        }))
    }

    async fn list_conflicts(
        &self,
        request: Request<proto::ListConflictsRequest>,
    ) -> Result<Response<proto::ListConflictsResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let list = customer_requests::conflicts(request.into_inner())?;
        let page = within(limit, self.service.list_conflicts(&caller, list)).await?;
        Ok(Response::new(proto::ListConflictsResponse {
            conflicts: page.conflicts.into_iter().map(conflict).collect(),
            next_page_token: page.next.map_or_else(String::new, |last| last.to_ref()),
        }))
    }

    async fn resolve_conflict(
        &self,
        request: Request<proto::ResolveConflictRequest>,
    ) -> Result<Response<proto::ResolveConflictResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let resolve = customer_requests::resolve(request.into_inner(), &caller)?;
        let resolved = within(limit, self.service.resolve_conflict(&caller, resolve)).await?;
        Ok(Response::new(proto::ResolveConflictResponse {
            customer_ref: resolved.customer.to_ref(),
            open_conflict_count: count(resolved.open),
        }))
    }

    async fn erase_customer(
        &self,
        request: Request<proto::EraseCustomerRequest>,
    ) -> Result<Response<proto::EraseCustomerResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let limit = deadline(request.metadata());
        let answer = match erasing::erase(request.into_inner(), &caller)? {
            erasing::Asked::Preview(named) => {
                let previewing = self.service.preview_erasure(&caller, &named);
                erasing::previewed(&within(limit, previewing).await?)
            }
            erasing::Asked::Erase(erasing) => {
                let erasing = self.service.erase_customer(&caller, erasing);
                erasing::erased(within(limit, erasing).await?)
            }
        };
        Ok(Response::new(answer))
    }

    async fn export_customer(
        &self,
        request: Request<proto::ExportCustomerRequest>,
    ) -> Result<Response<exporting::Records>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let shown = credential(&request, &caller).map_err(|it| status(&it))?;
        let customer_ref = customer_requests::export(request.into_inner())?;
        let exporting = exporting::export(&self.service, (&caller, shown), &customer_ref);
        Ok(Response::new(exporting.await?))
    }

    async fn import_customers(
        &self,
        request: Request<Streaming<proto::ImportCustomersRequest>>,
    ) -> Result<Response<proto::ImportCustomersResponse>, Status> {
        let caller = caller(&self.service, &request).await.map_err(|it| status(&it))?;
        let (metadata, extensions, rows) = request.into_parts();
        let asked = Request::from_parts(metadata, extensions, ());
        let imported = importing::import(&self.service, &self.permits, &caller, &asked, rows);
        let imported = imported.await?;
        Ok(Response::new(imported))
    }
}

/// A customer as they are shown.
fn customer(known: &Profile) -> proto::GetCustomerResponse {
    let identifiers = known.identifiers.iter().map(|one| identifier(one, known.whole));
    let mut message = proto::GetCustomerResponse {
        customer_ref: known.customer.to_ref(),
        create_time: answers::timestamp(known.created),
        last_contact_time: answers::timestamp(known.last_contact),
        archive_time: known.archived.and_then(answers::timestamp),
        contact_count: count(known.contacts),
        disclosure: known.disclosure as i32,
        identifiers: identifiers.collect(),
        member_refs: known.members.iter().map(|member| member.to_ref()).collect(),
        merges: known.merges.iter().map(merges::history).collect(),
        warnings: answers::warnings(&known.warnings),
        ..Default::default()
    };
    answers::known_of(&mut message, &known.context, &known.view);
    message
}

/// Something about a customer that does not agree.
fn conflict(conflict: Conflict) -> proto::CustomerConflict {
    let mut message = proto::CustomerConflict {
        conflict_id: conflict.id,
        customer_ref: conflict.customer.to_ref(),
        ..Default::default()
    };
    match conflict.what {
        Disagreement::Attribute { kept, other } => {
            message.kind = proto::ConflictKind::Attribute.into();
            message.name.clone_from(&kept.name);
            message.kept = Some(answers::attribute(&kept));
            message.other = Some(answers::attribute(&other));
        }
        Disagreement::Identifier { interaction_id, source, shown, .. } => {
            message.kind = proto::ConflictKind::Identifier.into();
            message.name = match shown.namespace.as_str() {
                "" => shown.kind,
                namespace => format!("{}:{namespace}", shown.kind),
            };
            message.interaction_id = interaction_id;
            message.source = source;
            message.owner_count = i32::try_from(shown.owner_count).unwrap_or(i32::MAX);
        }
    }
    message
}

fn count(of: i64) -> i32 {
    i32::try_from(of).unwrap_or(i32::MAX)
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
        shared: one.sharing != Sharing::NotShared,
        sharing: match one.sharing {
            Sharing::NotShared => proto::Sharing::None,
            Sharing::Household => proto::Sharing::Household,
            Sharing::Switchboard => proto::Sharing::Switchboard,
        }
        .into(),
        owner_count: i32::try_from(one.owners).unwrap_or(i32::MAX),
    }
}
