//! Traces, where an endpoint is configured: sent to a collector in batches by a thread of their own.
//! What cannot be sent is dropped; no call waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, Span, SpanData,
    SpanExporter as Export,
};

use super::Traces;
use crate::store::{Engine, Traced, Witness, Witnessed};

/// Spans that wait to be sent; more are dropped.
const MOST_WAITING: usize = 8_192;
/// Spans that are sent together.
const MOST_AT_ONCE: usize = 512;
/// How long a span waits for others.
const SENT_WITHIN: Duration = Duration::from_secs(2);
/// How long the collector may take to answer, and stopping to send what is left.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// Where spans go.
pub(super) struct Tracing {
    provider: SdkTracerProvider,
}

impl Tracing {
    /// Begins to send. A collector that is not there is no mistake: it may come.
    ///
    /// # Errors
    /// An endpoint that is no URL.
    pub fn begin(traces: &Traces) -> anyhow::Result<Self> {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(&traces.endpoint)
            .with_timeout(ANSWERED_WITHIN)
            .build()
            .context("server.operations.traces_endpoint")?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(MOST_WAITING)
            .with_max_export_batch_size(MOST_AT_ONCE)
            .with_scheduled_delay(SENT_WITHIN)
            .build();
        // Nothing of the machine and its environment: only what serves.
        let own = [
            KeyValue::new("service.name", env!("CARGO_PKG_NAME")),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ];
        let by_chance = Box::new(Sampler::TraceIdRatioBased(traces.ratio));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::new(Told::new(exporter), config))
            .with_sampler(Sampler::ParentBased(by_chance))
            .with_resource(Resource::builder_empty().with_attributes(own).build())
            .build();
        Ok(Self { provider })
    }

    /// Who makes spans.
    pub fn tracer(&self) -> SdkTracer {
        self.provider.tracer(env!("CARGO_PKG_NAME"))
    }

    /// Who makes spans of the writer's commits.
    pub fn commits(&self, engine: Engine) -> Arc<dyn Witness> {
        let system = match engine {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgresql",
        };
        Arc::new(Commits { tracer: self.tracer(), system })
    }

    /// Sends what is left. It takes its time, on a thread that may wait.
    pub fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(ANSWERED_WITHIN) {
            tracing::debug!(%error, "the last traces were not sent");
        }
    }
}

/// Sends, and says when it begins to fail and when it works again: whoever looks for traces that are
/// not there finds why.
#[derive(Debug)]
struct Told {
    to: SpanExporter,
    failing: AtomicBool,
}

impl Told {
    fn new(to: SpanExporter) -> Self {
        Self { to, failing: AtomicBool::new(false) }
    }
}

impl Export for Told {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.to.export(batch).await;
        // Why is not repeated: it may hold the address, and what is in it.
        match (self.failing.swap(sent.is_err(), Ordering::Relaxed), &sent) {
            (false, Err(_)) => {
                tracing::warn!(
                    "traces cannot be sent to the collector, and are dropped until they can"
                );
            }
            (true, Ok(())) => tracing::info!("traces are sent again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.to.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.to.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.to.set_resource(resource);
    }
}

/// The writer's commits, each a span of every traced request that it is for.
struct Commits {
    tracer: SdkTracer,
    system: &'static str,
}

impl Witness for Commits {
    fn begins(&self, requests: &[Traced], operations: usize) -> Box<dyn Witnessed> {
        let spans = requests.iter().map(|request| {
            let mut span = self
                .tracer
                .span_builder("commit")
                .with_kind(SpanKind::Internal)
                .start_with_context(&self.tracer, &within(*request));
            span.set_attribute(KeyValue::new("db.system.name", self.system));
            let operations = i64::try_from(operations).unwrap_or(i64::MAX);
            span.set_attribute(KeyValue::new("threadline.batch.operations", operations));
            span
        });
        Box::new(Committing(spans.collect()))
    }
}

/// As a child of that request's span.
fn within(request: Traced) -> Context {
    let (trace, span) = (TraceId::from_bytes(request.trace), SpanId::from_bytes(request.span));
    let state = TraceState::default();
    let parent = SpanContext::new(trace, span, TraceFlags::SAMPLED, false, state);
    Context::new().with_remote_span_context(parent)
}

/// A commit under way.
struct Committing(Vec<Span>);

impl Witnessed for Committing {
    fn ended(self: Box<Self>, committed: bool) {
        for mut span in self.0 {
            if !committed {
                span.set_status(Status::error("not committed"));
            }
            span.end();
        }
    }
}
