//! The effects of a batch as statements: every table once, for as many operations as possible.
//!
//! On SQLite each statement costs two changes of thread, which for a small batch is more than its
//! rows cost. Operations of one shape (so many rows of each table) are therefore written by one text
//! that fills all their tables; a few shapes are most of what comes. PostgreSQL takes one statement
//! at a time, and a row only once in it.

use std::sync::LazyLock;

use quick_cache::sync::Cache;
use rustc_hash::{FxHashMap, FxHashSet};
use sqlx::AnyConnection;

use super::rows::{CustomerRow, HeadRow, LinkRow, Rejoined, UsedLink};
use super::statement::{self, InsertedTogether, Row, RowValues, SharedText, sizes};
use super::{Effects, Engine, Error};
use crate::ids::{Stamp, TenantId, Token};

/// Tables that effects are written to, two of them counted twice: customers that stay in their set
/// and those that change it, links made or raised and links used.
const TABLES: usize = 13;
/// Rows of one table that an operation of a common shape has at most.
const MOST_IN_SHAPE: usize = 4;
/// Rows of one table in one text at most.
const MOST_ROWS: usize = 64;
/// Texts that are remembered; the driver keeps about as many prepared. Whoever sends shapes that
/// nobody else has makes a text for each, and pushes out nobody's for long.
const MOST_TEXTS: usize = 100;
/// Operations of one text: fewer sizes than rows have, since each shape has texts of its own.
const SIZES: [usize; 10] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

/// How many rows of each table an operation writes.
type Shape = [u8; TABLES];

/// Writes what these operations of one tenant changed, removals first.
pub(super) async fn write(
    connection: &mut AnyConnection,
    tenant: TenantId,
    operations: &[&Effects],
    stamp: Stamp,
) -> Result<(), Error> {
    for removal in operations.iter().flat_map(|effects| &effects.removals) {
        super::sweep::remove(connection, tenant, *removal).await?;
    }
    let mut uncommon: Vec<&Effects> = Vec::new();
    if Engine::behind(connection) == Engine::Sqlite {
        let mut shapes: FxHashMap<Shape, Vec<&Effects>> = FxHashMap::default();
        for effects in operations {
            match shape_of(effects) {
                Some(shape) => shapes.entry(shape).or_default().push(effects),
                None => uncommon.push(effects),
            }
        }
        shapes.remove(&Shape::default());
        for (shape, alike) in shapes {
            write_alike(connection, tenant, shape, &alike, stamp).await?;
        }
    } else {
        uncommon.extend(operations);
    }
    by_table(connection, tenant, &uncommon, stamp).await
}

/// Every table in statements of its own.
async fn by_table(
    connection: &mut AnyConnection,
    tenant: TenantId,
    operations: &[&Effects],
    stamp: Stamp,
) -> Result<(), Error> {
    macro_rules! all {
        ($rows:ident) => {
            operations.iter().flat_map(|effects| &effects.$rows).collect::<Vec<_>>()
        };
    }
    let tokens: FxHashSet<Token> = operations.iter().flat_map(|it| &it.heads).copied().collect();
    let heads: Vec<HeadRow> = tokens.into_iter().map(|token| HeadRow { token, stamp }).collect();
    let made: Vec<&LinkRow> = operations.iter().flat_map(|effects| made(effects)).collect();
    let used: Vec<UsedLink> = operations.iter().flat_map(|effects| used(effects)).collect();
    statement::insert(connection, tenant, &all!(data_keys)).await?;
    let staying: Vec<&CustomerRow> = operations.iter().flat_map(|it| staying(it)).collect();
    let rejoined: Vec<Rejoined> = operations.iter().flat_map(|it| rejoined(it)).collect();
    statement::insert(connection, tenant, &staying).await?;
    statement::insert(connection, tenant, &rejoined).await?;
    statement::insert(connection, tenant, &all!(merges)).await?;
    statement::insert(connection, tenant, &heads).await?;
    statement::insert(connection, tenant, &made).await?;
    statement::insert(connection, tenant, &used).await?;
    statement::insert(connection, tenant, &all!(interactions)).await?;
    statement::insert(connection, tenant, &all!(facts)).await?;
    statement::insert(connection, tenant, &all!(blocks)).await?;
    statement::insert(connection, tenant, &all!(labels)).await?;
    statement::insert(connection, tenant, &all!(ties)).await?;
    statement::insert(connection, tenant, &all!(disputes)).await?;
    Ok(())
}

/// Customers whose set stays as it is: all of them, unless the operation merges or unmerges.
fn staying(effects: &Effects) -> impl Iterator<Item = &CustomerRow> {
    effects.customers.iter().filter(|_| effects.merges.is_empty())
}

/// Customers whose set may change.
fn rejoined(effects: &Effects) -> impl Iterator<Item = Rejoined<'_>> {
    effects.customers.iter().filter(|_| !effects.merges.is_empty()).map(Rejoined)
}

/// Links that were made or raised: their tokens are among the heads.
fn made(effects: &Effects) -> impl Iterator<Item = &LinkRow> {
    effects.links.iter().filter(|link| effects.heads.contains(&link.token))
}

/// Links that were used once more.
fn used(effects: &Effects) -> impl Iterator<Item = UsedLink<'_>> {
    effects.links.iter().filter(|link| !effects.heads.contains(&link.token)).map(UsedLink)
}

/// Goes through the tables, in one order for texts and arguments.
trait Visitor {
    fn table<R: Row>(&mut self, rows: impl Iterator<Item = R>);
}

fn visit<'e>(
    operations: impl Iterator<Item = &'e Effects> + Clone,
    stamp: Stamp,
    visitor: &mut impl Visitor,
) {
    let of = || operations.clone();
    visitor.table(of().flat_map(|effects| &effects.data_keys));
    visitor.table(of().flat_map(staying));
    visitor.table(of().flat_map(rejoined));
    visitor.table(of().flat_map(|effects| &effects.merges));
    let heads = of().flat_map(|effects| &effects.heads);
    visitor.table(heads.map(|token| HeadRow { token: *token, stamp }));
    visitor.table(of().flat_map(made));
    visitor.table(of().flat_map(used));
    visitor.table(of().flat_map(|effects| &effects.interactions));
    visitor.table(of().flat_map(|effects| &effects.facts));
    visitor.table(of().flat_map(|effects| &effects.blocks));
    visitor.table(of().flat_map(|effects| &effects.labels));
    visitor.table(of().flat_map(|effects| &effects.ties));
    visitor.table(of().flat_map(|effects| &effects.disputes));
}

/// The shape of an operation; `None` for a rare one, with many rows of one table.
fn shape_of(effects: &Effects) -> Option<Shape> {
    struct Counts(Vec<usize>);
    impl Visitor for Counts {
        fn table<R: Row>(&mut self, rows: impl Iterator<Item = R>) {
            self.0.push(rows.count());
        }
    }
    let mut counts = Counts(Vec::with_capacity(TABLES));
    visit(std::iter::once(effects), Stamp(0), &mut counts);
    let mut shape = Shape::default();
    for (place, count) in shape.iter_mut().zip(counts.0) {
        *place = u8::try_from(count).ok().filter(|_| count <= MOST_IN_SHAPE)?;
    }
    Some(shape)
}

/// Writes operations of one shape, which is not that of nothing.
async fn write_alike(
    connection: &mut AnyConnection,
    tenant: TenantId,
    shape: Shape,
    alike: &[&Effects],
    stamp: Stamp,
) -> Result<(), Error> {
    let widest = shape.iter().copied().max().map_or(1, usize::from);
    let mut rest = alike;
    while let Some(last) = rest.last() {
        let (count, size) = sizes(&SIZES, rest.len(), MOST_ROWS / widest);
        let text = text_of(shape, size, last, stamp);
        let (chunk, tail) = rest.split_at(count);
        rest = tail;
        // Filled up with the last one: written twice, a row is what it was.
        let filled = chunk.iter().copied().chain(std::iter::repeat_n(*last, size - count));
        let mut values = RowValues::of(tenant);
        visit(filled, stamp, &mut values);
        statement::insert_together(&mut *connection, text, values).await?;
    }
    Ok(())
}

impl Visitor for RowValues {
    fn table<R: Row>(&mut self, rows: impl Iterator<Item = R>) {
        rows.for_each(|row| self.row(&row));
    }
}

/// The text that writes so many operations of the shape that `like` has.
fn text_of(shape: Shape, size: usize, like: &Effects, stamp: Stamp) -> SharedText {
    static TEXTS: LazyLock<Cache<(Shape, usize), SharedText>> =
        LazyLock::new(|| Cache::new(MOST_TEXTS));
    if let Some(text) = TEXTS.get(&(shape, size)) {
        return text;
    }
    let mut inserted = InsertedTogether::default();
    visit(std::iter::repeat_n(like, size), stamp, &mut inserted);
    let text = inserted.text();
    TEXTS.insert((shape, size), text.clone());
    text
}

impl Visitor for InsertedTogether {
    fn table<R: Row>(&mut self, rows: impl Iterator<Item = R>) {
        InsertedTogether::table::<R>(self, rows.count());
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::{BlockKind, BlockRow, FactRow, LabelRow};
    use super::*;
    use crate::clock::Time;
    use crate::ids::CustomerId;

    fn label(token: u8) -> LabelRow {
        LabelRow { token: Token([token; 16]), content: vec![1] }
    }

    /// Two labels, a fact, a block, a link that is made and one that is used.
    fn effects() -> Effects {
        let (customer, interaction, time) = (CustomerId([1; 16]), Token([2; 16]), Time(5));
        let link = |token| LinkRow {
            customer,
            token: Token([token; 16]),
            assurance: 2,
            uses: 1,
            weight: 1.0,
            newest: time,
            identifier: vec![3],
            confirmed: Time(0),
        };
        let fact = FactRow {
            customer,
            interaction,
            intent: Token([4; 16]),
            reference: None,
            status: 1,
            counts: true,
            time,
            contact: interaction,
            channel: "voice".into(),
            sensitivity: 1,
            content: vec![5],
        };
        let (kind, content) = (BlockKind::Variables, vec![6]);
        let block =
            BlockRow { customer, kind, interaction, part: 1, position: 0, expire: time, content };
        Effects {
            heads: vec![Token([7; 16])],
            links: vec![link(7), link(8)],
            facts: vec![fact],
            blocks: vec![block],
            labels: vec![label(1), label(2)],
            ..Effects::default()
        }
    }

    #[test]
    fn a_text_takes_exactly_the_arguments_of_its_shape() {
        let effects = effects();
        let shape = shape_of(&effects).expect("a common shape");
        assert_eq!(shape, [0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 2, 0, 0]);
        for size in [1, 2, 6, 32] {
            let text = text_of(shape, size, &effects, Stamp(9));
            let text = text.as_str();
            let mut values = RowValues::of(TenantId(1));
            visit(std::iter::repeat_n(&effects, size), Stamp(9), &mut values);
            assert_eq!(text.matches('?').count(), values.count(), "{size}");
            let inserts: Vec<&str> = text.split_inclusive("; ").collect();
            assert_eq!(inserts.len(), 6, "heads, links made and used, facts, blocks, labels");
            assert!(inserts[1].contains("assurance = excluded") && inserts[2].contains("link"));
            assert!(!inserts[2].contains("assurance = excluded"), "a use leaves its index alone");
        }
    }

    #[test]
    fn many_rows_of_a_table_make_a_rare_shape() {
        let labels = (0..=MOST_IN_SHAPE as u8).map(label).collect();
        assert_eq!(shape_of(&Effects { labels, ..Effects::default() }), None);
        assert!(SIZES.is_sorted() && SIZES[SIZES.len() - 1] * 2 <= MOST_ROWS);
    }
}
