//! Keys of other tenants: whoever does not know one whole learns nothing of it.

use std::time::Duration;

use threadline::cli::keys::NewKey;
use threadline::crypto::ApiKey;
use threadline::ids::{Entropy, TenantId};
use tonic::Code;

use super::probing::{bound, wanted};
use super::request;
use super::table::Kind;
use super::times::Times;
use super::victim::TENANT;
use super::wire::Wire;
use crate::support::{Engine, World};

/// A key of another tenant's with a made-up secret is refused as one that nobody has.
pub async fn probe(engine: Engine) {
    let world = World::on(engine).await;
    let wire = Wire::connect(world.running.address).await;
    let known = world.key(&NewKey { tenant: TENANT.into(), ..World::new_key(&["admin"]) }).await;
    let known = ApiKey::parse(&known).expect("a key");
    let mut forged = ApiKey::generate(known.tenant, known.test, &Entropy::System);
    let stranger = ApiKey::generate(known.tenant, known.test, &Entropy::System).text();
    let nowhere = ApiKey::generate(TenantId(4_711), known.test, &Entropy::System).text();
    forged.id = known.id.clone();
    let forged = forged.text();
    let mut times = Times::default();
    let rounds = if wanted() > 0 { 500 } else { 10 };
    for method in request::methods() {
        for round in 0..rounds {
            let keys = [&forged, &stranger, &nowhere];
            let (mut told, mut took) = (Vec::new(), [Duration::ZERO; 3]);
            for turn in 0..3 {
                let which = (turn + round) % 3;
                let answer = wire.with_key(keys[which]).call(&method, vec![Vec::new()]).await;
                assert_eq!(answer.code, Code::Unauthenticated, "{}", method.name());
                took[which] = answer.took;
                told.push(answer.bytes());
            }
            assert!(told[0] == told[1] && told[1] == told[2], "{}: keys differ", method.name());
            times.note("with a key", Kind::Key, [took[0], took[1]]);
            times.note("with a key", Kind::Tenant, [took[2], took[1]]);
        }
    }
    let apart = times.report(bound());
    assert!(apart.is_empty(), "who asks can tell by the time: {apart:#?}");
    world.close().await;
}
