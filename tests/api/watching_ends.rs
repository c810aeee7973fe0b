//! How streams end: always with a reason, and, where that makes sense, with the token to go on with.

use std::time::{Duration, Instant};

use threadline::cli::keys::{NewKey, Terms, create_with};
use threadline::grpc::proto::{
    EndInteractionRequest, WatchInteractionsRequest, interaction_service_client,
};
use tonic::Code;
use tonic::transport::Endpoint;

use super::access::{client, name, second_instance, threadline};
use super::settling::{NUMBER, staff};
use crate::support::client::{Answered, Refusal, assert_refused};
use crate::support::requests::{call, end, start};
use crate::support::watcher::{after, everything, told};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    a_stream_ends_with_its_key,
    an_instance_that_stops_says_where_to_go_on,
    a_token_is_good_for_its_own_stream_only,
    a_key_has_so_many_streams_and_no_more,
);

async fn a_stream_ends_with_its_key(engine: Engine) {
    let world = World::on(engine).await;
    let text = world.key(&World::new_key(&["agent"])).await;
    let mut watcher = client(&world, &text).await.watch(everything()).await.expect("a stream");
    // In a process of its own, as an operator does it.
    let output = threadline(&world, &["keys", "revoke", &name(&text)]).await;
    let revoked = Instant::now();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ended = watcher.end().await.refusal;
    assert_eq!((ended.code, ended.reason.as_str()), (Code::Unauthenticated, "INVALID_API_KEY"));
    assert!(revoked.elapsed() < Duration::from_secs(3), "{:?}", revoked.elapsed());
    let soon = Terms { expires_in: Some("10s".into()), ..Terms::default() };
    let key = World::new_key(&["agent"]);
    let short = create_with(&world.running.service, &key, &soon).await.expect("a key");
    let mut watcher = client(&world, &short).await.watch(everything()).await.expect("a stream");
    let ended = watcher.end().await.refusal;
    assert_eq!((ended.code, ended.reason.as_str()), (Code::Unauthenticated, "EXPIRED_API_KEY"));
    world.close().await;
}

async fn an_instance_that_stops_says_where_to_go_on(engine: Engine) {
    let world = World::on(engine).await;
    let other = second_instance(&world).await;
    let text = world.key(&World::new_key(&["telephony", "admin"])).await;
    let here = client(&world, &text).await;
    let there = Client::connect(other.address, Some(&format!("Bearer {text}"))).await;
    let mut watcher = there.watch(everything()).await.expect("a stream");
    here.start(call("one", NUMBER)).await.expect("a start");
    assert_eq!(watcher.events(1).await, told(&[("STARTED", "one")]));
    let begun = Instant::now();
    let stopping = tokio::spawn(other.stop());
    let ended = watcher.end().await;
    stopping.await.expect("it ends").expect("an orderly stop");
    assert!(begun.elapsed() < Duration::from_secs(8), "nobody was cut off: {:?}", begun.elapsed());
    let Refusal { code, reason, retry, .. } = ended.refusal;
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "WATCH_INTERRUPTED"));
    assert!(retry.is_some());
    here.end(end("one")).await.expect("an end");
    let mut watcher = here.watch(after(&ended.token)).await.expect("the stream, elsewhere");
    assert_eq!(watcher.events(1).await, told(&[("ENDED", "one")]));
    world.close().await;
}

fn refused<T>(answered: Answered<T>) {
    assert_refused(answered, Code::InvalidArgument, "RESUME_TOKEN_REFUSED");
}

async fn a_token_is_good_for_its_own_stream_only(engine: Engine) {
    let world = World::on(engine).await;
    let admin = staff(&world).await;
    let other = NewKey { tenant: "another".into(), ..World::new_key(&["admin"]) };
    let other = world.client(&other).await;
    let known = admin.start(call("one", NUMBER)).await.expect("a start").customer_ref;
    let token = admin.watch(everything()).await.expect("a stream").token;
    for forged in ["x", "!", &token[1..], &format!("{}A", &token[..31])] {
        if forged != token {
            refused(admin.watch(after(forged)).await);
        }
    }
    refused(other.watch(after(&token)).await);
    for filter in [
        WatchInteractionsRequest { queue: "q".into(), ..after(&token) },
        WatchInteractionsRequest { agent_ref: "q".into(), ..after(&token) },
        WatchInteractionsRequest { channel: "q".into(), ..after(&token) },
        WatchInteractionsRequest { customer_ref: known.clone(), ..after(&token) },
    ] {
        refused(admin.watch(filter).await);
    }
    let customer = super::watching_customers::of(&known);
    let customer =
        threadline::grpc::proto::WatchCustomerRequest { resume_token: token.clone(), ..customer };
    refused(admin.watch_customer(customer).await);
    // Another key of the tenant may go on, with another view.
    let view = threadline::grpc::proto::InteractionView::Basic as i32;
    let again = WatchInteractionsRequest { view, ..after(&token) };
    assert!(world.role("agent").await.watch(again).await.is_ok());
    world.close().await;
}

async fn a_key_has_so_many_streams_and_no_more(engine: Engine) {
    let world = World::on(engine).await;
    let text = world.key(&World::new_key(&["agent"])).await;
    let agent = client(&world, &text).await;
    let mut open = Vec::new();
    for _ in 0..200 {
        open.push(agent.watch(everything()).await.expect("a stream"));
    }
    let refusal = agent.watch(everything()).await;
    assert_refused(refusal, Code::ResourceExhausted, "TOO_MANY_WATCHERS");
    assert!(world.role("agent").await.watch(everything()).await.is_ok(), "another key's");
    open.pop();
    let begun = Instant::now();
    while agent.watch(everything()).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "a place that is free is given again");
    }
    let telephony = world.role("telephony").await;
    telephony.start(start("one", "voice")).await.expect("a start");
    for watcher in &mut open {
        assert_eq!(watcher.events(1).await, told(&[("STARTED", "one")]));
    }
    world.close().await;
}

/// Who does not read is told so, and misses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_too_slowly_is_told_and_goes_on() {
    let world = World::on(Engine::Sqlite).await;
    let writer = staff(&world).await;
    let text = world.key(&World::new_key(&["agent"])).await;
    let small = Endpoint::from_shared(format!("http://{}", world.running.address)).expect("a URL");
    let small = small.initial_stream_window_size(Some(65_535)).connect().await.expect("it listens");
    let mut grpc = interaction_service_client::InteractionServiceClient::new(small);
    let mut request = tonic::Request::new(everything());
    let bearer = format!("Bearer {text}").parse().expect("printable");
    request.metadata_mut().insert("authorization", bearer);
    let mut stream = grpc.watch_interactions(request).await.expect("a stream").into_inner();
    let first = stream.message().await.expect("a heartbeat").expect("a heartbeat");
    assert!(first.interaction.is_none());
    const ENDS: usize = 500;
    let said = "a long story ".repeat(100);
    for number in 0..ENDS {
        let told = EndInteractionRequest {
            channel: "email".into(),
            summary: said.clone(),
            ..end(&format!("mail {number}"))
        };
        writer.end(told).await.expect("an end");
    }
    let (mut seen, mut token) = (0, first.resume_token);
    let ended = loop {
        match stream.message().await {
            Ok(message) => {
                let message = message.expect("it ends with a status");
                let shown = message.interaction.expect("nothing but events waits");
                assert_eq!(shown.interaction_id, format!("mail {seen}"));
                (seen, token) = (seen + 1, message.resume_token);
            }
            Err(status) => break status,
        }
    };
    let details = tonic_types::StatusExt::get_details_error_info(&ended).expect("a reason");
    let refusal = Refusal::of(&ended);
    let said = (refusal.code, refusal.reason.as_str());
    assert_eq!(said, (Code::ResourceExhausted, "WATCHER_TOO_SLOW"), "{refusal:?}");
    assert_eq!(details.metadata["resume_token"], token, "where it was");
    assert!((1..ENDS).contains(&seen), "{seen}");
    let mut again = client(&world, &text).await.watch(after(&token)).await.expect("the stream");
    for number in seen..ENDS {
        assert_eq!(again.events(1).await, told(&[("ENDED", &format!("mail {number}"))]));
    }
    world.close().await;
}
