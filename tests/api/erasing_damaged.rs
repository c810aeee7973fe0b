//! Erasing people of whom something is damaged: nothing has to open for that, of theirs or of others.

use threadline::grpc::proto::{EndInteractionRequest, GetCustomerRequest};
use threadline::server::Running;
use tonic::Code;

use super::access::{client, second_instance};
use super::customers::{mail as mail_address, upsert_with};
use super::erasing::{erased, gone, preview, whole};
use super::merging::{join, two};
use super::settling::{MAIL, NUMBER, somebody, staff};
use crate::support::client::assert_refused;
use crate::support::requests::{call, end, get, number_hint, reassign};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    a_value_that_does_not_open_goes,
    whose_key_does_not_open_goes,
    so_does_everybody_who_is_one_with_them,
    what_came_to_somebody_damaged_keeps_nobody,
);

/// The row of somebody's data key.
const KEY: &str = "data_key = (SELECT data_key FROM customer WHERE customer = $1)";

/// A client, and one of another instance, which remembers nobody.
async fn beside(world: &World) -> (Client, Client, Running) {
    let text = world.key(&World::new_key(&["telephony", "admin"])).await;
    let other = second_instance(world).await;
    let there = Client::connect(other.address, Some(&format!("Bearer {text}"))).await;
    (client(world, &text).await, there, other)
}

async fn is_erased(client: &Client, customer_ref: &str) {
    let whom = GetCustomerRequest { customer_ref: customer_ref.into(), ..Default::default() };
    erased(client.customer(whom).await);
}

async fn a_value_that_does_not_open_goes(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let dana = somebody(&client, "first", "voice", number_hint(NUMBER)).await;
    world.damage(("block", "content"), "customer = $1 AND kind = 1", &dana).await;
    let counts = preview(&client, &dana).await.counts.expect("counts");
    assert_eq!((counts.interaction_count, counts.variable_count), (1, 1), "it counts as one");
    gone(&client, &dana, "e").await;
    is_erased(&client, &dana).await;
    erased(client.get(get("first")).await);
    whole(&world).await;
    world.close().await;
}

async fn whose_key_does_not_open_goes(engine: Engine) {
    let world = World::on(engine).await;
    let (here, there, other) = beside(&world).await;
    let dana = somebody(&here, "first", "voice", number_hint(NUMBER)).await;
    world.damage(("data_key", "wrapped"), KEY, &dana).await;
    let whom = GetCustomerRequest { customer_ref: dana.clone(), ..Default::default() };
    assert!(there.customer(whom).await.is_err(), "nothing of hers opens");
    let receipt = gone(&there, &dana, "e").await.counts.expect("counts");
    assert_eq!((receipt.identifier_count, receipt.variable_count), (1, 1));
    for client in [&here, &there] {
        is_erased(client, &dana).await;
        erased(client.get(get("first")).await);
    }
    let anew = there.start(call("anew", NUMBER)).await.expect("a start");
    assert!(anew.new_customer && anew.customer_ref != dana);
    whole(&world).await;
    other.stop().await.expect("an orderly stop");
    world.close().await;
}

async fn so_does_everybody_who_is_one_with_them(engine: Engine) {
    let world = World::on(engine).await;
    let (here, there, other) = beside(&world).await;
    let (one, another) = two(&here).await;
    join(&here, "m", &one, &another).await;
    world.damage(("data_key", "wrapped"), KEY, &one).await;
    // By whoever is damaged, and by whoever is not.
    for customer_ref in [&one, &another] {
        let seen = preview(&there, customer_ref).await;
        assert_eq!(seen.member_refs, [one.clone(), another.clone()]);
    }
    gone(&there, &another, "e").await;
    for customer_ref in [&one, &another] {
        is_erased(&there, customer_ref).await;
    }
    whole(&world).await;
    other.stop().await.expect("an orderly stop");
    world.close().await;
}

/// It was hers, and is somebody else's, of whom nothing opens: it may name her, and goes.
async fn what_came_to_somebody_damaged_keeps_nobody(engine: Engine) {
    let world = World::on(engine).await;
    let (here, there, other) = beside(&world).await;
    let dana = somebody(&here, "first", "voice", number_hint(NUMBER)).await;
    let ira = here.upsert(upsert_with("i", vec![mail_address(MAIL)], &[("name", "Ira")])).await;
    let ira = ira.expect("an upsert").customer.expect("them").customer_ref;
    here.start(call("moved", NUMBER)).await.expect("a start");
    let ended = EndInteractionRequest { summary: "about a boat".into(), ..end("moved") };
    here.end(ended).await.expect("an end");
    here.reassign(reassign("moved", "r", Some(&ira))).await.expect("a reassignment");
    world.damage(("data_key", "wrapped"), KEY, &ira).await;
    gone(&there, &dana, "e").await;
    is_erased(&there, &dana).await;
    erased(there.get(get("first")).await);
    let left = there.get(get("moved")).await;
    assert_refused(left, Code::NotFound, "INTERACTION_NOT_FOUND");
    whole(&world).await;
    other.stop().await.expect("an orderly stop");
    world.close().await;
}
