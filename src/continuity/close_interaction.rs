//! Closes an interaction that nobody ended, at its newest event. A late end amends it.

use std::sync::Arc;

use super::Error;
use super::desk::Desk;
use super::filing;
use super::journaling::{self, Entry};
use super::record::{EndingRecord, State};
use super::relinking;
use super::service::Service;
use super::settling::refresh;
use super::sweep::SWEEP;
use super::tenant::Tenant;
use crate::clock::Time;
use crate::context::Sensitivity;
use crate::ids::TenantId;
use crate::store::rows::Verb;
use crate::store::sweep::OldRow;
use crate::store::{Boxed, Operation, Proposed, Reads};

pub(super) struct CloseOperation {
    service: Arc<Service>,
    tenant: Arc<Tenant>,
    start: OldRow,
}

impl CloseOperation {
    pub fn new(service: &Arc<Service>, tenant: &Arc<Tenant>, start: OldRow) -> Self {
        Self { service: Arc::clone(service), tenant: Arc::clone(tenant), start }
    }

    async fn close(&self, desk: &mut Desk<'_, '_>) -> Result<(), Error> {
        let interaction = self.start.interaction;
        let known = desk.interaction(interaction).await?.ok_or(Error::AlreadyDone)?;
        let mut state: State = known.state;
        if state.ending.is_some() {
            return Err(Error::AlreadyDone);
        }
        refresh(desk, &mut state).await?;
        if state.customer.is_empty() {
            return Err(Error::AlreadyDone);
        }
        let at = Time(state.newest_event.max(state.start_time));
        state.ending = Some(EndingRecord {
            end_time: at.0,
            sensitivity: Sensitivity::Normal.code(),
            intents: state.intents.clone(),
            disposition: "never_ended".into(),
            reached: filing::was_reached(&state, ""),
            never_ended: true,
            ..EndingRecord::default()
        });
        filing::flush(desk, &mut state, interaction).await?;
        relinking::hold(desk, &mut state, interaction).await?;
        filing::file(desk, &mut state, interaction).await?;
        filing::count(desk, &mut state, interaction).await?;
        let entry = Entry {
            interaction,
            verb: Verb::Close,
            part: Vec::new(),
            fingerprint: Vec::new(),
            time: Time(state.newest_event),
            caller: SWEEP,
        };
        journaling::write(desk, &state, entry).await
    }
}

impl Operation for CloseOperation {
    type Answer = u64;
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.tenant.id
    }

    fn decide<'a>(&'a self, reads: &'a mut Reads<'_>) -> Boxed<'a, Result<Proposed<u64>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.tenant, reads);
            self.close(&mut desk).await?;
            Ok(desk.propose(1))
        })
    }
}
