//! Streams of a tenant of whom one customer is damaged: nobody else's events wait for that.

use threadline::server::Running;

use super::access::{client, second_instance};
use super::settling::{MAIL, NUMBER, somebody};
use crate::support::requests::{call, email_hint, end, number_hint, start};
use crate::support::watcher::{Event, after, everything, name, told};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(what_does_not_open_is_told_by_its_names_alone, whose_key_is_damaged_is_passed_over,);

/// A world with two people, the first of whom is calling; a second instance, which remembers nobody.
struct Two {
    world: World,
    other: Running,
    here: Client,
    there: Client,
    /// From before all of it.
    token: String,
    damaged: String,
}

impl Two {
    async fn on(engine: Engine) -> Self {
        let world = World::on(engine).await;
        let text = world.key(&World::new_key(&["telephony", "admin"])).await;
        let here = client(&world, &text).await;
        let token = here.watch(everything()).await.expect("a stream").token;
        let damaged = somebody(&here, "hers", "voice", number_hint(NUMBER)).await;
        here.start(call("open", NUMBER)).await.expect("a start");
        somebody(&here, "his", "email", email_hint(MAIL)).await;
        let other = second_instance(&world).await;
        let there = Client::connect(other.address, Some(&format!("Bearer {text}"))).await;
        Self { world, other, here, there, token, damaged }
    }

    async fn close(self) {
        self.other.stop().await.expect("an orderly stop");
        self.world.close().await;
    }
}

/// Whether nothing but id and source is shown.
fn is_named_only(event: &Event) -> bool {
    let shown = event.shown();
    let facts = shown.interaction.as_ref().expect("its names");
    facts.source == "default" && facts.channel.is_empty() && shown.customer_ref.is_empty()
}

async fn what_does_not_open_is_told_by_its_names_alone(engine: Engine) {
    let two = Two::on(engine).await;
    let mut live = two.there.watch(everything()).await.expect("a stream");
    let values = "customer = $1 AND kind = 1";
    two.world.damage(("block", "content"), values, &two.damaged).await;
    two.here.end(end("open")).await.expect("an end");
    two.here.start(start("next", "web_chat")).await.expect("a start");
    let ended = live.event().await;
    assert_eq!((name(ended.kind), ended.id()), ("ENDED", "open"));
    assert!(is_named_only(&ended));
    assert_eq!(live.events(1).await, told(&[("STARTED", "next")]));
    let mut late = two.there.watch(after(&two.token)).await.expect("the stream again");
    for (what, id, whole) in [
        ("STARTED", "hers", false),
        ("ENDED", "hers", false),
        ("STARTED", "open", false),
        ("STARTED", "his", true),
        ("ENDED", "his", true),
        ("ENDED", "open", false),
        ("STARTED", "next", true),
    ] {
        let event = late.event().await;
        assert_eq!((name(event.kind), event.id()), (what, id));
        assert_eq!(is_named_only(&event), !whole, "{what} {id}");
    }
    two.close().await;
}

/// Not even the names of what happened to her open any more.
async fn whose_key_is_damaged_is_passed_over(engine: Engine) {
    let two = Two::on(engine).await;
    let key = "data_key = (SELECT data_key FROM customer WHERE customer = $1)";
    two.world.damage(("data_key", "wrapped"), key, &two.damaged).await;
    let mut late = two.there.watch(after(&two.token)).await.expect("the stream");
    assert_eq!(late.events(2).await, told(&[("STARTED", "his"), ("ENDED", "his")]));
    two.here.start(start("next", "web_chat")).await.expect("a start");
    assert_eq!(late.events(1).await, told(&[("STARTED", "next")]));
    two.close().await;
}
