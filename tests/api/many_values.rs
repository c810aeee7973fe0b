//! More values than an answer has room for.

use prost_types::FieldMask;

use super::customers::{mail, upsert};
use super::merging::attribute;
use super::settling::{MAIL, staff};
use crate::support::requests::variable;
use crate::support::{Engine, World, each_engine};

each_engine!(a_mask_clears_what_no_answer_has_room_for);

/// What an answer has room for.
const ROOM: usize = 200;

async fn a_mask_clears_what_no_answer_has_room_for(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    for round in 0..4 {
        let names: Vec<String> = (0..64).map(|number| format!("v{round}{number:02}")).collect();
        let mut request = upsert(&format!("fill {round}"), vec![mail(MAIL)]);
        let given = request.customer.as_mut().expect("one");
        given.variables = names.iter().flat_map(|name| variable(name, "x")).collect();
        given.profile = names.iter().flat_map(|name| attribute(name, "x")).collect();
        client.upsert(request).await.expect("an upsert");
    }
    let found = client.upsert(upsert("found", vec![mail(MAIL)])).await.expect("an upsert");
    let before = found.customer.expect("them");
    assert_eq!((before.variables.len(), before.profile.len()), (ROOM, ROOM));
    let mut request = upsert("all", vec![mail(MAIL)]);
    request.customer.as_mut().expect("one").variables = variable("order", "17");
    let paths = vec!["variables".into(), "profile".into()];
    request.update_mask = Some(FieldMask { paths });
    let answer = client.upsert(request).await.expect("an upsert").customer.expect("them");
    let person = client.person(&answer.customer_ref).await;
    assert!(answer == person, "as GetCustomer shows it");
    assert_eq!(person.variables.keys().collect::<Vec<_>>(), ["order"], "nothing came up behind");
    assert!(person.profile.is_empty(), "nor here");
    world.close().await;
}
