//! How streams end, which their answer's beginning does not tell.

use http_body_util::{BodyExt as _, StreamBody};
use tonic::codegen::Bytes;
use tonic::codegen::http::HeaderMap;
use tower::ServiceExt as _;

use super::*;

const EXPORT: &str = "/threadline.v1.CustomerService/ExportCustomer";

type Frame = Result<http_body::Frame<Bytes>, Status>;

fn message() -> Frame {
    Ok(http_body::Frame::data(Bytes::from_static(b"record")))
}

/// How it ended, as gRPC says it: after the last message.
fn trailers(code: &str) -> Frame {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.parse().unwrap());
    Ok(http_body::Frame::trailers(trailers))
}

/// The answer of a stream of these frames, to a call of that path.
async fn called(meters: &Meters, path: &str, frames: impl Fn() -> Vec<Frame>) -> Response<Body> {
    let inner = tower::service_fn(|_: Request<()>| {
        let body = Body::new(StreamBody::new(tokio_stream::iter(frames())));
        async move { Ok::<_, std::convert::Infallible>(Response::new(body)) }
    });
    let request = Request::get(path).body(()).unwrap();
    Observing::new(meters, None).layer(inner).oneshot(request).await.unwrap()
}

/// What was counted of calls, other than nothing.
fn counted(meters: &Meters) -> Vec<String> {
    let text = meters.text();
    let names = ["threadline_rpc_duration_seconds_count", "threadline_rpc_errors_total"];
    let counted =
        |line: &&str| names.iter().any(|it| line.starts_with(it)) && !line.ends_with(" 0");
    text.lines().filter(counted).map(|line| line.replace("threadline_rpc_", "")).collect()
}

#[tokio::test]
async fn a_stream_ends_with_its_trailers() {
    let meters = Meters::default();
    let answer = called(&meters, EXPORT, || vec![message(), message(), trailers("0")]).await;
    assert_eq!(counted(&meters), [""; 0], "it has only begun");
    answer.into_body().collect().await.unwrap();
    assert_eq!(counted(&meters), [r#"duration_seconds_count{method="ExportCustomer"} 1"#]);
}

#[tokio::test]
async fn a_stream_that_fails_on_its_way_is_an_error() {
    let meters = Meters::default();
    let answer = called(&meters, EXPORT, || vec![message(), trailers("10")]).await;
    answer.into_body().collect().await.unwrap();
    let expected = [
        r#"duration_seconds_count{method="ExportCustomer"} 1"#,
        r#"errors_total{method="ExportCustomer",reason="ABORTED"} 1"#,
    ];
    assert_eq!(counted(&meters), expected);
}

#[tokio::test]
async fn a_stream_that_nobody_reads_to_its_end_was_cancelled() {
    let meters = Meters::default();
    let answer = called(&meters, EXPORT, || vec![message(), trailers("0")]).await;
    let mut body = answer.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    let expected = [
        r#"duration_seconds_count{method="ExportCustomer"} 1"#,
        r#"errors_total{method="ExportCustomer",reason="CANCELLED"} 1"#,
    ];
    assert_eq!(counted(&meters), expected);
}

#[tokio::test]
async fn what_nobody_serves_has_no_name() {
    let meters = Meters::default();
    let answer = called(&meters, "/+4915112345678", || vec![trailers("12")]).await;
    answer.into_body().collect().await.unwrap();
    let expected = [
        r#"duration_seconds_count{method="other"} 1"#,
        r#"errors_total{method="other",reason="UNIMPLEMENTED"} 1"#,
    ];
    assert_eq!(counted(&meters), expected);
}
