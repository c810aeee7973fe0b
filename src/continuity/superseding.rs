//! Values that later ones of the same name have taken the place of: where there are many, the oldest go,
//! so that what still stands is never pushed out of what is read of a customer.
//!
//! A few are kept: a contact that is moved, redacted or amended brings back what it had replaced.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Error;
use super::desk::Desk;
use super::load;
use super::record::{BlockRecord, ValueRecord};
use super::working::Working;
use crate::clock::Time;
use crate::context::{Context, Order};
use crate::ids::CustomerId;
use crate::store::Removal;
use crate::store::history;
use crate::store::rows::{BlockKind, BlockRow};

/// So many writes of one kind may stand under others before the oldest go: fewer than half of what is read of
/// a customer.
const MOST_UNDER_OTHERS: usize = 200;
/// So many go at once at most: each is a statement.
const AT_ONCE: usize = 100;
/// Of one name so many are looked at that may stand over others.
const MOST_OVER: usize = 16;

/// Lets the oldest go, if there are many. To be called when a block has been added.
pub(super) async fn let_go(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
    kind: BlockKind,
) -> Result<(), Error> {
    if desk.working.get(&customer).is_some_and(Working::is_new) {
        return Ok(());
    }
    let person = desk.person(customer, true).await?;
    let many = person.and_then(|person| person.context.clone());
    let many = many.is_some_and(|context| under_others(&context, kind) >= MOST_UNDER_OTHERS);
    let gone =
        |one: &Removal| matches!(one, Removal::Block { customer: of, .. } if *of == customer);
    if !many || desk.effects.removals.iter().any(gone) {
        return Ok(());
    }
    let tenant = desk.tenant_id();
    let rows = desk
        .reads
        .load(Box::new(move |connection| {
            Box::pin(async move { history::blocks_of(connection, tenant, customer, None).await })
        }))
        .await?;
    let key = Arc::clone(&desk.take_in_hand(customer).await?.key);
    let mut blocks = Vec::with_capacity(rows.len());
    for row in rows.into_iter().filter(|row| row.kind == kind) {
        let record = load::open_block(tenant, &key, &row)?;
        blocks.push((row, record));
    }
    let away = superseded(&blocks).into_iter().map(|row| {
        let BlockRow { interaction, part, .. } = *row;
        Removal::Block { customer, kind, interaction, part }
    });
    desk.effects.removals.extend(away.take(AT_ONCE));
    Ok(())
}

/// How many writes are not the last of their name.
fn under_others(context: &Context, kind: BlockKind) -> usize {
    let mut names: Vec<&str> = match kind {
        BlockKind::Variables => context.variables.iter().map(|it| it.name.as_str()).collect(),
        BlockKind::Profile => context.profile.iter().map(|it| it.name.as_str()).collect(),
        // What somebody agreed to is kept for as long as they are known.
        BlockKind::Consents => return 0,
    };
    let all = names.len();
    if all < MOST_UNDER_OTHERS {
        return 0;
    }
    names.sort_unstable();
    names.dedup();
    all - names.len()
}

/// A value that stands over older ones of its name.
struct Later<'b> {
    assurance: i64,
    /// Until when it is kept.
    expire: Time,
    value: &'b Option<String>,
}

/// Blocks of one kind of which nothing would be missed, oldest first: all that they say has been said anew,
/// as surely and for as long at least, and twice, with the same value or with two others, so that what does
/// not agree is told as it was. What somebody chose stays, and what says so, too.
fn superseded(blocks: &[(BlockRow, BlockRecord)]) -> Vec<&BlockRow> {
    let chosen: BTreeSet<(&[u8], Order)> = blocks
        .iter()
        .flat_map(|(_, record)| &record.choices)
        .map(|choice| (&*choice.of, (choice.position, choice.part)))
        .collect();
    let mut newest_first: Vec<(Order, &(BlockRow, BlockRecord))> =
        blocks.iter().map(|block| (load::order(&block.1, &block.0), block)).collect();
    newest_first.sort_by_key(|(order, (_, record))| Reverse((record.set, *order)));
    let mut later: HashMap<&str, Vec<Later<'_>>> = HashMap::new();
    let mut away = Vec::new();
    for (order, (row, record)) in newest_first {
        let says_more = !record.choices.is_empty() || !record.acknowledged.is_empty();
        let stays = says_more || chosen.contains(&(&row.interaction.0[..], order));
        let under = |value: &ValueRecord| {
            let over = later.get(value.name.as_str()).into_iter().flatten();
            let over =
                over.filter(|it| it.assurance >= record.assurance && it.expire >= row.expire);
            is_said_anew(&value.value, over.map(|it| it.value))
        };
        if !stays && !record.values.is_empty() && record.values.iter().all(under) {
            away.push(row);
        }
        for ValueRecord { name, value, .. } in &record.values {
            let (assurance, expire) = (record.assurance, row.expire);
            stand(later.entry(name).or_default(), Later { assurance, expire, value });
        }
    }
    away.reverse();
    away
}

/// Whether a value is under these: two or more, it among them, or two that differ.
fn is_said_anew<'b>(
    value: &Option<String>,
    over: impl Iterator<Item = &'b Option<String>>,
) -> bool {
    let over: Vec<&Option<String>> = over.collect();
    over.len() > 1 && (over.contains(&value) || over.iter().any(|one| *one != over[0]))
}

/// Adds what stands over older ones; of many the strongest are enough.
fn stand<'b>(over: &mut Vec<Later<'b>>, one: Later<'b>) {
    if over.len() < MOST_OVER {
        return over.push(one);
    }
    let strength = |it: &Later<'_>| (it.assurance, it.expire);
    let weakest = over.iter_mut().min_by_key(|it| strength(it));
    if let Some(weakest) = weakest.filter(|weakest| strength(weakest) < strength(&one)) {
        *weakest = one;
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::ChoiceRecord;
    use super::*;
    use crate::ids::Token;

    fn block(position: i64, assurance: i64, name: &str, value: &str) -> (BlockRow, BlockRecord) {
        let row = BlockRow {
            customer: CustomerId([1; 16]),
            kind: BlockKind::Profile,
            interaction: Token([position as u8; 16]),
            part: 1,
            position,
            expire: Time(i64::MAX),
            content: Vec::new(),
        };
        let (name, value) = (name.to_owned(), Some(value.to_owned()));
        let values = vec![ValueRecord { name, value, ..ValueRecord::default() }];
        (row, BlockRecord { set: position, assurance, values, ..BlockRecord::default() })
    }

    fn away(blocks: &[(BlockRow, BlockRecord)]) -> Vec<i64> {
        superseded(blocks).iter().map(|row| row.position).collect()
    }

    #[test]
    fn what_was_said_anew_twice_is_not_missed() {
        let status = |position| block(position, 2, "status", "same");
        let mut blocks = vec![block(1, 2, "name", "Ada"), status(4), status(2), status(3)];
        assert_eq!(away(&blocks), [2], "the oldest, and never what stands alone");
        blocks.push(block(9, 1, "status", "weaker"));
        assert_eq!(away(&blocks), [2], "nothing weaker takes its place");
        let changing = |position| block(position, 2, "status", &position.to_string());
        let blocks: Vec<_> = [3, 1, 2, 4].map(changing).into();
        assert_eq!(away(&blocks), [1, 2], "what stands and what it disagrees with are there");
        let once =
            [block(1, 2, "name", "Ida"), block(2, 2, "name", "Ada"), block(3, 2, "name", "Ada")];
        assert!(away(&once).is_empty(), "the only other value is flagged");
    }

    #[test]
    fn what_ends_later_and_what_was_chosen_stays() {
        let status = |position| block(position, 2, "status", "same");
        let mut blocks = vec![status(1), status(2), status(3), status(4)];
        blocks[0].0.expire = Time(50);
        blocks.iter_mut().skip(1).for_each(|(row, _)| row.expire = Time(40));
        assert_eq!(away(&blocks), [2], "the first outlives the others");
        let (row, _) = &blocks[1];
        let choice = ChoiceRecord {
            of: row.interaction.0.to_vec(),
            position: row.position,
            part: row.part,
            ..ChoiceRecord::default()
        };
        blocks[3].1.choices.push(choice);
        assert!(away(&blocks).is_empty());
    }
}
