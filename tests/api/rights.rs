//! A person's rights one after the other: all that is held of them is in the export, and once they
//! are erased it is nowhere, on whatever instance.

use prost::Message as _;

use super::customers::phone;
use super::erasing::{erased, gone, whole};
use super::exporting::{bytes, foreign, split};
use super::person::{connection, plant, world};
use super::settling::NUMBER;
use super::ties::link;
use crate::plant::Planter;
use crate::support::requests::landline_call;
use crate::support::{Client, Engine, TENANT, each_engine};

each_engine!(exported_whole_and_then_gone);

async fn exported_whole_and_then_gone(engine: Engine) {
    let mut planter = Planter::new();
    let (world, key) = world(engine, &planter).await;
    let wire = connection(&world, &key).await;
    let person = plant(&wire, &mut planter).await;
    let housemate = plant(&wire, &mut planter).await;
    let header = format!("Bearer {key}");
    let client = world.with_header(Some(&header)).await;
    for (id, whom) in [("a", &person.customer_ref), ("b", &housemate.customer_ref)] {
        client.link(link(id, whom, phone(NUMBER))).await.expect("a link");
    }
    let before = bytes(&client.export(&person.customer_ref).await.expect("an export"));
    let (_, missing) = split(&person.stored, &before);
    assert!(missing.is_empty(), "not exported: {missing:?}");
    let other = world.beside(&planter.settings(TENANT)).await;
    let beside = Client::connect(other.address, Some(&header)).await;
    gone(&client, &person.customer_ref, "erase").await;
    for (instance, id) in [(&client, "here"), (&beside, "there")] {
        erased(instance.export(&person.customer_ref).await);
        let left = bytes(&instance.export(&housemate.customer_ref).await.expect("an export"));
        let (_, missing) = split(&housemate.stored, &left);
        assert!(missing.is_empty(), "{id}: whoever shared a line has lost {missing:?}");
        let found = foreign(&person.stored, &left);
        assert!(found.is_empty(), "{id}: of who is gone: {found:?}");
        let answer = instance.start(landline_call(id, NUMBER)).await.expect("a start");
        let found = foreign(&person.stored, &answer.encode_to_vec());
        assert!(found.is_empty(), "{id}: a start tells of who is gone: {found:?}");
    }
    whole(&world).await;
    other.stop().await.expect("an orderly stop");
    world.close().await;
}
