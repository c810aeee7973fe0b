//! What becomes of attempts: of the event that was tried, of those that wait with it, and of the endpoint.

use std::mem::{replace, take};

use super::super::lanes::Waiting;
use super::super::schedule::{Schedule, heeded};
use super::super::sender::Attempt;
use super::progress::LOWEST_STATUS;
use super::{Runner, SWITCHED_OFF_AFTER};
use crate::clock::Time;
use crate::continuity::webhooks::event_id;
use crate::store::webhooks::{DeliveryRow, DeliveryState, EndpointState};

/// The status of an endpoint that is gone.
const GONE: i64 = 410;
/// Those of one that is asked too often, or has too much to do.
const TOO_MUCH: [i64; 2] = [429, 503];

impl Runner {
    /// An attempt has ended.
    pub(super) fn ended(&mut self, position: i64, begun: Time, attempt: Attempt) {
        let now = self.now();
        let Some(waiting) = self.lanes.get_mut(position) else { return };
        waiting.in_flight = false;
        let (outcome, asked) = match attempt {
            Attempt::Accepted(_) => return self.accepted(position, now),
            Attempt::Failed(outcome, asked) => (outcome, asked),
            Attempt::Gone => {
                self.state = EndpointState::Gone;
                (GONE, None)
            }
        };
        let random = self.webhooks.random();
        if waiting.gone {
            self.done(position);
            return self.failed(begun, now, random);
        }
        waiting.keeps_time_for = waiting.keeps_time_for.saturating_sub(1);
        let failed_before = replace(&mut waiting.failed, now);
        waiting.outcome = outcome;
        waiting.asked = now.plus(heeded(asked));
        let mut kept = None;
        let due = match waiting.own_time.take().filter(|own| *own > now) {
            // It was tried before its time, which counts for nothing: nor shall the row of who answers
            // look as if they had asked for the time that is left.
            Some(own) => {
                let asks = waiting.asked > now;
                kept = Some(failed_before).filter(|_| outcome >= LOWEST_STATUS && !asks);
                Some(own.max(waiting.asked))
            }
            None => {
                waiting.attempts += 1;
                let delay = self.webhooks.terms.schedule.again(waiting.attempts, random, asked);
                delay.map(|delay| now.plus(delay))
            }
        };
        match due {
            Some(due) => {
                (waiting.due, waiting.stored) = (due, true);
                put_apart(waiting, now, &self.webhooks.terms.schedule);
                let row = waiting.row(position, DeliveryState::Waiting);
                let failed = kept.unwrap_or(row.failed);
                self.put.insert(position, DeliveryRow { failed, ..row });
            }
            None => {
                let row = waiting.row(position, DeliveryState::GivenUp);
                self.lanes.remove(position);
                self.put.insert(position, row);
                let (endpoint, id) = (self.name(), event_id(&self.tenant, position));
                tracing::warn!(endpoint, id, outcome, "a web-hook was given up");
            }
        }
        self.failed(begun, now, random);
        if TOO_MUCH.contains(&outcome) {
            self.pace.slow_down(now.plus(heeded(asked)));
        }
    }

    fn accepted(&mut self, position: i64, now: Time) {
        self.done(position);
        if let Some(since) = self.pace.accepted() {
            tracing::info!(endpoint = self.name(), "web-hooks are accepted again");
            for hastened in self.lanes.hasten(since, now) {
                // Whoever takes over before it is tried does not know that it was hastened.
                if let Some(waiting) = self.lanes.get_mut(hastened) {
                    put_apart(waiting, now, &self.webhooks.terms.schedule);
                    let row = waiting.row(hastened, DeliveryState::Waiting);
                    self.put.insert(hastened, row);
                }
            }
        }
        if take(&mut self.inherited) {
            self.lanes.bring_forward(now);
        }
    }

    fn failed(&mut self, begun: Time, now: Time, random: u64) {
        if self.pace.failed(begun, now, random) {
            tracing::warn!(endpoint = self.name(), "web-hooks are not accepted");
        }
        let failing = now.since(self.pace.failing_since());
        if self.state == EndpointState::On && failing > SWITCHED_OFF_AFTER {
            self.state = EndpointState::Failed;
        }
        if self.state != EndpointState::On {
            tracing::error!(endpoint = self.name(), state = ?self.state, "web-hooks are switched off");
        }
    }
}

/// One that its receiver asks time for is due when nobody else is: whoever takes over knows that by its
/// row alone.
fn put_apart(waiting: &mut Waiting, now: Time, schedule: &Schedule) {
    if waiting.asked > now {
        let delay = schedule.apart(waiting.attempts, waiting.due.since(waiting.failed));
        waiting.due = waiting.failed.plus(delay);
    }
}
