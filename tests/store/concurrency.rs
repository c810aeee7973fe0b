//! Eight clients at once over twenty numbers; then the rows must agree with one another, and the
//! counters with the history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::Row as _;
use tonic::Code;

use threadline::cli::client::Interactions;
use threadline::grpc::proto::update_interaction_request::IdentityFeedback;
use threadline::grpc::proto::{
    GetCustomerRequest, IdentityConfirmed, IdentityHints, IdentityRejected, InteractionStatus,
    ListInteractionsRequest, UpdateInteractionRequest,
};
use threadline::ids::{CustomerId, Entropy};

use crate::database::Database;
use crate::keys::new_key;
use crate::serving::{Served, end, phone, start};

const TASKS: u64 = 8;
const STEPS: u64 = 200;
const NUMBERS: u64 = 20;

/// Which numbers each interaction showed.
type Shown = BTreeMap<String, BTreeSet<u64>>;

pub(crate) async fn invariants_hold_under_concurrent_work(database: Arc<Database>) {
    let key = new_key(&database).await;
    let mut served = Served::on(&database, &key).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| tokio::spawn(Client::new(task, served.interactions.clone()).work()))
        .collect();
    let mut shown = Shown::new();
    for task in tasks {
        shown.append(&mut task.await.expect("a client that ends"));
    }
    assert!(shown.len() as u64 > TASKS * STEPS / 4);
    let mut connection = database.connect().await;
    crate::invariants::verify(&mut connection, 1).await;
    let sql = "SELECT customer FROM customer WHERE LENGTH(moved_to) = 0";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("customers");
    let (mut counted, mut most) = (0, 0);
    for row in rows {
        let id: Vec<u8> = row.get(0);
        let customer = CustomerId(id.try_into().expect("16 bytes")).to_ref();
        let contacts = uses_are_what_the_history_shows(&mut served, &customer, &shown).await;
        counted += contacts;
        most = most.max(contacts);
    }
    assert!(counted > 150 && most > 3, "{counted} counted contacts, {most} of one customer");
    served.running.stop().await.expect("it stops");
}

/// The counter of each link is the number of counted contacts that showed it; how many there are.
async fn uses_are_what_the_history_shows(
    served: &mut Served,
    customer: &str,
    shown: &Shown,
) -> i32 {
    let request =
        GetCustomerRequest { customer_ref: customer.into(), ..GetCustomerRequest::default() };
    let known = served.customers.get_customer(request).await.expect("a customer").into_inner();
    let mut uses = BTreeMap::<String, i32>::new();
    let (mut contacts, mut page_token) = (0, String::new());
    loop {
        let request = ListInteractionsRequest {
            customer_ref: customer.into(),
            page_size: 100,
            page_token,
            ..ListInteractionsRequest::default()
        };
        let page = served.interactions.list_interactions(request).await.expect("a page");
        let page = page.into_inner();
        for one in page.interactions {
            if one.settled && one.status() == InteractionStatus::Ended {
                contacts += 1;
                for number in &shown[&one.interaction_id] {
                    *uses.entry(phone(*number)).or_default() += 1;
                }
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(known.contact_count, contacts, "{customer}");
    for link in known.identifiers {
        let expected = uses.get(&link.value).copied().unwrap_or(0);
        assert_eq!(link.contact_count, expected, "{} of {customer}", link.value);
    }
    contacts
}

/// One client's random work.
struct Client {
    service: Interactions,
    task: u64,
    entropy: Entropy,
    open: Vec<(String, Option<String>)>,
    shown: Shown,
}

impl Client {
    fn new(task: u64, service: Interactions) -> Self {
        let entropy = Entropy::seeded(1_000 + task);
        Self { service, task, entropy, open: Vec::new(), shown: Shown::new() }
    }

    fn below(&self, end: u64) -> u64 {
        self.entropy.positive() as u64 % end
    }

    async fn work(mut self) -> Shown {
        for step in 0..STEPS {
            match self.below(10) {
                0..4 => self.start(step).await,
                4..7 => self.end().await,
                7..9 => self.update(step).await,
                _ => self.end_without_start(step).await,
            }
        }
        self.shown
    }

    /// A number to show; each interaction shows one, so that all it shows can be linked.
    fn number(&mut self, id: &str) -> IdentityHints {
        let number = self.below(NUMBERS);
        self.shown.entry(id.to_owned()).or_default().insert(number);
        IdentityHints { caller_number: phone(number), ..IdentityHints::default() }
    }

    async fn start(&mut self, step: u64) {
        let id = format!("{}-{step}", self.task);
        let hints = self.number(&id);
        let answer = self.service.start_interaction(start(&id, hints)).await.expect("an answer");
        let answer = answer.into_inner();
        assert!(!answer.degraded, "{}", answer.degraded_reason);
        let identity = answer.identity.expect("an identity");
        let candidate = identity.candidates.into_iter().next().map(|it| it.customer_ref);
        self.open.push((id, candidate));
    }

    fn taken(&mut self) -> Option<(String, Option<String>)> {
        if self.open.is_empty() {
            return None;
        }
        let index = self.below(self.open.len() as u64) as usize;
        Some(self.open.swap_remove(index))
    }

    async fn end(&mut self) {
        let Some((id, _)) = self.taken() else { return };
        self.service.end_interaction(end(&id)).await.expect("an end");
    }

    async fn end_without_start(&mut self, step: u64) {
        let id = format!("{}-{step}", self.task);
        let hints = Some(self.number(&id));
        let mut request = end(&id);
        request.identity_hints = hints;
        self.service.end_interaction(request).await.expect("an end");
    }

    /// Says who it was: the candidate, or somebody new.
    async fn update(&mut self, step: u64) {
        let Some((id, candidate)) = self.taken() else { return };
        let confirms = self.below(3) > 0;
        let feedback = match &candidate {
            Some(customer) if confirms => IdentityFeedback::IdentityConfirmed(IdentityConfirmed {
                customer_ref: customer.clone(),
            }),
            _ => IdentityFeedback::IdentityRejected(IdentityRejected { customer_ref: None }),
        };
        let request = UpdateInteractionRequest {
            interaction_id: id.clone(),
            update_id: format!("u-{step}"),
            identity_feedback: Some(feedback),
            ..UpdateInteractionRequest::default()
        };
        match self.service.update_interaction(request).await {
            Ok(_) => {}
            // The candidate may have been removed meanwhile: nobody was left with it.
            Err(status) if matches!(status.code(), Code::NotFound | Code::FailedPrecondition) => {}
            Err(status) => panic!("{status}"),
        }
        self.open.push((id, candidate));
    }
}
