//! What is sent: whole valid requests that are accepted and remembered, requests in which every
//! string is odd, and bytes that are no request at all.

use prost::Message as _;
use threadline::cli::client::{Connection, connect};
use threadline::grpc::proto::{StartInteractionRequest, StartInteractionResponse};
use tonic::{Code, Status};

use crate::calls::send;
use crate::plant::{Manner, Planted, Planter};

/// So many values at least.
const PLANTED: usize = 1_000;

/// Sends everything, in one variant after the other, until enough is planted; what was. Everything that
/// the refused were told goes into `errors`: texts, details and metadata.
pub(crate) async fn tell(
    url: &str,
    key: &str,
    mut planter: Planter,
    errors: &mut Vec<u8>,
) -> Vec<Planted> {
    let connection = connect(url, Some(key)).await.expect("it answers");
    let before = planter.planted.len();
    for variant in 0.. {
        planter.variant = variant;
        accepted(&connection, &mut planter).await;
        refused(&connection, &mut planter, errors).await;
        if variant > 0 && planter.planted.len() - before >= PLANTED {
            break;
        }
    }
    garbage(url, &connection, &mut planter, errors).await;
    planter.planted
}

/// All that a refusal says.
fn note(refused: &Status, errors: &mut Vec<u8>) {
    errors.extend(format!("{refused:?}\n{}\n", refused.message()).into_bytes());
    errors.extend_from_slice(refused.details());
}

/// Every method once, in an order in which each finds what it needs.
async fn accepted(connection: &Connection, planter: &mut Planter) {
    planter.other = somebody_else(connection, planter).await;
    planter.interaction = planter.word("interaction_id");
    let mut methods = planter.methods();
    let order = |path: &str| ["/Start", "/Update", "/End"].iter().position(|it| path.contains(it));
    methods.sort_by_key(|(path, _)| order(path).unwrap_or(usize::MAX));
    let mut summary = String::new();
    for (path, request) in methods {
        let message = planter.message(&request, Manner::Valid);
        if let Some(planted) = planter.planted.iter().rfind(|it| it.field.ends_with(".summary")) {
            summary.clone_from(&planted.canary);
        }
        let answer = send(connection, &path, message.encode_to_vec()).await;
        if path.ends_with("/ResolveConflict") {
            // Only an id that an answer gave is one, and here nothing disagrees.
            assert_eq!(answer.err().map(|status| status.code()), Some(Code::NotFound));
            continue;
        }
        let answer = answer.unwrap_or_else(|status| panic!("{path}: {status}"));
        if path.ends_with("/StartInteraction") || path.ends_with("/UpdateInteraction") {
            let read = StartInteractionResponse::decode(&answer[..]).expect("an answer");
            assert!(!read.degraded, "{}", read.degraded_reason);
            planter.customer = read.customer_ref;
        }
        if path.ends_with("/GetInteraction") {
            let text = summary.as_bytes();
            let remembered = answer.windows(text.len()).any(|window| window == text);
            assert!(remembered, "what was planted is what is remembered");
        }
    }
}

/// A customer of whom nothing is known.
async fn somebody_else(connection: &Connection, planter: &mut Planter) -> String {
    let begun = StartInteractionRequest {
        interaction_id: planter.word("interaction_id"),
        channel: "voice".into(),
        ..Default::default()
    };
    let path = "/threadline.v1.InteractionService/StartInteraction";
    let answer = send(connection, path, begun.encode_to_vec()).await.expect("a start");
    StartInteractionResponse::decode(&answer[..]).expect("an answer").customer_ref
}

/// Every method with canaries where they cannot be.
async fn refused(connection: &Connection, planter: &mut Planter, errors: &mut Vec<u8>) {
    for (path, request) in planter.methods() {
        let message = planter.message(&request, Manner::Hostile);
        let refused = send(connection, &path, message.encode_to_vec()).await.err();
        refused.iter().for_each(|status| note(status, errors));
        let code = refused.map(|status| status.code());
        let expected = [Code::InvalidArgument, Code::PermissionDenied, Code::NotFound];
        assert!(code.is_some_and(|code| expected.contains(&code)), "{path}: {code:?}");
    }
}

/// Bytes that are no message, a path that is no method, a key that is no key.
async fn garbage(url: &str, connection: &Connection, planter: &mut Planter, errors: &mut Vec<u8>) {
    let start = "/threadline.v1.InteractionService/StartInteraction";
    let bytes = [&[0xff, 0xff, 0x0a, 0x7f][..], planter.word("no message").as_bytes()].concat();
    note(&send(connection, start, bytes).await.expect_err("no request"), errors);
    // A string that is no UTF-8: field 1, twenty bytes.
    let word = planter.word("no text");
    let bytes = [&[0x0a, word.len() as u8 + 1][..], word.as_bytes(), &[0xff]].concat();
    note(&send(connection, start, bytes).await.expect_err("no request"), errors);
    let path = format!("/threadline.v1.InteractionService/{}", planter.word("no method"));
    note(&send(connection, &path, Vec::new()).await.expect_err("no request"), errors);
    let path = format!("/{}/StartInteraction", planter.word("no service"));
    note(&send(connection, &path, Vec::new()).await.expect_err("no request"), errors);
    for form in ["", "tl_live_1_", "threadline_1_"] {
        let stranger = format!("{form}{}", planter.word("no key"));
        let connection = connect(url, Some(&stranger)).await.expect("it answers");
        note(&send(&connection, start, Vec::new()).await.expect_err("no request"), errors);
    }
    // Longer than any request may be.
    let huge = planter.word("too large").repeat(200_000);
    note(&send(connection, start, huge.into_bytes()).await.expect_err("no request"), errors);
}
