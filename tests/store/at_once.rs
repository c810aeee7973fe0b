//! What is read of customers in one statement: each part's values end up where they belong.

use std::sync::Arc;

use threadline::clock::Time;
use threadline::ids::{CustomerId, KeyId, TenantId};
use threadline::store::rows::{BlockKind, CustomerRow, TieRow, Verb};
use threadline::store::{Effects, history, read};

use crate::bench::{Bench, NOON, Write};
use crate::database::Database;
use crate::rows::{
    block, contact, customer, customer_id, data_key, effects, fact, journal, link, start, token,
};

/// Compares these fields of two rows; rows have no `Debug`.
macro_rules! same {
    ($one:expr, $two:expr, $($field:ident),+) => {
        $(assert!($one.$field == $two.$field, "{} differs", stringify!($field));)+
    };
}

/// Somebody with a value of its own in every column.
fn moved() -> CustomerRow {
    let mut row = customer(3);
    row.moved_to = Some(customer_id(88));
    row.archived = NOON.plus(-6);
    (row.contacts, row.disclosure) = (11, 2);
    row
}

/// Two in one set and one alone; only the first has a link and a tie, the second has no key.
fn a_set_and_one_alone() -> Effects {
    let in_set = |number| {
        let mut row = customer(number);
        row.set_name = Some(customer_id(1));
        row
    };
    let tie =
        TieRow { customer: customer_id(1), token: token(51), assurance: 4, untied: NOON.plus(-77) };
    Effects {
        customers: vec![in_set(1), in_set(2), moved()],
        data_keys: vec![data_key(1), data_key(3)],
        heads: vec![token(50)],
        links: vec![link(1, 50)],
        ties: vec![tie],
        ..effects(vec![start(token(1))])
    }
}

pub(crate) async fn customers_come_with_their_sets_keys_and_ties(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    bench.write(Write::of(bench.tenant, a_set_and_one_alone())).await;
    let seal = |_: TenantId| ((KeyId(8), 1, vec![1; 48]), vec![2; 16]);
    let other = bench.store.add_tenant("other", false, seal).await.expect("a tenant").tenant;
    let mut theirs = a_set_and_one_alone();
    theirs.customers[2].set_name = Some(customer_id(1));
    bench.write(Write::of(other, theirs)).await;
    let mut connection = database.connect().await;
    let read = async |connection: &mut _, numbers: &[u64]| {
        let ids: Vec<CustomerId> = numbers.iter().map(|number| customer_id(*number)).collect();
        read::people(connection, bench.tenant, &ids).await.expect("people")
    };
    let own = &mut connection;
    for asked in [&[1, 3][..], &[1, 2, 3], &[3, 1, 1, 9]] {
        let people = read(own, asked).await;
        let (one, alone) = (&people[&customer_id(1)], &people[&customer_id(3)]);
        assert_eq!(one.members, [customer_id(1), customer_id(2)], "{asked:?}");
        assert!(alone.members.is_empty() && alone.links.is_empty() && alone.ties.is_empty());
        assert_eq!(one.key, Some((KeyId(1_001), 1, vec![1; 48])));
        assert_eq!(alone.key, Some((KeyId(1_003), 1, vec![3; 48])));
        let [tie] = &one.ties[..] else { panic!("{} ties", one.ties.len()) };
        assert_eq!((tie.token, tie.assurance, tie.untied), (token(51), 4, NOON.plus(-77)));
        let [used] = &one.links[..] else { panic!("{} links", one.links.len()) };
        let wanted = link(1, 50);
        same!(used, wanted, token, assurance, uses, weight, newest, identifier, confirmed);
        let (row, wanted) = (&alone.row, moved());
        same!(row, wanted, customer, data_key, created, last_contact, contacts, disclosure);
        same!(row, wanted, moved_to, set_name, archived);
        assert!(row.stamp.0 > 0 && row.received >= NOON, "the writer sets both");
        let second = people.get(&customer_id(2));
        assert_eq!(second.is_some(), asked.contains(&2));
        assert!(second.is_none_or(|second| second.key.is_none() && second.members.len() == 2));
        assert!(!people.contains_key(&customer_id(9)));
    }
    assert!(read(own, &[]).await.is_empty());
}

pub(crate) async fn more_customers_than_a_statement_takes(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let all: Vec<u64> = (1..=300).collect();
    let mut customers: Vec<CustomerRow> = all.iter().map(|number| customer(*number)).collect();
    for end in [0, 299] {
        customers[end].set_name = Some(customer_id(1));
    }
    let many = Effects {
        customers,
        data_keys: all.iter().map(|number| data_key(*number)).collect(),
        links: vec![link(300, 50)],
        heads: vec![token(50)],
        ..effects(vec![start(token(1))])
    };
    bench.write(Write::of(bench.tenant, many)).await;
    let mut connection = database.connect().await;
    let ids: Vec<CustomerId> = all.iter().map(|number| customer_id(*number)).collect();
    let people = read::people(&mut connection, bench.tenant, &ids).await.expect("people");
    assert!(people.len() == 300 && people.values().all(|person| person.key.is_some()));
    for end in [1, 300] {
        assert_eq!(people[&customer_id(end)].members, [customer_id(1), customer_id(300)]);
    }
    assert_eq!(people[&customer_id(300)].links.len(), 1);
}

/// One contact that goes on, more ended ones than a context holds, facts and blocks of every kind.
fn a_long_history() -> Effects {
    let mut running = contact(1, 99);
    running.state = 0;
    let mut interactions: Vec<_> = (1..=60).map(|number| contact(1, number)).collect();
    interactions.push(running);
    let mut spoken = fact(1, 1);
    (spoken.status, spoken.sensitivity, spoken.counts) = (3, 1, false);
    (spoken.reference, spoken.contact) = (Some(token(77)), token(88));
    let of_kind = |number, kind| {
        let mut row = block(1, number);
        row.kind = kind;
        row
    };
    let mut expired = of_kind(5, BlockKind::Variables);
    expired.expire = NOON.plus(-1);
    Effects {
        customers: vec![customer(1), customer(2)],
        data_keys: vec![data_key(1), data_key(2)],
        interactions,
        facts: vec![spoken, fact(1, 2), fact(2, 3)],
        blocks: vec![
            of_kind(1, BlockKind::Consents),
            of_kind(2, BlockKind::Variables),
            of_kind(3, BlockKind::Profile),
            expired,
        ],
        ..effects(vec![start(token(1))])
    }
}

pub(crate) async fn a_context_comes_whole_and_newest_first(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    bench.write(Write::of(bench.tenant, a_long_history())).await;
    let mut consents = block(1, 6);
    consents.kind = BlockKind::Consents;
    let later =
        Effects { blocks: vec![consents], ..effects(vec![journal(token(6), Verb::Update, b"u")]) };
    bench.write(Write::of(bench.tenant, later)).await;
    let mut connection = database.connect().await;
    let found = history::history(&mut connection, bench.tenant, customer_id(1), NOON).await;
    let found = found.expect("history");
    let ended: Vec<Time> = found.interactions.iter().map(|row| row.ended).collect();
    let newest: Vec<Time> = (11..=60).rev().map(|number| NOON.plus(number)).collect();
    assert_eq!(ended, newest, "the newest fifty");
    assert_eq!(found.running.iter().map(|row| row.interaction).collect::<Vec<_>>(), [token(99)]);
    assert_eq!((found.running[0].state, found.running[0].contact), (0, token(100)));
    let [second, first] = &found.facts[..] else { panic!("{} facts", found.facts.len()) };
    assert_eq!((second.interaction, second.reference), (token(2), None));
    assert_eq!((first.interaction, first.intent, first.contact), (token(1), token(3), token(88)));
    assert_eq!((first.status, first.sensitivity, first.counts), (3, 1, false));
    assert_eq!((first.reference, first.time), (Some(token(77)), NOON.plus(1)));
    assert_eq!((first.channel.as_str(), &first.content), ("email", &vec![7; 20]));
    let newest = &found.interactions[0];
    let wanted = contact(1, 60);
    same!(newest, wanted, customer, ended, interaction, state, started, channel, direction);
    same!(newest, wanted, confirmed, counted, contact, agent, queue, brand, disposition);
    same!(newest, wanted, content, revision);
    assert!(newest.received >= NOON, "the writer sets it");
    let mut blocks: Vec<_> =
        found.blocks.iter().map(|row| (row.kind as i64, row.interaction, row.part)).collect();
    assert_eq!(blocks[0], (3, token(6), 7), "written last");
    blocks.sort_unstable();
    let all = [(1, token(2), 3), (2, token(3), 4), (3, token(1), 2), (3, token(6), 7)];
    assert_eq!(blocks, all, "one expired");
    let kept = found.blocks.iter().find(|row| row.kind == BlockKind::Profile).expect("a profile");
    assert_eq!((kept.expire, &kept.content), (block(1, 3).expire, &vec![8; 60]));
    let (late, early) = (found.blocks[0].position, kept.position);
    assert!(late > early && early > 0, "positions of the journal");
}
