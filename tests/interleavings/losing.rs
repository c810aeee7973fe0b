//! A commit whose answer is lost: nobody knows whether it took place, so it is run again on a new
//! connection, where the journal decides.

use std::sync::Arc;

use threadline::grpc::proto::update_interaction_request::IdentityFeedback;
use threadline::grpc::proto::{
    IdentityConfirmed, LineType, Recommendation, StartInteractionRequest, Telco,
    UpdateInteractionRequest, VariableInput,
};
use threadline::store::schedule::Point;

use crate::database::Database;
use crate::instance::{Calls, Instance, call, consistent, decided, recommended, rows};
use crate::keys::new_key;
use crate::one_batch::Busy;
use crate::serving::end;

pub(crate) async fn a_commit_whose_answer_is_lost(database: Arc<Database>) {
    let key = new_key(&database).await;
    let instance = Instance::on(&database, &key).await;
    let story = Story::begun(&instance.calls, 1).await;
    let customers = rows(&database, "customer").await;
    let busy = Busy::with(&instance, 900).await;
    story.goes_on(&instance, busy, || instance.wheel.fail(Point::Committed)).await;
    // The stranger, and the one whose start was lost.
    assert_eq!(rows(&database, "customer").await, customers + 2);
    consistent(&database).await;
    instance.stop().await;
}

/// The transaction is lost before its commit: the same calls, and the same answers.
pub(crate) async fn a_batch_that_is_lost_before_its_commit(database: Arc<Database>) {
    let key = new_key(&database).await;
    let instance = Instance::on(&database, &key).await;
    for (round, point) in (1..).zip([Point::Locked, Point::Written]) {
        let story = Story::begun(&instance.calls, 10 * round).await;
        let customers = rows(&database, "customer").await;
        let busy = Busy::with(&instance, 900 + round).await;
        story.goes_on(&instance, busy, || instance.wheel.fail(point)).await;
        assert_eq!(rows(&database, "customer").await, customers + 2, "at {point:?}");
    }
    consistent(&database).await;
    instance.stop().await;
}

/// What one batch will hold: a start of somebody new, a start of somebody known, an update that
/// confirms, an end, and an end without a start.
pub(crate) struct Story {
    number: u64,
    known: String,
}

impl Story {
    pub(crate) async fn begun(calls: &Calls, number: u64) -> Self {
        let known = calls.started(&format!("first {number}"), number).await.customer_ref;
        calls.ended(&format!("first {number}")).await;
        calls.started(&format!("open {number}"), number).await;
        // A fixed line is never enough after one contact: who shows it is only asked to confirm.
        calls.started(&format!("asked {number}"), number + 1).await;
        let landline = Telco { line_type: LineType::Landline.into(), ..Telco::default() };
        let call = call(&format!("to confirm {number}"), number + 1);
        let asked = StartInteractionRequest { telco: Some(landline), ..call };
        let asked = decided(calls.start(asked).await);
        assert!(recommended(&asked) == Recommendation::Confirm);
        Self { number, known }
    }

    /// Everything at once, in one batch; and everything again, as a caller retries.
    pub(crate) async fn goes_on(&self, instance: &Instance, busy: Busy, loses: impl FnOnce()) {
        let queued = instance.wheel.hold_every(Point::Queued);
        let (calls, number) = (&instance.calls, self.number);
        let new = calls.start(call(&format!("new {number}"), number + 2));
        let back = calls.start(call(&format!("back {number}"), number));
        let confirming = tokio::spawn(confirm(calls.clone(), number));
        let ending = calls.end(end(&format!("open {number}")));
        queued.arrived_times(4).await;
        queued.release();
        // The stranger's batch comes first: it is not the one that is lost.
        let next = instance.wheel.hold(Point::Taken);
        busy.goes_on().await;
        next.arrived().await;
        loses();
        next.release();
        let (new, back) = (decided(new.await), decided(back.await));
        assert!(new.new_customer);
        assert_eq!(back.customer_ref, self.known);
        let confirmed = confirming.await.expect("a call that ends");
        ending.await.expect("a call that ends").expect("an end that is acknowledged");
        self.stands(calls, &new.customer_ref, &confirmed).await;
        // A caller who heard nothing asks again.
        let again = calls.started(&format!("new {number}"), number + 2).await;
        assert_eq!((again.customer_ref, again.new_customer), (new.customer_ref.clone(), true));
        assert_eq!(confirm(calls.clone(), number).await, confirmed);
        calls.ended(&format!("open {number}")).await;
        self.stands(calls, &new.customer_ref, &confirmed).await;
    }

    /// Everything took place once.
    async fn stands(&self, calls: &Calls, new: &str, confirmed: &str) {
        let known = calls.person(&self.known).await;
        assert_eq!(known.contact_count, 2, "two contacts have ended");
        assert_eq!(known.open_intents[0].attempt_count, 2);
        assert_eq!(known.variables["last"].value, format!("of open {}", self.number));
        assert_eq!(calls.person(new).await.contact_count, 0);
        let confirmed = calls.person(confirmed).await;
        assert_eq!(confirmed.variables["said"].value, "once");
    }
}

/// Confirms who it is, and says something about them; who that is.
async fn confirm(calls: Calls, number: u64) -> String {
    let said = VariableInput { value: "once".into(), ..VariableInput::default() };
    let who = IdentityConfirmed { customer_ref: String::new() };
    let request = UpdateInteractionRequest {
        interaction_id: format!("to confirm {number}"),
        update_id: "it is them".into(),
        identity_feedback: Some(IdentityFeedback::IdentityConfirmed(who)),
        variables: [("said".to_owned(), said)].into(),
        ..UpdateInteractionRequest::default()
    };
    let mut client = calls.interactions;
    client.update_interaction(request).await.expect("an update").into_inner().customer_ref
}
