//! A call's span: which call, when, and how it ended. No id, no value, no name of anybody is in it; of
//! the caller's trace only the trace id and the parent's span id are taken, not its `tracestate`, which
//! may hold anything.

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};
use tonic::Code;
use tonic::codegen::http::HeaderMap;

use crate::grpc::protocol::PROTOCOL;
use crate::store::Traced;

/// W3C's header with the caller's trace.
const PARENT: &str = "traceparent";

/// The span of a call that is traced.
pub(super) struct Span(SdkSpan);

impl Span {
    /// Begins one, if this call is among those that are traced: as its caller's trace says, or by
    /// chance where it brings none.
    pub fn begin(
        tracer: &SdkTracer,
        call: Option<usize>,
        headers: &HeaderMap,
    ) -> Option<Box<Self>> {
        let parent =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Parent(headers));
        if parent.has_active_span() && !parent.span().span_context().is_sampled() {
            return None;
        }
        let name: &'static str = PROTOCOL.path(call).trim_start_matches('/');
        let mut span = tracer
            .span_builder(name)
            .with_kind(SpanKind::Server)
            .start_with_context(tracer, &parent);
        if !span.span_context().is_sampled() {
            return None;
        }
        span.set_attribute(KeyValue::new("rpc.system", "grpc"));
        if let Some((service, method)) = name.split_once('/') {
            span.set_attribute(KeyValue::new("rpc.service", service));
            span.set_attribute(KeyValue::new("rpc.method", method));
        }
        Some(Box::new(Self(span)))
    }

    /// What the store knows of it.
    pub fn traced(&self) -> Traced {
        let context = self.0.span_context();
        Traced { trace: context.trace_id().to_bytes(), span: context.span_id().to_bytes() }
    }

    /// It has ended, refused with a code and a reason or not.
    pub fn end(mut self, refused: Option<(Code, usize)>) {
        let code = refused.map_or(Code::Ok, |(code, _)| code);
        self.0.set_attribute(KeyValue::new("rpc.grpc.status_code", i64::from(code as i32)));
        if let Some((_, reason)) = refused {
            let reason: &'static str = &PROTOCOL.reasons[reason];
            self.0.set_attribute(KeyValue::new("error.type", reason));
            if is_ours(code) {
                self.0.set_status(Status::error(reason));
            }
        }
        self.0.end();
    }
}

/// Codes that OpenTelemetry's conventions call a server's error; the others are the caller's.
fn is_ours(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// Whether every part has its length: the library reads shorter ones, too.
fn is_whole(parent: &str) -> bool {
    let lengths = parent.split('-').map(str::len);
    lengths.eq([2, 32, 16, 2])
}

/// The one header that is taken from a caller.
struct Parent<'a>(&'a HeaderMap);

impl Extractor for Parent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(PARENT).filter(|_| key == PARENT)?;
        value.to_str().ok().filter(|text| is_whole(text))
    }

    fn keys(&self) -> Vec<&str> {
        vec![PARENT]
    }
}
