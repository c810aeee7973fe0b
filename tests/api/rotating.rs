//! A key and its heir: both work for a while, and keys of before have heirs, too.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use threadline::cli::keys::{NewKey, Terms, create_with, rotate};
use threadline::clock::{DAY, HOUR};
use threadline::crypto::ApiKey;
use threadline::crypto::api_key::CHECKSUM_LENGTH;
use threadline::ids::Entropy;
use threadline::store::api_keys::ApiKeyRow;

use super::access::{client, clock, ends_in, forward, let_in, name, not_let_in, row};
use crate::support::requests::{end, get, start};
use crate::support::{Engine, Setup, World, each_engine};

each_engine!(
    a_rotated_key_overlaps_with_the_new_one,
    what_cannot_be_rotated,
    a_key_of_before_goes_on,
);

async fn a_rotated_key_overlaps_with_the_new_one(engine: Engine) {
    let clock = clock();
    let world = Setup::on(engine).clock(&clock).open().await;
    let service = &world.running.service;
    let own = NewKey {
        source: "pbx".into(),
        may_address: vec!["bot".into()],
        max_assurance: Some("carried".into()),
        ..World::new_key(&["telephony", "backfill"])
    };
    let terms = Terms { rate: Some(500), burst: Some(700), ..ends_in("90d") };
    let first = create_with(service, &own, &terms).await.expect("a key");
    let before = client(&world, &first).await;
    before.start(start("open", "voice")).await.expect("a start");

    let made = rotate(service, &name(&first), "24h", &Terms::default()).await.expect("a new key");
    let (old, new) = (row(&world, &first).await, row(&world, &made.text).await);
    assert_eq!(made.ends, old.expires);
    assert!((old.expires.since(new.created) - DAY).abs() < 1_000, "the old one has a day left");
    assert_eq!(old.replaced_by, new.id);
    let terms = |row: &ApiKeyRow| {
        let (rate, burst) = (row.rate, row.burst);
        (
            row.roles.clone(),
            row.source.clone(),
            row.may_address.clone(),
            row.max_assurance,
            rate,
            burst,
        )
    };
    assert_eq!(terms(&new), terms(&old));
    assert_eq!(new.expires.since(new.created), 90 * DAY, "it lives as long");
    assert_ne!(new.hash, old.hash);

    // Both go on with what is open.
    let after = client(&world, &made.text).await;
    for both in [&before, &after] {
        both.get(get("open")).await.expect("their own source");
    }
    after.end(end("open")).await.expect("an end");
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    forward(&clock, DAY + HOUR);
    not_let_in(&before, "EXPIRED_API_KEY").await;
    let_in(&after).await;
    world.close().await;
}

async fn what_cannot_be_rotated(engine: Engine) {
    let clock = clock();
    let world = Setup::on(engine).clock(&clock).open().await;
    let service = &world.running.service;
    let none = Terms::default();
    let refused = async |key: &str, overlap: &str| {
        rotate(service, key, overlap, &none).await.err().expect("it is refused").to_string()
    };
    let first =
        create_with(service, &World::new_key(&["admin"]), &ends_in("2h")).await.expect("a key");
    assert!(refused("1_000000000000", "1h").await.contains("no such key"));
    assert!(refused("rubbish", "1h").await.contains("keys list"));
    assert!(refused(&name(&first), "91d").await.contains("90 days"));
    assert!(refused(&name(&first), "soon").await.contains("--overlap"));
    // Rotating makes no key live longer.
    let second = rotate(service, &name(&first), "24h", &none).await.expect("a new key");
    let old = row(&world, &first).await;
    assert_eq!(old.expires.since(old.created), 2 * HOUR);
    assert!(refused(&name(&first), "1h").await.contains("replaces it already"));
    // The new one was lost before anybody read it: it is revoked, and the old one rotated again.
    let lost = ApiKey::parse(&second.text).expect("our own form");
    service.store().revoke_api_key(lost.tenant, &lost.id).await.expect("the store");
    assert!(refused(&name(&second.text), "1h").await.contains("revoked"));
    let third = rotate(service, &name(&first), "0s", &none).await.expect("a new key");
    let new = row(&world, &third.text).await;
    assert_eq!(new.expires.since(new.created), 2 * HOUR, "the life of the first");
    assert!(third.over);
    not_let_in(&client(&world, &first).await, "EXPIRED_API_KEY").await;
    let_in(&client(&world, &third.text).await).await;
    // Two who rotate one key at once make one key.
    let third = name(&third.text);
    let (one, other) =
        tokio::join!(rotate(service, &third, "1h", &none), rotate(service, &third, "1h", &none),);
    assert!(one.is_ok() != other.is_ok());
    world.close().await;
}

/// Keys of the first releases end in their secret, and its hash is what was stored.
async fn a_key_of_before_goes_on(engine: Engine) {
    let world = World::on(engine).await;
    let model = world.key(&World::new_key(&["telephony"])).await;
    let made = ApiKey::parse(&model).expect("our own form");
    let old = ApiKey::generate(made.tenant, false, &Entropy::System).text();
    let old = old[..old.len() - CHECKSUM_LENGTH].to_owned();
    let (_, secret) = old.rsplit_once('_').expect("a secret");
    let mut spelled = data_encoding::Specification::new();
    spelled.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    let bytes = spelled.encoding().expect("an alphabet").decode(secret.as_bytes());
    let hash = Sha256::digest(bytes.expect("a secret")).to_vec();
    let id = ApiKey::parse(&old).expect("the old form").id;
    let row = ApiKeyRow { id, hash, ..row(&world, &model).await };
    world.running.service.store().add_api_key(&row).await.expect("the store");

    let_in(&client(&world, &old).await).await;
    let mut other = old.clone();
    let last = old.len() - 2;
    other.replace_range(last..=last, if &old[last..=last] == "7" { "8" } else { "7" });
    not_let_in(&client(&world, &other).await, "INVALID_API_KEY").await;
    // A new key has one text: without its checksum it is none.
    let cut = &model[..model.len() - CHECKSUM_LENGTH];
    not_let_in(&client(&world, cut).await, "INVALID_API_KEY").await;
    let new = rotate(&world.running.service, &name(&old), "1h", &Terms::default()).await;
    let new = new.expect("a new key").text;
    assert_eq!(new.len(), old.len() + CHECKSUM_LENGTH, "the new one has a checksum");
    let_in(&client(&world, &new).await).await;
    let_in(&client(&world, &old).await).await;
    world.close().await;
}
