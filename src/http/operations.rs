//! What those who operate an instance ask of it: whether it lives (`/healthz`), whether it should be
//! sent calls (`/readyz`), and what it has counted (`/metrics`).
//!
//! Whoever reaches the port may ask the first two. The metrics tell how a business goes: they are shown
//! at the operators' own address, elsewhere only where the settings say so.

use std::sync::{Arc, OnceLock};

use tonic::body::Body;
use tonic::codegen::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use tonic::codegen::http::{Method, Response, StatusCode};

use super::counts::Answers;
use crate::continuity::Service;
use crate::continuity::readiness::{NotReady, Readiness};
use crate::events::webhooks::Webhooks;

/// What Prometheus' text format is called.
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// What everything else is.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Where somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// At the port that everybody calls.
    Anywhere,
    /// At the operators' own address.
    ByOperators,
}

/// What is asked.
enum Question {
    Lives,
    Ready,
    Metrics,
}

/// One instance, as its operators see it.
pub struct Operations {
    open: OnceLock<Open>,
    metrics_anywhere: bool,
}

/// An instance that is open.
struct Open {
    service: Arc<Service>,
    readiness: Readiness,
    webhooks: Arc<Webhooks>,
    answers: Answers,
}

impl Operations {
    /// An instance that is starting; whether its metrics are shown to everybody.
    pub fn starting(metrics_anywhere: bool) -> Arc<Self> {
        Arc::new(Self { open: OnceLock::new(), metrics_anywhere })
    }

    /// It is open now.
    pub fn opened(&self, service: &Arc<Service>, webhooks: &Arc<Webhooks>, readiness: Readiness) {
        let meters = service.meters();
        let open = Open {
            readiness,
            answers: Answers::new(meters),
            service: Arc::clone(service),
            webhooks: Arc::clone(webhooks),
        };
        // An instance is opened once.
        let _ = self.open.set(open);
    }

    /// It is to be sent no calls any more.
    pub fn drain(&self) {
        if let Some(open) = self.open.get() {
            open.readiness.drain();
        }
    }

    /// An answer of a door that speaks HTTP's own codes, counted.
    pub(super) fn counted(&self, answer: Response<Body>) -> Response<Body> {
        if let Some(open) = self.open.get() {
            open.answers.count(answer.status());
        }
        answer
    }

    /// The answer to an operator; none where this is no question of theirs.
    pub async fn answer(
        &self,
        method: &Method,
        path: &str,
        asked: Asked,
    ) -> Option<Response<Body>> {
        let question = match path {
            "/healthz" => Question::Lives,
            "/readyz" => Question::Ready,
            "/metrics" if self.metrics_anywhere || asked == Asked::ByOperators => Question::Metrics,
            _ => return None,
        };
        if ![Method::GET, Method::HEAD].contains(method) {
            let mut answer = told(StatusCode::METHOD_NOT_ALLOWED, "ask with GET\n".into());
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(answer);
        }
        Some(match question {
            Question::Lives => told(StatusCode::OK, "alive\n".into()),
            Question::Ready => match self.is_ready().await {
                Ok(()) => told(StatusCode::OK, "ready\n".into()),
                Err(why) => told(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            Question::Metrics => self
                .metrics()
                .unwrap_or_else(|why| told(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"))),
        })
    }

    async fn is_ready(&self) -> Result<(), NotReady> {
        self.open.get().ok_or(NotReady::Starting)?.readiness.look().await
    }

    fn metrics(&self) -> Result<Response<Body>, NotReady> {
        let Open { service, webhooks, .. } = self.open.get().ok_or(NotReady::Starting)?;
        service.take_stock();
        webhooks.take_stock();
        let mut answer = told(StatusCode::OK, service.meters().text());
        answer.headers_mut().insert(CONTENT_TYPE, METRICS);
        Ok(answer)
    }
}

fn told(code: StatusCode, text: String) -> Response<Body> {
    let mut answer = Response::new(Body::new(text));
    *answer.status_mut() = code;
    answer.headers_mut().insert(CONTENT_TYPE, TEXT);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
