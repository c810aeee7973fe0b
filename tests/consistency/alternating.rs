//! Read your writes: what one instance has acknowledged, the next start at the other one shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use threadline::grpc::proto::{
    EndInteractionRequest, IdentityHints, StartInteractionRequest, StartInteractionResponse,
    UpdateInteractionRequest, VariableInput,
};
use threadline::store::Engine;
use tokio::task::JoinSet;

use super::served::Served;
use super::shrink::setting;
use super::wire::{Request, Response};
use crate::database::Database;
use crate::keys::new_key;

/// Alternations in the short form.
const ALTERNATIONS: u64 = 500;
/// People at once; each has one contact after the other.
const PEOPLE: u64 = 24;
/// The variable that is written and read.
const NAME: &str = "count";

/// Writes at one instance, reads at the other, and then the other way round; panics at the first
/// stale answer.
pub(crate) async fn read_your_writes(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else { return };
    let wanted = setting("THREADLINE_CHECK_ALTERNATIONS").unwrap_or(ALTERNATIONS);
    let key = new_key(&database).await;
    let (served, keeper) = Served::begin(database, key, None).await;
    let (begun, done) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let mut people = JoinSet::new();
    for number in 0..PEOPLE {
        let person = Person { number, served: Arc::clone(&served) };
        let done = Arc::clone(&done);
        people.spawn(async move {
            let customer = person.start(0, 0).await.customer_ref;
            for turn in 1.. {
                if done.fetch_add(1, Ordering::Relaxed) >= wanted {
                    return;
                }
                person.alternate(turn, &customer).await;
            }
        });
    }
    while let Some(finished) = people.join_next().await {
        finished.expect("no stale answer");
    }
    eprintln!(
        "{engine:?}, two instances: {wanted} alternations in {:.0} s, 0 stale answers",
        begun.elapsed().as_secs_f64()
    );
    drop(served);
    keeper.stop().await;
}

struct Person {
    number: u64,
    served: Arc<Served>,
}

impl Person {
    fn interaction(&self, turn: u64) -> String {
        format!("person {} turn {turn}", self.number)
    }

    /// The last contact says something at one instance; the next one begins at the other.
    async fn alternate(&self, turn: u64, customer: &str) {
        let here = turn as usize % 2;
        let input = VariableInput { value: turn.to_string(), ..VariableInput::default() };
        let variables = BTreeMap::from([(NAME.to_owned(), input)]);
        let interaction_id = self.interaction(turn - 1);
        let writing = if turn.is_multiple_of(3) {
            let update_id = "one".into();
            let rest = UpdateInteractionRequest::default();
            Request::Update(UpdateInteractionRequest {
                interaction_id,
                update_id,
                variables,
                ..rest
            })
        } else {
            let rest = EndInteractionRequest::default();
            Request::End(Box::new(EndInteractionRequest { interaction_id, variables, ..rest }))
        };
        self.served.ask(here, self.number as usize, writing).await.expect("it is acknowledged");
        let answer = self.start(turn, 1 - here).await;
        let shown = answer.variables.get(NAME).map_or("nothing", |it| it.value.as_str());
        assert_eq!(shown, turn.to_string(), "person {}, at instance {}", self.number, 1 - here);
        assert_eq!(answer.customer_ref, customer);
    }

    async fn start(&self, turn: u64, instance: usize) -> StartInteractionResponse {
        let external = ("crm_id".to_owned(), format!("P{}", self.number));
        let hints = IdentityHints { external_ids: [external].into(), ..IdentityHints::default() };
        let request = StartInteractionRequest {
            interaction_id: self.interaction(turn),
            channel: "web_chat".into(),
            identity_hints: Some(hints),
            ..StartInteractionRequest::default()
        };
        match self.served.ask(instance, self.number as usize, Request::Start(request)).await {
            Ok(Response::Context(answer)) if !answer.degraded => *answer,
            Ok(_) => panic!("a start is decided"),
            Err(refusal) => panic!("a start is answered: {refusal:?}"),
        }
    }
}
