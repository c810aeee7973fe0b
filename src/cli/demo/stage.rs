//! Where the journeys are played: every call goes through the real API, is
//! timed, told on the page, and its expectations counted.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tonic::{Response, Status};

use super::cast::{Cast, LOCALE, ZONE};
use super::page::{Page, Tone};
use super::{DemoKeys, narrate};
use crate::cli::client::{self, Interactions};
use crate::clock::Time;
use crate::grpc::proto::end_interaction_request::IdentityFeedback as EndFeedback;
use crate::grpc::proto::update_interaction_request::IdentityFeedback;
use crate::grpc::proto::{
    Audience, EndInteractionRequest, EndInteractionResponse, Recommendation,
    StartInteractionRequest, StartInteractionResponse, UpdateInteractionRequest,
};

/// How often a start that got no decision is asked again.
const MAX_TRIES: u32 = 5;

/// The systems of the contact centre that call the service.
#[derive(Clone, Copy)]
pub(super) enum System {
    /// The telephone system.
    Telephony,
    /// The web widget and the messengers.
    Chat,
    /// The ticket system.
    Helpdesk,
    /// An agent's desktop.
    Agent,
}

/// The stage.
pub(super) struct Stage<'a> {
    /// Who plays.
    pub(super) cast: Cast,
    /// Where it is told.
    pub(super) page: Page<'a>,
    systems: [Interactions; 4],
    failed: usize,
}

impl<'a> Stage<'a> {
    /// Connects every system with its own key.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub(super) async fn open(
        server_url: &str,
        keys: &DemoKeys,
        cast: Cast,
        page: Page<'a>,
    ) -> anyhow::Result<Self> {
        let system =
            async |key: &str| client::connect(server_url, Some(key)).await.map(Interactions::new);
        let systems = [
            system(&keys.telephony).await?,
            system(&keys.chat).await?,
            system(&keys.helpdesk).await?,
            system(&keys.agent).await?,
        ];
        Ok(Self { cast, page, systems, failed: 0 })
    }

    /// How many expectations did not hold.
    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    /// Tells whether what must be so is so.
    ///
    /// # Errors
    /// When the page cannot be written.
    pub(super) fn expect(&mut self, holds: bool, text: &str) -> anyhow::Result<()> {
        self.failed += usize::from(!holds);
        Ok(self.page.expectation(holds, text)?)
    }

    fn system(&self, system: System) -> Interactions {
        self.systems[system as usize].clone()
    }

    /// Starts an interaction at that time and tells the answer.
    ///
    /// # Errors
    /// When the call fails.
    pub(super) async fn start(
        &mut self,
        system: System,
        at: Time,
        mut request: StartInteractionRequest,
    ) -> anyhow::Result<StartInteractionResponse> {
        request.start_time = Some(timestamp(at));
        request.locale = LOCALE.to_owned();
        request.time_zone = ZONE.to_owned();
        let mut client = self.system(system);
        let mut tries = 0;
        let (answer, lasted) = loop {
            tries += 1;
            let begun = Instant::now();
            let answer = answered("start", client.start_interaction(request.clone()).await)?;
            if !answer.degraded || tries == MAX_TRIES {
                break (answer, begun.elapsed());
            }
        };
        let when = self.cast.wall_clock(at);
        self.tell(&when, &narrate::channel(&request.channel), &answer, lasted)?;
        if request.audience() != Audience::Private && request.audience() != Audience::Unspecified {
            self.page.detail("says", "nothing: others are listening")?;
        }
        Ok(answer)
    }

    /// Sends what became known meanwhile and tells what the answer is now.
    ///
    /// # Errors
    /// When the call fails.
    pub(super) async fn update(
        &mut self,
        system: System,
        request: UpdateInteractionRequest,
    ) -> anyhow::Result<StartInteractionResponse> {
        let what = match &request.identity_feedback {
            Some(IdentityFeedback::IdentityConfirmed(_)) => "confirmed",
            Some(IdentityFeedback::IdentityRejected(_)) => "rejected",
            None => "update",
        };
        let mut client = self.system(system);
        let begun = Instant::now();
        let answer = answered("update", client.update_interaction(request).await)?;
        self.tell("", what, &answer, begun.elapsed())?;
        Ok(answer)
    }

    /// Ends an interaction at that time and tells what was kept.
    ///
    /// # Errors
    /// When the call fails.
    pub(super) async fn end(
        &mut self,
        system: System,
        at: Time,
        mut request: EndInteractionRequest,
    ) -> anyhow::Result<EndInteractionResponse> {
        request.end_time = Some(timestamp(at));
        let unstarted = !request.channel.is_empty();
        let text = kept(&request);
        let channel = narrate::channel(&request.channel);
        let mut client = self.system(system);
        let begun = Instant::now();
        let answer = answered("end", client.end_interaction(request).await)?;
        let lasted = begun.elapsed();
        let when = if unstarted { self.cast.wall_clock(at) } else { String::new() };
        let what = if unstarted { channel.as_str() } else { "ends" };
        self.page.call(&when, what, (Tone::Faint, &text), lasted)?;
        Ok(answer)
    }

    /// What the agent sees of an answer.
    fn tell(
        &mut self,
        when: &str,
        what: &str,
        answer: &StartInteractionResponse,
        lasted: Duration,
    ) -> anyhow::Result<()> {
        let (tone, text) = narrate::decision(answer);
        self.page.call(when, what, (tone, &text), lasted)?;
        let identity = answer.identity.clone().unwrap_or_default();
        let ask = match identity.recommendation() {
            Recommendation::Confirm => narrate::candidates(&identity.candidates),
            _ => String::new(),
        };
        for (name, text) in [
            ("why", narrate::reasons(&identity)),
            ("ask for", ask),
            ("brief", answer.brief.clone()),
            ("open", narrate::open_intents(&answer.open_intents)),
            ("remembers", narrate::remembered(answer)),
        ] {
            if !text.is_empty() {
                self.page.detail(name, &text)?;
            }
        }
        Ok(())
    }
}

/// What an end asks to keep, in a line.
fn kept(request: &EndInteractionRequest) -> String {
    let mut text = match request.summary.as_str() {
        "" => "no note".to_owned(),
        summary => format!("“{summary}”"),
    };
    for intent in &request.intents {
        let status = intent.status().as_str_name().trim_start_matches("INTENT_STATUS_");
        text.push_str(&format!(", {} {}", intent.intent, status.to_lowercase()));
    }
    if matches!(request.identity_feedback, Some(EndFeedback::IdentityRejected(_))) {
        text.push_str(", somebody else");
    }
    text
}

fn answered<T>(verb: &str, result: Result<Response<T>, Status>) -> anyhow::Result<T> {
    result
        .map(Response::into_inner)
        .map_err(|status| anyhow!(client::sentence(&status)))
        .with_context(|| format!("the {verb} failed"))
}

fn timestamp(at: Time) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.0.div_euclid(1_000),
        nanos: (at.0.rem_euclid(1_000) * 1_000_000) as i32,
    }
}

/// Whether an answer shows nothing of anybody's affairs.
pub(super) fn shows_nothing(answer: &StartInteractionResponse) -> bool {
    answer.open_intents.is_empty()
        && answer.variables.is_empty()
        && answer.profile.is_empty()
        && answer.recent_interactions.is_empty()
        && answer.brief.is_empty()
        && answer.withheld_variables.is_empty()
        && answer.last_agent_ref.is_empty()
}
