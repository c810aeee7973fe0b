//! What looks several times at somebody who is erased meanwhile: it is answered as before, or told so,
//! between whichever two of its looks the erasure comes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use threadline::cli::client::reason;
use threadline::grpc::proto::{
    EraseCustomerRequest, GetCustomerRequest, GetInteractionRequest, ListInteractionsRequest,
    ReassignInteractionRequest, UpdateInteractionRequest,
};
use threadline::store::schedule::Point;
use tonic::Status;

use crate::database::Database;
use crate::erasing::{done, erase, is_gone, somebody, token};
use crate::instance::{Calls, call};
use crate::serving::end;
use crate::two_instances::Pair;
use crate::wheel::Hold;

/// A call on its way: whom the answer names.
type Asking = Pin<Box<dyn Future<Output = Result<String, Status>> + Send>>;

/// Asks of an interaction that the instance remembers, by its id, or of its customer.
type Ask = fn(&Calls, String, String) -> Asking;

/// Everything that answers whose an interaction is, or who a customer is.
const ASKS: [(&str, Ask); 8] = [
    ("a start again", start_again),
    ("an update", update),
    ("an end", ends),
    ("a look at the interaction", get),
    ("a reassignment", reassign),
    ("a look at the customer", look),
    ("a list of their contacts", list),
    ("a preview", preview),
];

fn start_again(calls: &Calls, id: String, _: String) -> Asking {
    let mut client = calls.interactions.clone();
    let number = id.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a number");
    let request = call(&id, number);
    Box::pin(async move { Ok(client.start_interaction(request).await?.into_inner().customer_ref) })
}

fn update(calls: &Calls, interaction_id: String, _: String) -> Asking {
    let mut client = calls.interactions.clone();
    let request = UpdateInteractionRequest {
        interaction_id,
        update_id: "u".into(),
        agent_ref: "sam".into(),
        ..Default::default()
    };
    Box::pin(async move { Ok(client.update_interaction(request).await?.into_inner().customer_ref) })
}

fn ends(calls: &Calls, id: String, _: String) -> Asking {
    let mut client = calls.interactions.clone();
    Box::pin(async move { Ok(client.end_interaction(end(&id)).await?.into_inner().customer_ref) })
}

fn get(calls: &Calls, interaction_id: String, _: String) -> Asking {
    let mut client = calls.interactions.clone();
    let request = GetInteractionRequest { interaction_id, ..Default::default() };
    Box::pin(async move { Ok(client.get_interaction(request).await?.into_inner().customer_ref) })
}

fn reassign(calls: &Calls, interaction_id: String, customer: String) -> Asking {
    let mut client = calls.interactions.clone();
    let request = ReassignInteractionRequest {
        interaction_id,
        request_id: "r".into(),
        customer_ref: Some(customer),
        ..Default::default()
    };
    Box::pin(
        async move { Ok(client.reassign_interaction(request).await?.into_inner().customer_ref) },
    )
}

fn look(calls: &Calls, _: String, customer_ref: String) -> Asking {
    let mut client = calls.customers.clone();
    let request = GetCustomerRequest { customer_ref, ..Default::default() };
    Box::pin(async move { Ok(client.get_customer(request).await?.into_inner().customer_ref) })
}

fn list(calls: &Calls, _: String, customer_ref: String) -> Asking {
    let mut client = calls.interactions.clone();
    let request =
        ListInteractionsRequest { customer_ref: customer_ref.clone(), ..Default::default() };
    Box::pin(async move {
        let listed = client.list_interactions(request).await?.into_inner();
        assert!(!listed.interactions.is_empty(), "they have contacts, or are told to be gone");
        Ok(customer_ref)
    })
}

fn preview(calls: &Calls, _: String, customer_ref: String) -> Asking {
    let mut client = calls.customers.clone();
    let request = EraseCustomerRequest { customer_ref: customer_ref.clone(), ..Default::default() };
    Box::pin(async move { client.erase_customer(request).await.map(|_| customer_ref) })
}

/// Whether somebody has come to the point before the call was answered.
async fn arrived(held: &Hold, asking: &mut Option<tokio::task::JoinHandle<()>>) -> bool {
    let Some(call) = asking.as_mut() else { return false };
    tokio::select! {
        () = held.arrived() => true,
        answered = call => {
            answered.expect("a call that ends");
            *asking = None;
            false
        }
    }
}

pub(crate) async fn an_erasure_between_two_looks(database: Arc<Database>) {
    let pair = Pair::on(&database).await;
    for (kind, (what, ask)) in (1..).zip(ASKS) {
        for looks in 1.. {
            let number = kind * 100 + looks;
            let dana = somebody(&pair, number).await;
            let (told, hears) = tokio::sync::oneshot::channel();
            let mut held = pair.b.wheel.hold(Point::Loaded);
            let asking = ask(&pair.b.calls, format!("cold {number}"), dana.clone());
            let mut asking = Some(tokio::spawn(async move {
                // Whoever asked waits for it.
                let _ = told.send(asking.await);
            }));
            let mut came = arrived(&held, &mut asking).await;
            for _ in 1..looks {
                if came {
                    let next = pair.b.wheel.hold(Point::Loaded);
                    std::mem::replace(&mut held, next).release();
                    came = arrived(&held, &mut asking).await;
                }
            }
            let seen = token(&pair.a.calls, &dana).await;
            let id = format!("erase {number}");
            done(erase(&pair.a.calls, &dana, &seen, &id)).await.expect("a receipt");
            held.release();
            match hears.await.expect("an answer") {
                Ok(named) => assert_eq!(named, dana, "{what}, after {looks} looks"),
                Err(refusal) => {
                    assert_eq!(reason(&refusal), "ERASED", "{what}, after {looks} looks");
                }
            }
            pair.b.calls.traced().await;
            is_gone(&pair, &database, &dana).await;
            if !came {
                break;
            }
        }
    }
    pair.stop(&database).await;
}
