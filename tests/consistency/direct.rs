//! The API without the network: requests to a service of this process.

use std::sync::Arc;

use threadline::continuity::Service;
use threadline::events::Watching;
use threadline::grpc::proto::customer_service_server::CustomerService as _;
use threadline::grpc::proto::interaction_service_server::InteractionService as _;
use threadline::grpc::{Customers, Interactions};

use super::wire::{Request, Response};

/// The request, through the API but for the network.
pub(crate) async fn send(
    service: Arc<Service>,
    request: Request,
    key: &str,
) -> Result<Response, tonic::Status> {
    let watching = Watching::new(service);
    let customers = Customers::new(&watching);
    let interactions = Interactions::new(&watching);
    Ok(match request {
        Request::Start(it) => Response::Context(Box::new(
            interactions.start_interaction(with(it, key)).await?.into_inner(),
        )),
        Request::Update(it) => Response::Context(Box::new(
            interactions.update_interaction(with(it, key)).await?.into_inner(),
        )),
        Request::End(it) => {
            Response::Ended(interactions.end_interaction(with(*it, key)).await?.into_inner())
        }
        Request::Get(it) => {
            Response::Got(Box::new(interactions.get_interaction(with(it, key)).await?.into_inner()))
        }
        Request::Reassign(it) => Response::Reassigned(
            interactions.reassign_interaction(with(it, key)).await?.into_inner(),
        ),
        Request::Merge(it) => {
            Response::Merged(customers.merge_customers(with(it, key)).await?.into_inner())
        }
        Request::Unmerge(it) => {
            Response::Unmerged(customers.unmerge_customers(with(it, key)).await?.into_inner())
        }
        Request::Link(it) => {
            Response::Linked(customers.link_identifier(with(it, key)).await?.into_inner())
        }
        Request::Unlink(it) => {
            Response::Unlinked(customers.unlink_identifier(with(it, key)).await?.into_inner())
        }
        Request::Look(it) => {
            Response::Looked(Box::new(customers.get_customer(with(it, key)).await?.into_inner()))
        }
        Request::Erase(it) => {
            Response::Erased(Box::new(customers.erase_customer(with(it, key)).await?.into_inner()))
        }
    })
}

/// A request with a header that says who asks.
pub(crate) fn with<T>(message: T, header: &str) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let header = header.parse().expect("a key in ASCII");
    request.metadata_mut().insert("authorization", header);
    request
}
