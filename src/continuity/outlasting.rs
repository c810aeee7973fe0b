//! How long a block of variables is kept: until nothing older can reappear from under it.

use super::Error;
use super::desk::Desk;
use super::record::{BlockRecord, ValueRecord};
use super::working::Working;
use crate::clock::Time;
use crate::context::VariableWrite;
use crate::ids::CustomerId;
use crate::store::Removal;

/// A value that a customer has, as far as others may hide it or be hidden.
#[derive(Clone)]
pub(super) struct Written {
    name: String,
    set: Time,
    expire: Time,
    /// When it expires if what hides it moves away.
    own_expire: Time,
}

impl Written {
    fn of(write: &VariableWrite) -> Self {
        let VariableWrite { set, expire, own_expire, .. } = *write;
        Self { name: write.name.clone(), set, expire, own_expire }
    }
}

/// How long a block of variables is kept: until all in it have expired, and until whatever it
/// hides has, lest an older value reappear. A value that comes late and is hidden already ends
/// with what hides it, for the same reason. What this very operation takes away hides nothing.
pub(super) async fn outlasts(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
    record: &mut BlockRecord,
) -> Result<i64, Error> {
    // A move may give a value its own time back.
    let ends = |value: &ValueRecord| value.own_expire.unwrap_or(value.expire).max(value.expire);
    let last = |record: &BlockRecord| record.values.iter().map(ends).max().unwrap_or(0);
    let is_new = desk.working.get(&customer).is_some_and(Working::is_new);
    let person = if is_new { None } else { desk.person(customer, true).await? };
    let now = desk.service.store.now();
    let mut of_others = Vec::new();
    if let Some(person) = person.as_ref().filter(|person| !person.members.is_empty()) {
        for member in desk.set_of(person, true).await?.iter().skip(1) {
            let context = member.context.clone().unwrap_or_default();
            of_others.extend(context.variables.iter().map(Written::of));
        }
    }
    let context = person.and_then(|person| person.context.clone()).unwrap_or_default();
    let kept = context.variables.iter().filter(|write| write.kept > now);
    let stays = kept.filter(|write| {
        let gone = Removal::Content { customer, interaction: write.of };
        !desk.effects.removals.contains(&gone)
    });
    let mut known: Vec<Written> = stays.map(Written::of).collect();
    // What this very operation has written to them is not in their context yet.
    known.extend(desk.written.iter().filter(|(of, _)| *of == customer).map(|(_, it)| it.clone()));
    for write in known.iter().filter(|write| write.set > Time(record.set)) {
        let late = record.values.iter_mut().filter(|value| value.name == write.name);
        for value in late.filter(|value| value.expire > write.expire.0) {
            value.own_expire.get_or_insert(value.expire);
            value.expire = write.expire.0;
        }
    }
    // What others of one set have said is hidden as well; it ends by nobody's writes but theirs.
    known.extend(of_others);
    let hidden = |write: &&Written| record.values.iter().any(|it| it.name == write.name);
    let older = known.iter().filter(hidden).map(|write| write.own_expire.0).max();
    let set = Time(record.set);
    desk.written.extend(record.values.iter().map(|value| {
        let (expire, own_expire) = (Time(value.expire), Time(ends(value)));
        (customer, Written { name: value.name.clone(), set, expire, own_expire })
    }));
    Ok(last(record).max(older.unwrap_or(0)))
}
