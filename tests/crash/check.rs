//! Whether all that was acknowledged is there: each end whole, and each counter what the history
//! says, neither less (lost) nor more (twice).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use threadline::cli::client::{Connection, Interactions, connect};
use threadline::grpc::proto::customer_service_client::CustomerServiceClient;
use threadline::grpc::proto::{
    GetCustomerRequest, GetCustomerResponse, GetInteractionRequest, InteractionStatus,
};
use tonic::{Code, Status};

use crate::clients::AGAIN_AFTER;
use crate::database::Database;
use crate::ledger::Ledger;
use crate::plan::RECOVERED_WITHIN;
use crate::rows;
use crate::story::{PEOPLE, Story, variable_of};

/// Interactions looked at side by side.
const SIDE_BY_SIDE: usize = 8;
/// One in so many ends is sent once more: long after, and to another process.
const SENT_AGAIN: usize = 7;

/// What is wrong, in words.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) lost: Vec<String>,
    pub(crate) twice: Vec<String>,
    pub(crate) half: Vec<String>,
}

impl Findings {
    fn count(&mut self, what: String, found: i64, expected: i64) {
        let text = format!("{what}: {found}, not {expected}");
        match found.cmp(&expected) {
            std::cmp::Ordering::Less => self.lost.push(text),
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => self.twice.push(text),
        }
    }

    pub(crate) fn none(&self) -> bool {
        self.lost.is_empty() && self.twice.is_empty() && self.half.is_empty()
    }
}

/// Compares what the service and the tables hold with what the ledger says was acknowledged.
pub(crate) async fn compare(
    database: &Database,
    ledger: &Arc<Ledger>,
    url: &str,
    key: &str,
) -> Findings {
    let connection = connect(url, Some(key)).await.expect("it answers");
    let (told, mut findings) = (ledger.told(), Findings::default());
    sent_again(&connection, ledger, &told).await;
    for some in told.chunks(SIDE_BY_SIDE) {
        let looks = some.iter().map(|story| interaction(&connection, ledger, story));
        for found in join_all(looks).await {
            match found {
                Ok(()) => {}
                Err(Fault::Lost(what)) => findings.lost.push(what),
                Err(Fault::Half(what)) => findings.half.push(what),
            }
        }
    }
    for person in 0..PEOPLE {
        customer(database, &connection, ledger, person, &told, &mut findings).await;
    }
    let counts = rows::Counts::read(database).await;
    let number = |count: usize| count as i64;
    let (starts, updates) =
        (number(told.len()), number(told.iter().filter(|it| it.updated).count()));
    let ends = starts + number(told.iter().filter(|story| story.amended).count());
    findings.count("customers".into(), counts.customers, number(ledger.people.len()));
    findings.count("starts".into(), counts.starts, starts);
    findings.count("updates".into(), counts.updates, updates);
    findings.count("ends".into(), counts.ends, ends);
    findings.count("rows of the journal".into(), counts.journal, starts + updates + ends);
    rows::are_whole(database).await;
    findings
}

/// Sends some first ends again: nothing may come of it, which the counters show afterwards.
async fn sent_again(connection: &Connection, ledger: &Ledger, told: &[Story]) {
    for story in told.iter().step_by(SENT_AGAIN) {
        let known = &ledger.people[story.person as usize];
        let echoed = if story.undecided { "" } else { known.as_str() };
        let answer = Interactions::new(connection.clone()).end_interaction(story.end(echoed)).await;
        let answer = answer.unwrap_or_else(|status| panic!("{}: {status}", story.id)).into_inner();
        assert_eq!(&answer.customer_ref, known, "{}", story.id);
    }
}

enum Fault {
    Lost(String),
    Half(String),
}

async fn interaction(connection: &Connection, ledger: &Ledger, story: &Story) -> Result<(), Fault> {
    let id = &story.id;
    let request =
        GetInteractionRequest { interaction_id: id.clone(), ..GetInteractionRequest::default() };
    let found = Interactions::new(connection.clone()).get_interaction(request).await;
    let found = found.map_err(|status| Fault::Lost(format!("{id}: {status}")))?.into_inner();
    let facts = found.interaction.unwrap_or_default();
    if facts.status() != InteractionStatus::Ended {
        return Err(Fault::Lost(format!("the end of {id}: {}", facts.status().as_str_name())));
    }
    if facts.revision != Some(if story.amended { 2 } else { 1 }) {
        return Err(Fault::Lost(format!("a revision of {id}: {:?}", facts.revision)));
    }
    let intents: Vec<&str> = facts.intents.iter().map(|said| said.intent.as_str()).collect();
    let whole = facts.settled
        && facts.customer_ref == ledger.people[story.person as usize]
        && facts.summary == story.last_summary()
        && intents == [story.intent];
    if whole {
        Ok(())
    } else {
        Err(Fault::Half(format!(
            "{id}: settled {}, {}, {intents:?}, {}",
            facts.settled, facts.customer_ref, facts.summary
        )))
    }
}

/// One person's counters against their stories, in the order in which they were acknowledged.
async fn customer(
    database: &Database,
    connection: &Connection,
    ledger: &Ledger,
    person: u64,
    told: &[Story],
    findings: &mut Findings,
) {
    let customer = &ledger.people[person as usize];
    let own: Vec<&Story> = told.iter().filter(|story| story.person == person).collect();
    let known = known(connection, customer).await;
    let contacts = own.len() as i64;
    findings.count(format!("contacts of {customer}"), known.contact_count.into(), contacts);
    let filed = rows::contacts(database, customer).await;
    findings.count(format!("contacts on file of {customer}"), filed, contacts);
    for link in &known.identifiers {
        let what = format!("uses of a {} of {customer}", link.kind);
        findings.count(what, link.contact_count.into(), contacts);
    }
    findings.count(format!("identifiers of {customer}"), known.identifiers.len() as i64, 2);
    let mut attempts = BTreeMap::<&str, i64>::new();
    own.iter().for_each(|story| *attempts.entry(story.intent).or_default() += 1);
    for (intent, expected) in &attempts {
        let open = known.open_intents.iter().find(|open| open.intent == *intent);
        let found = open.map_or(0, |open| open.attempt_count.into());
        findings.count(format!("attempts at {intent} of {customer}"), found, *expected);
    }
    let mut newest = BTreeMap::new();
    own.iter().for_each(|story| drop(newest.insert(variable_of(story.client), story.value())));
    for (name, value) in newest {
        let found = known.variables.get(&name).map(|variable| &variable.value);
        if found != Some(&value) {
            findings.half.push(format!("{name} of {customer}: {found:?}, not {value}"));
        }
    }
}

async fn known(connection: &Connection, customer: &str) -> GetCustomerResponse {
    let request =
        GetCustomerRequest { customer_ref: customer.into(), ..GetCustomerRequest::default() };
    let known = CustomerServiceClient::new(connection.clone()).get_customer(request).await;
    known.expect("a customer").into_inner()
}

/// All readers at once: none of their connections is stuck, and none is broken.
pub(crate) async fn eight_read_at_once(connection: &Connection, told: &[Story]) {
    for read in read_at_once(connection, told).await {
        read.expect("every reader reads");
    }
}

/// The same soon after PostgreSQL was away: while it starts, and others call, some may be told to come
/// again, but not for long.
pub(crate) async fn eight_read_again(connection: &Connection, told: &[Story]) {
    let begun = Instant::now();
    loop {
        let reads = read_at_once(connection, told).await;
        let Some(status) = reads.into_iter().find_map(Result::err) else { return };
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(begun.elapsed() < RECOVERED_WITHIN, "{status:?}");
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn read_at_once(connection: &Connection, told: &[Story]) -> Vec<Result<(), Status>> {
    let reads = told.iter().take(SIDE_BY_SIDE).map(|story| {
        let request = GetInteractionRequest {
            interaction_id: story.id.clone(),
            ..GetInteractionRequest::default()
        };
        let mut service = Interactions::new(connection.clone());
        async move { service.get_interaction(request).await.map(drop) }
    });
    join_all(reads).await
}
