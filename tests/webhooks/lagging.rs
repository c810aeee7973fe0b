//! How far web-hooks are behind is told also while nothing at all is delivered; and a gap in the journal, as a
//! restore leaves it, puts nobody behind.

use std::time::Duration;

use sqlx::Executor as _;
use threadline::continuity::webhooks::named;

use super::ground::{Hooked, QUICK, endpoint, expected, is_let_go, told_of, whole_call};
use super::receiver::Receiver;
use crate::support::{Engine, each_engine};

each_engine!(what_is_not_delivered_at_all_counts_as_well, a_gap_delays_nothing);

async fn what_is_not_delivered_at_all_counts_as_well(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    let other = Receiver::new();
    let (name, _) = endpoint(&hooked.world, &other.url(), &[], QUICK).await;
    whole_call(&hooked.client, "0-0", 0).await;
    hooked.receiver.until_accepted(3).await;
    other.until_accepted(3).await;
    let lag = || hooked.world.running.webhooks.lag();
    other.until("nothing waits", |_| lag().is_zero()).await;
    let (_, number) = named(&name).expect("a name");
    let mut past = hooked.world.connect().await;
    // Whoever delivers has to look again: they let go of it, and try to take it.
    let sql = "UPDATE webhook_endpoint SET content = $2, changed = changed - 1 WHERE endpoint = $1";
    let damage = sqlx::query(sql).bind(number).bind(vec![1_u8; 64]);
    past.execute(damage).await.expect("a write");
    is_let_go(&hooked.world, &name, Duration::from_secs(10)).await;
    whole_call(&hooked.client, "0-1", 0).await;
    hooked.receiver.until_accepted(6).await;
    other.until("it is told", |_| lag() >= Duration::from_secs(2)).await;
    assert_eq!(other.all().len(), 3, "nothing is sent to it");
    hooked.world.running.service.remove_webhook(&name).await.expect("removed");
    other.until("nobody waits any more", |_| lag().is_zero()).await;
    hooked.world.close().await;
}

async fn a_gap_delays_nothing(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    whole_call(&hooked.client, "0-0", 0).await;
    hooked.receiver.until_accepted(3).await;
    hooked.world.gap(30_000_000_000_000).await;
    whole_call(&hooked.client, "0-1", 0).await;
    let all = hooked.receiver.until_accepted(6).await;
    assert_eq!(told_of(&all, 0), expected(0, 2));
    hooked.world.close().await;
}
