//! What ends by time: starts that never end are closed, customers without any identifier are
//! removed, expired values go. In small steps, while serving.

use std::sync::Arc;

use super::Error;
use super::desk::Desk;
use super::filing;
use super::joining;
use super::journaling::{self, Entry};
use super::record::{EndingRecord, State};
use super::service::Service;
use super::settling::refresh;
use super::tenant::Tenant;
use crate::clock::Time;
use crate::context::{Sensitivity, TEST_TENANT_KEPT, UNIDENTIFIED_KEPT, never_ended_after};
use crate::ids::{TenantId, Token};
use crate::store::rows::{JournalRow, Outcome, Verb};
use crate::store::sweep::{OldStart, StartsOf};
use crate::store::{Boxed, Operation, Proposal, Reads, Removal, Verdict};

/// Journal rows looked at in one step.
const STEP: i64 = 200;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Interactions closed because no end came.
    pub closed: u64,
    /// Customers removed.
    pub purged: u64,
    /// Blocks of expired values removed.
    pub expired: u64,
}

impl Service {
    /// Sweeps every tenant once, as far as there is anything to sweep.
    ///
    /// # Errors
    /// The store's; what was swept before stays swept.
    pub async fn sweep(self: &Arc<Self>) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        for row in self.store.tenants().await? {
            let tenant = self.tenant(row.tenant).await?;
            for which in [StartsOf::Voice, StartsOf::OtherChannels] {
                swept.closed += self.each_old_start(&tenant, which).await?;
            }
            swept.purged += self.each_old_start(&tenant, StartsOf::Unidentified).await?;
            if tenant.test {
                swept.purged += self.each_old_start(&tenant, StartsOf::NewCustomers).await?;
            }
            loop {
                let now = self.store.now();
                let gone = self.store.remove_expired_blocks(tenant.id, now, STEP).await?;
                swept.expired += gone;
                if gone < STEP as u64 {
                    break;
                }
            }
        }
        Ok(swept)
    }

    /// Walks the starts that are old enough, from where the sweep last stopped.
    async fn each_old_start(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        which: StartsOf,
    ) -> Result<u64, Error> {
        let (name, kept) = match which {
            StartsOf::Voice => ("never_ended_voice", never_ended_after("voice")),
            StartsOf::OtherChannels => ("never_ended_other", never_ended_after("")),
            StartsOf::Unidentified => ("unidentified", UNIDENTIFIED_KEPT),
            StartsOf::NewCustomers => ("test_customers", TEST_TENANT_KEPT),
        };
        let cutoff = self.store.now().plus(-kept);
        let mut mark = self.store.sweep_mark(tenant.id, name).await?;
        let (begun, mut done) = (mark, 0);
        loop {
            let walk = self.store.walk(tenant.id, which, mark, cutoff, STEP).await?;
            let Some(last) = walk.last else { break };
            for start in walk.found {
                let sweeping = SweepOperation::new(self, tenant, which, start);
                match self.store.run(Arc::new(sweeping)).await {
                    Ok(Verdict::Committed(())) => done += 1,
                    Ok(Verdict::Replay) | Err(Error::AlreadyDone) => {}
                    Err(Error::Store(error)) => return Err(error.into()),
                    // One that cannot be swept must not keep all the others from it.
                    Err(error) => tracing::warn!(%error, sweep = name, "an interaction was left"),
                }
            }
            mark = last;
        }
        if mark != begun {
            self.store.set_sweep_mark(tenant.id, name, mark).await?;
        }
        Ok(done)
    }
}

struct SweepOperation {
    service: Arc<Service>,
    tenant: Arc<Tenant>,
    which: StartsOf,
    start: OldStart,
}

/// Who a sweep is, in the journal.
const SWEEP: &str = "sweep";

impl SweepOperation {
    fn new(service: &Arc<Service>, tenant: &Arc<Tenant>, which: StartsOf, start: OldStart) -> Self {
        Self { service: Arc::clone(service), tenant: Arc::clone(tenant), which, start }
    }

    /// Closes an interaction at its newest event.
    async fn close(&self, desk: &mut Desk<'_, '_>, interaction: Token) -> Result<(), Error> {
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
        filing::file(desk, &mut state, interaction).await?;
        filing::count(desk, &mut state).await?;
        self.journal(desk, &state, interaction, Verb::Close).await
    }

    /// Removes a customer that nothing was ever linked to, or a test customer of long ago.
    async fn purge(&self, desk: &mut Desk<'_, '_>, interaction: Token) -> Result<(), Error> {
        let customer = self.start.customer.ok_or(Error::AlreadyDone)?;
        let person = desk.people(&[customer], false).await?.remove(&customer);
        let person = person.ok_or(Error::AlreadyDone)?;
        let unidentified = self.which == StartsOf::Unidentified;
        let kept = !person.links.is_empty()
            || person.row.moved_to.is_some()
            // Somebody said who this is.
            || !person.members.is_empty();
        if unidentified && kept {
            return Err(Error::AlreadyDone);
        }
        joining::leave(desk, customer).await?;
        desk.effects.heads.extend(person.links.iter().map(|link| link.token));
        desk.effects.removals.push(Removal::Customer { customer });
        desk.effects.strip.push(interaction);
        desk.effects.journal.push(JournalRow {
            interaction,
            verb: Verb::Purge,
            part: Vec::new(),
            position: 0,
            fingerprint: Vec::new(),
            received: Time(0),
            time: self.service.store.now(),
            channel: String::new(),
            customer: Some(customer),
            caller: SWEEP.into(),
            outcome: Outcome::Removed,
            state: Vec::new(),
            digest: Vec::new(),
            strips: Vec::new(),
        });
        Ok(())
    }

    async fn journal(
        &self,
        desk: &mut Desk<'_, '_>,
        state: &State,
        interaction: Token,
        verb: Verb,
    ) -> Result<(), Error> {
        let entry = Entry {
            interaction,
            verb,
            part: Vec::new(),
            fingerprint: Vec::new(),
            time: Time(state.newest_event),
            caller: SWEEP,
        };
        journaling::write(desk, state, entry).await
    }
}

impl Operation for SweepOperation {
    type Answer = ();
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.tenant.id
    }

    fn decide<'a>(&'a self, reads: &'a mut Reads<'_>) -> Boxed<'a, Result<Proposal<()>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.tenant, reads);
            let interaction = self.start.interaction;
            match self.which {
                StartsOf::Voice | StartsOf::OtherChannels => {
                    self.close(&mut desk, interaction).await?;
                }
                StartsOf::Unidentified | StartsOf::NewCustomers => {
                    self.purge(&mut desk, interaction).await?;
                }
            }
            Ok(desk.propose(()))
        })
    }
}
