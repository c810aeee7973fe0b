//! What a tenant's people said of the service's decisions: what its weights are fitted on.

use std::sync::Arc;

use super::Error;
use super::desk::Desk;
use super::record::State;
use super::service::Service;
use super::settling::customer_of;
use super::tenant::Tenant;
use crate::ids::{CustomerId, Token};
use crate::store::Reads;
use crate::store::sweep::RowsOf;

/// Journal rows looked at in one step.
const STEP: i64 = 500;

/// One decision that somebody confirmed or rejected later.
pub struct ConfirmedDecision {
    /// Which weights it was made with.
    pub model_version: String,
    /// Who it could have been, best first.
    pub candidates: Vec<JudgedCandidate>,
}

/// A candidate, and whether it was them.
pub struct JudgedCandidate {
    /// What spoke for and against them: signals and their log-odds.
    pub evidence: Vec<(String, f64)>,
    /// Whether it was them.
    pub right: bool,
}

impl Service {
    /// Every decision of a tenant that had a candidate and that somebody confirmed or rejected: of
    /// calls, then of other channels.
    ///
    /// # Errors
    /// The store's, and those of rows that do not open.
    pub async fn confirmed_decisions(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
    ) -> Result<Vec<ConfirmedDecision>, Error> {
        let (mut found, now) = (Vec::new(), self.store.now().plus(1));
        for which in [RowsOf::Voice, RowsOf::OtherChannels] {
            let mut position = 0;
            loop {
                let walk = self.store.walk(tenant.id, which, position, now, STEP).await?;
                let Some(last) = walk.last else { break };
                for start in walk.found {
                    found.extend(self.judged(tenant, start.interaction).await?);
                }
                position = last;
            }
        }
        Ok(found)
    }

    async fn judged(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        interaction: Token,
    ) -> Result<Option<ConfirmedDecision>, Error> {
        let mut reads = Reads::Fresh(Arc::clone(&self.store));
        let mut desk = Desk::new(self, tenant, &mut reads);
        let known = match desk.interaction(interaction).await {
            Err(Error::Erased) => None,
            known => known?,
        };
        let Some(known) = known else { return Ok(None) };
        let State { decision, feedback, customer, .. } = known.state;
        let Some(decision) = decision.filter(|it| feedback != 0 && !it.inherited) else {
            return Ok(None);
        };
        let truth = stands_for(&mut desk, customer_of(&customer)).await?;
        let mut candidates = Vec::with_capacity(decision.candidates.len());
        for candidate in decision.candidates {
            let who = stands_for(&mut desk, customer_of(&candidate.customer)).await?;
            let evidence = candidate.evidence.iter().map(|one| (one.signal(), one.log_odds));
            candidates.push(JudgedCandidate {
                evidence: evidence.collect(),
                right: who.is_some() && who == truth,
            });
        }
        let model_version = decision.model_version;
        Ok((!candidates.is_empty()).then_some(ConfirmedDecision { model_version, candidates }))
    }
}

/// The set of a customer, as it is named by now.
async fn stands_for(
    desk: &mut Desk<'_, '_>,
    customer: Option<CustomerId>,
) -> Result<Option<CustomerId>, Error> {
    let Some(customer) = customer else { return Ok(None) };
    Ok(desk.person(customer, false).await?.map(|person| person.set_name()))
}
