//! A customer of whom the same is said over and over: what is said once is not pushed out by it.

use threadline::grpc::proto::VariableInput;

use super::customers::{mail, upsert_with, value};
use super::settling::{MAIL, staff};
use crate::support::requests::variable;
use crate::support::{Engine, World, each_engine};

each_engine!(what_is_said_once_outlasts_what_is_said_often,);

/// More writes than are read of a customer.
const OFTEN: usize = 620;

async fn what_is_said_once_outlasts_what_is_said_often(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let lasting = VariableInput {
        value: "at the back door".into(),
        ttl_seconds: Some(365 * 86_400),
        ..Default::default()
    };
    let mut once = upsert_with("once", vec![mail(MAIL)], &[("name", "Ada")]);
    once.customer.as_mut().expect("one").variables = [("delivery_note".to_owned(), lasting)].into();
    let known = client.upsert(once).await.expect("an upsert").customer.expect("them").customer_ref;
    for turn in 0..OFTEN {
        let status = format!("step {turn}");
        let pushed = format!("push {turn}");
        let mut often = upsert_with(&pushed, vec![mail(MAIL)], &[("status", &status)]);
        often.customer.as_mut().expect("one").variables = variable("order_status", &status);
        client.upsert(often).await.expect("an upsert");
    }
    let last = format!("step {}", OFTEN - 1);
    let person = client.person(&known).await;
    assert_eq!(value(&person, "name"), Some("Ada"));
    assert_eq!(value(&person, "status"), Some(last.as_str()));
    assert!(person.profile["status"].conflicting, "what was said before is flagged");
    assert_eq!(person.variables["delivery_note"].value, "at the back door");
    assert_eq!(person.variables["order_status"].value, last);
    world.close().await;
}
