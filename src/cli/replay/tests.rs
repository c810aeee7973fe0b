//! A replay end to end, against a small server with a service's manners.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use super::*;
use crate::grpc::proto::end_interaction_request::IdentityFeedback;
use crate::grpc::proto::interaction_service_server::{
    InteractionService, InteractionServiceServer,
};
use crate::grpc::proto::{
    EndInteractionRequest, EndInteractionResponse, Identity, Recommendation,
    StartInteractionRequest, StartInteractionResponse,
};

/// Knows people by their caller number alone, and stumbles now and then.
#[derive(Clone, Default)]
struct ByNumber(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    owners: HashMap<String, String>,
    starts: Vec<StartInteractionRequest>,
    ends: Vec<EndInteractionRequest>,
    stumbles: u32,
}

#[tonic::async_trait]
impl InteractionService for ByNumber {
    async fn start_interaction(
        &self,
        request: Request<StartInteractionRequest>,
    ) -> Result<Response<StartInteractionResponse>, Status> {
        let request = request.into_inner();
        let memory = &mut *self.0.lock().unwrap();
        memory.stumbles += 1;
        match memory.stumbles {
            1 => return Err(Status::unavailable("not yet")),
            2 => {
                let degraded = StartInteractionResponse { degraded: true, ..Default::default() };
                return Ok(Response::new(degraded));
            }
            _ => {}
        }
        if request.interaction_id == "refused" {
            return Err(Status::invalid_argument("no"));
        }
        let number = request.identity_hints.clone().unwrap_or_default().caller_number;
        let made = format!("ref{}", memory.starts.len());
        memory.starts.push(request);
        let new_customer = number.is_empty() || !memory.owners.contains_key(&number);
        let customer_ref = memory.owners.entry(number).or_insert(made).clone();
        let recommendation =
            if new_customer { Recommendation::Ignore } else { Recommendation::Reuse };
        let identity = Identity {
            recommendation: recommendation.into(),
            match_probability: if new_customer { 0.0 } else { 0.9 },
            ..Default::default()
        };
        let identity = Some(identity);
        Ok(Response::new(StartInteractionResponse {
            customer_ref,
            new_customer,
            identity,
            ..Default::default()
        }))
    }

    async fn end_interaction(
        &self,
        request: Request<EndInteractionRequest>,
    ) -> Result<Response<EndInteractionResponse>, Status> {
        let request = request.into_inner();
        let memory = &mut *self.0.lock().unwrap();
        let customer_ref = match &request.identity_feedback {
            Some(IdentityFeedback::IdentityConfirmed(yes)) => yes.customer_ref.clone(),
            Some(IdentityFeedback::IdentityRejected(no)) => {
                no.customer_ref.clone().unwrap_or_else(|| format!("fresh{}", memory.ends.len()))
            }
            None => request.customer_ref.clone(),
        };
        memory.ends.push(request);
        Ok(Response::new(EndInteractionResponse { customer_ref, ..Default::default() }))
    }
}

/// Anna calls, Bert calls from her phone, Anna calls again; each call ends.
fn household() -> String {
    let mut lines = String::new();
    for (id, customer) in [("i0", "anna"), ("i1", "bert"), ("i2", "anna")] {
        lines.push_str(&format!(
            "{{\"t\":\"start\",\"ts\":1704067639,\"id\":\"{id}\",\"channel\":\"voice\",\
             \"hints\":{{\"ani\":\"+12125550123\",\"line_type\":\"mobile\",\"jwt_sub\":\"u\"}},\
             \"truth\":{{\"customer\":\"{customer}\",\"caller\":\"{customer}\"}}}}\n\
             {{\"t\":\"end\",\"ts\":1704067700.5,\"id\":\"{id}\",\"customer\":\"{customer}\",\
             \"intent\":\"billing\",\"status\":\"resolved\",\"summary\":\"s\",\"vars\":{{\"k\":\"v\"}}}}\n"
        ));
    }
    lines
}

async fn replayed(events: &str, more: &[&str]) -> (ExitCode, Memory, String, String) {
    let server = ByNumber::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tonic::transport::Server::builder()
        .add_service(InteractionServiceServer::new(server.clone()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(serving);
    let folder = tempfile::tempdir().unwrap();
    let (file, written) = (folder.path().join("events.jsonl"), folder.path().join("decisions"));
    std::fs::write(&file, events).unwrap();
    let (file, path) = (file.to_str().unwrap(), written.to_str().unwrap());
    let mut words = vec!["replay", file, "--server", &address, "--decisions", path];
    words.extend(more);
    let (code, figures) = replay(parse(&words).unwrap()).await.unwrap();
    let decisions = std::fs::read_to_string(&written).unwrap();
    let memory = std::mem::take(&mut *server.0.lock().unwrap());
    (code, memory, decisions, String::from_utf8(figures).unwrap())
}

fn parse(words: &[&str]) -> Result<ReplayArgs, clap::Error> {
    use clap::{Args as _, FromArgMatches as _};
    let command = ReplayArgs::augment_args(clap::Command::new("replay"));
    ReplayArgs::from_arg_matches(&command.try_get_matches_from(words)?)
}

#[tokio::test]
async fn truth_never_travels_and_feedback_follows_it() {
    let (code, memory, decisions, figures) = replayed(&household(), &["--feedback", "1"]).await;
    assert_eq!(code, ExitCode::SUCCESS);
    let first = memory.starts[0].clone();
    let hints = first.identity_hints.unwrap();
    assert_eq!(hints.caller_number, "+12125550123");
    assert_eq!(hints.external_ids["user_id"], "u");
    assert_eq!((first.channel.as_str(), first.history_limit), ("voice", Some(0)));
    assert_eq!(first.start_time.unwrap().seconds, 1_704_067_639);
    let end = &memory.ends[0];
    assert_eq!(
        (end.end_time.unwrap().seconds, end.end_time.unwrap().nanos),
        (1_704_067_700, 500_000_000)
    );
    assert_eq!((end.customer_ref.as_str(), end.variables["k"].value.as_str()), ("ref0", "v"));
    let feedback: Vec<_> = memory
        .ends
        .iter()
        .map(|end| match &end.identity_feedback {
            Some(IdentityFeedback::IdentityConfirmed(yes)) => format!("yes {}", yes.customer_ref),
            Some(IdentityFeedback::IdentityRejected(no)) => format!("no {:?}", no.customer_ref),
            None => "nothing".to_owned(),
        })
        .collect();
    assert_eq!(feedback, ["yes ref0", "no None", "yes ref0"]);
    assert_eq!(decisions, "i0\tignore\t0.0000\tc1\ni1\treuse\t0.9000\tc1\ni2\treuse\t0.9000\tc1\n");
    assert!(figures.contains("given at 3 ends; 0 of them went into another history"), "{figures}");
    // The last two fifths of three starts are one: Anna, recognised.
    assert!(figures.contains("79.35 %    0 / 1"), "{figures}");
    assert!(figures.contains("degraded answers 1, calls made again 1"), "{figures}");
    assert!(figures.contains("no errors"), "{figures}");
}

#[tokio::test]
async fn without_feedback_a_client_only_echoes() {
    let (code, memory, _, figures) = replayed(&household(), &["--concurrency", "4"]).await;
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(memory.ends.len(), 3);
    assert!(figures.contains("given at 0 ends"), "{figures}");
    assert!(memory.ends.iter().all(|end| end.identity_feedback.is_none()));
    assert!(memory.ends.iter().all(|end| end.customer_ref == "ref0"));
}

#[tokio::test]
async fn an_error_fails_the_replay_and_its_end_brings_the_hints() {
    let events = household().replace("\"i1\"", "\"refused\"");
    let (code, memory, decisions, figures) = replayed(&events, &[]).await;
    assert_eq!(code, ExitCode::FAILURE);
    assert_eq!(decisions.lines().nth(1), Some("refused\terror\t-\t-"));
    assert!(figures.contains("1  start INVALID_ARGUMENT"), "{figures}");
    let end = &memory.ends[1];
    assert_eq!((end.channel.as_str(), end.customer_ref.as_str()), ("voice", ""));
    assert!(end.identity_hints.is_some() && end.start_time.is_some());
}

#[test]
fn arguments_have_limits() {
    for words in [
        ["--feedback", "1.5"],
        ["--feedback", "NaN"],
        ["--concurrency", "0"],
        ["--concurrency", "257"],
        ["--limit", "-1"],
    ] {
        assert!(parse(&[&["replay", "file"], &words[..]].concat()).is_err(), "{words:?}");
    }
}
