//! A good key that opens nothing here: whoever shows it where it is refused has not called with it.

use threadline::cli::keys::{NewKey, Terms, create_with};
use threadline::clock::Time;
use threadline::crypto::ApiKey;

use super::super::helpdesk::{SECRET, accepted, desk};
use crate::support::{Engine, World, each_engine};

each_engine!(a_key_that_is_refused_has_not_called);

/// Calls that the key may make at once.
const BURST: i64 = 5;

fn hook(tenant: &str, name: &str) -> String {
    format!(
        "[tenants.{tenant}.hooks.{name}]\nkind = \"generic\"\nverify = \"api_key\"\ncloses = []\n\
         takes = {{ interaction_id = \"$.id\", revision = \"$.changed\", \
         channel = {{ value = \"email\" }} }}\n"
    )
}

async fn a_key_that_is_refused_has_not_called(engine: Engine) {
    let settings = [hook("acme", "own"), hook("globex", "theirs")].concat();
    let desk = desk(engine, &settings, SECRET).await;
    let service = &desk.world.running.service;
    let helpdesk = World::new_key(&["helpdesk", "backfill"]);
    let terms = Terms { rate: Some(1), burst: Some(BURST), ..Terms::default() };
    let text = create_with(service, &helpdesk, &terms).await.expect("a key");
    let tested = NewKey { test: true, ..helpdesk };
    let tested = create_with(service, &tested, &terms).await.expect("a key");
    let deliver = async |hook: &str, text: &str| {
        let bearer = format!("Bearer {text}");
        let path = format!("/hooks/generic?hook={hook}");
        let body = r#"{"id": "1", "changed": 1}"#;
        desk.deliver(&path, &[("authorization", &bearer)], body).await
    };
    // A hook of nobody's, another tenant's, and one that is not the test tenant's of its name.
    for (hook, text) in [("nobodys", &text), ("theirs", &text), ("own", &tested)] {
        for _ in 0..4 * BURST {
            let told = deliver(hook, text).await;
            assert_eq!((told.code, &*told.reason()), (401, "HOOK_REFUSED"), "{hook}");
        }
    }
    assert_eq!(service.note_uses().await.expect("the store"), 0, "no key was used");
    for _ in 0..BURST {
        accepted(&deliver("own", &text).await, "1");
    }
    assert_eq!(service.note_uses().await.expect("the store"), 1);
    let key = ApiKey::parse(&text).expect("our own form");
    let row = service.store().api_key(key.tenant, &key.id).await.expect("the store");
    assert_ne!(row.expect("the key").used, Time(0), "now it was");
    desk.close().await;
}
