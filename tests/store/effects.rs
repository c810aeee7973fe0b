//! Effects of all kinds, written and read back.

use std::sync::Arc;

use sqlx::Executor as _;
use threadline::clock::Time;
use threadline::ids::{CustomerId, KeyId, TenantId};
use threadline::store::rows::{BlockKind, Outcome, Verb};
use threadline::store::{Effects, Removal, history, read};

use crate::bench::{Bench, NOON, Write};
use crate::database::Database;
use crate::rows::{
    block, contact, customer, customer_id, data_key, effects, fact, journal, label, link, start,
    token,
};

/// Compares these fields of two rows; rows have no `Debug`.
macro_rules! same {
    ($one:expr, $two:expr, $($field:ident),+) => {
        $(assert!($one.$field == $two.$field, "{} differs", stringify!($field));)+
    };
}

/// Everything that one customer can have, of interaction 1.
fn everything(number: u64) -> Effects {
    Effects {
        customers: vec![customer(number)],
        data_keys: vec![data_key(number)],
        heads: vec![token(50)],
        links: vec![link(number, 50)],
        interactions: vec![contact(number, 1)],
        facts: vec![fact(number, 1)],
        blocks: vec![block(number, 1)],
        labels: vec![label(901), label(903)],
        ..effects(vec![journal(token(number), Verb::Start, b"")])
    }
}

pub(crate) async fn all_kinds_read_back(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    bench.clock.set(NOON.plus(1_000));
    let mut wanted = everything(1);
    wanted.journal[0].customer = Some(customer_id(1));
    wanted.journal.push(journal(token(1), Verb::End, b"\0\xff7"));
    wanted.customers[0].moved_to = Some(CustomerId([0; 16]));
    bench.write(Write::of(bench.tenant, wanted.clone())).await;
    let mut connection = database.connect().await;
    let (own, tenant) = (&mut connection, bench.tenant);
    let people =
        read::people(own, tenant, &[customer_id(1), customer_id(2)]).await.expect("people");
    assert_eq!(people.len(), 1);
    let (row, made) = (&people[&customer_id(1)].row, &wanted.customers[0]);
    same!(row, made, customer, data_key, created, last_contact, contacts, disclosure, moved_to);
    assert!(row.stamp.0 > 0 && row.received >= NOON, "the writer sets both");
    let links = &people[&customer_id(1)].links;
    assert_eq!(links.len(), 1);
    same!(links[0], wanted.links[0], token, assurance, uses, weight, newest, identifier);
    let owners = read::owners(own, tenant, &[token(50), token(51)]).await.expect("owners");
    assert_eq!(owners[&token(50)].customers, [(customer_id(1), 2)]);
    assert!(owners[&token(50)].stamp.is_some() && owners[&token(51)].stamp.is_none());
    let found = history::history(own, tenant, customer_id(1), NOON).await.expect("history");
    assert_eq!((found.interactions.len(), found.facts.len(), found.blocks.len()), (1, 1, 1));
    let (row, made) = (&found.interactions[0], &wanted.interactions[0]);
    same!(row, made, customer, ended, interaction, state, started, channel, direction, confirmed);
    same!(row, made, counted, contact, agent, queue, brand, disposition, content);
    let (row, made) = (&found.facts[0], &wanted.facts[0]);
    same!(row, made, customer, interaction, intent, reference, status, counts, time, contact);
    same!(row, made, channel, sensitivity, content);
    let (row, made) = (&found.blocks[0], &wanted.blocks[0]);
    same!(row, made, customer, kind, interaction, part, expire, content);
    let entry = read::journal(own, tenant, token(1)).await.expect("a journal").expect("an entry");
    assert_eq!(found.blocks[0].position, entry.guards[1].position);
    let verbs: Vec<_> = entry.guards.iter().map(|guard| (guard.verb, &guard.part[..])).collect();
    assert_eq!(verbs, [(Verb::Start, &b""[..]), (Verb::End, &b"\0\xff7"[..])]);
    assert_eq!((entry.guards[0].fingerprint.as_slice(), entry.state.len()), (&[3; 16][..], 40));
    assert!(entry.customer.is_none() && entry.received >= NOON);
    let keys = read::data_keys(own, tenant, &[KeyId(1_001), KeyId(9)]).await.expect("keys");
    assert_eq!(keys, [(KeyId(1_001), 1, vec![1; 48])]);
    let mut labels = read::labels(own, tenant, &[token(903), token(901)]).await.expect("labels");
    labels.sort();
    assert_eq!(labels, [(token(901), vec![9; 30]), (token(903), vec![9; 30])]);
}

pub(crate) async fn upserts_replace(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    bench.write(Write::of(bench.tenant, everything(1))).await;
    let mut changed = everything(1);
    changed.journal = vec![journal(token(1), Verb::End, b"")];
    changed.customers[0].contacts = 9;
    changed.links[0].weight = 7.25;
    changed.links[0].assurance = 3;
    changed.interactions[0].counted = true;
    changed.interactions[0].agent = None;
    changed.facts[0].status = 3;
    changed.labels[0].content = vec![1; 30];
    bench.write(Write::of(bench.tenant, changed)).await;
    let (mut connection, tenant) = (database.connect().await, bench.tenant);
    let own = &mut connection;
    let person =
        &read::people(own, tenant, &[customer_id(1)]).await.expect("people")[&customer_id(1)];
    assert_eq!((person.row.contacts, person.links.len()), (9, 1));
    assert_eq!((person.links[0].weight, person.links[0].assurance), (7.25, 3));
    let found = history::history(own, tenant, customer_id(1), NOON).await.expect("history");
    assert_eq!((found.interactions.len(), found.facts.len(), found.blocks.len()), (1, 1, 1));
    assert!(found.interactions[0].counted && found.interactions[0].agent.is_none());
    assert_eq!(found.facts[0].status, 3);
    let labels = read::labels(own, tenant, &[token(901)]).await.expect("labels");
    assert_eq!(labels[0].1, vec![9; 30], "a label's text is written once");
}

pub(crate) async fn removals_take_away_only_what_they_name(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let mut two = everything(1);
    two.interactions.push(contact(1, 2));
    two.facts.push(fact(1, 2));
    two.blocks.push(block(1, 2));
    two.links.push(link(1, 51));
    bench.write(Write::of(bench.tenant, two)).await;
    bench.write(Write::of(bench.tenant, everything(2))).await;
    let one = customer_id(1);
    let gone = vec![
        Removal::Interaction { customer: one, ended: NOON.plus(1), interaction: token(1) },
        Removal::Content { customer: one, interaction: token(1) },
        Removal::Link { customer: one, token: token(50) },
        Removal::Customer { customer: customer_id(2) },
    ];
    let removing = Effects { removals: gone, ..effects(vec![start(token(9))]) };
    bench.write(Write::of(bench.tenant, removing)).await;
    let (mut connection, tenant) = (database.connect().await, bench.tenant);
    let own = &mut connection;
    let people = read::people(own, tenant, &[one, customer_id(2)]).await.expect("people");
    assert!(!people.contains_key(&customer_id(2)));
    assert_eq!(people[&one].links.iter().map(|it| it.token).collect::<Vec<_>>(), [token(51)]);
    let kept = history::history(own, tenant, one, NOON).await.expect("history");
    assert_eq!(kept.interactions.iter().map(|it| it.interaction).collect::<Vec<_>>(), [token(2)]);
    assert_eq!(kept.facts.iter().map(|it| it.interaction).collect::<Vec<_>>(), [token(2)]);
    assert_eq!(kept.blocks.iter().map(|it| it.interaction).collect::<Vec<_>>(), [token(2)]);
    let lost = history::history(own, tenant, customer_id(2), NOON).await.expect("history");
    assert_eq!(lost.interactions.len() + lost.facts.len() + lost.blocks.len(), 0);
    let keys = read::data_keys(own, tenant, &[KeyId(1_001), KeyId(1_002)]).await.expect("keys");
    assert_eq!(keys.iter().map(|it| it.0).collect::<Vec<_>>(), [KeyId(1_001)]);
    let owners = read::owners(own, tenant, &[token(50)]).await.expect("owners");
    assert!(owners[&token(50)].stamp.is_some(), "a head outlives its owners");
}

pub(crate) async fn heads_get_new_stamps_only_when_named(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    bench.write(Write::of(bench.tenant, everything(1))).await;
    let (mut connection, tenant) = (database.connect().await, bench.tenant);
    let first = read::owners(&mut connection, tenant, &[token(50)]).await.expect("owners");
    let used = Effects {
        customers: vec![customer(1)],
        links: vec![link(1, 50)],
        ..effects(vec![start(token(2))])
    };
    bench.write(Write::of(tenant, used)).await;
    let second = read::owners(&mut connection, tenant, &[token(50)]).await.expect("owners");
    assert_eq!(first[&token(50)].stamp, second[&token(50)].stamp, "a use is no new owner");
    let linked = Effects { heads: vec![token(50)], ..effects(vec![start(token(3))]) };
    bench.write(Write::of(tenant, linked)).await;
    let third = read::owners(&mut connection, tenant, &[token(50)]).await.expect("owners");
    assert_ne!(first[&token(50)].stamp, third[&token(50)].stamp);
}

pub(crate) async fn many_rows_of_one_kind(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let all: Vec<u64> = (1..=300).collect();
    let many = Effects {
        customers: all.iter().map(|number| customer(*number)).collect(),
        data_keys: all.iter().map(|number| data_key(*number)).collect(),
        heads: all.iter().map(|number| token(*number)).collect(),
        links: all.iter().map(|number| link(1, *number)).collect(),
        interactions: all.iter().map(|number| contact(1, *number)).collect(),
        facts: all.iter().map(|number| fact(1, *number)).collect(),
        blocks: all.iter().map(|number| block(1, *number)).collect(),
        labels: all.iter().map(|number| label(*number)).collect(),
        ..effects(all.iter().map(|number| start(token(*number))).collect())
    };
    bench.write(Write::of(bench.tenant, many)).await;
    let (mut connection, tenant) = (database.connect().await, bench.tenant);
    let own = &mut connection;
    let ids: Vec<CustomerId> = all.iter().map(|number| customer_id(*number)).collect();
    let people = read::people(own, tenant, &ids).await.expect("people");
    assert_eq!((people.len(), people[&customer_id(1)].links.len()), (300, 300));
    let tokens: Vec<_> = all.iter().map(|number| token(*number)).collect();
    let owners = read::owners(own, tenant, &tokens).await.expect("owners");
    assert!(owners.values().all(|it| it.stamp.is_some() && it.customers.len() == 1));
    assert_eq!(read::labels(own, tenant, &tokens).await.expect("labels").len(), 300);
    assert_eq!(history::whole_file(own, tenant, ids[0]).await.expect("file").len(), 300);
    assert_eq!(history::facts(own, tenant, ids[0], None).await.expect("facts").len(), 300);
    assert_eq!(history::blocks_of(own, tenant, ids[0], None).await.expect("blocks").len(), 300);
    assert_eq!(crate::audit::verify(own, tenant.0).await, 301);
}

pub(crate) async fn more_owners_than_identify(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let shared = Effects {
        heads: vec![token(50)],
        links: (1..=70).map(|number| link(number, 50)).collect(),
        ..effects(vec![start(token(1))])
    };
    bench.write(Write::of(bench.tenant, shared)).await;
    let mut connection = database.connect().await;
    let owners = read::owners(&mut connection, bench.tenant, &[token(50)]).await.expect("owners");
    assert_eq!(owners[&token(50)].customers.len(), read::MOST_OWNERS, "one more than identify");
}

pub(crate) async fn a_stripped_journal_still_verifies(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    for row in [start(token(1)), journal(token(1), Verb::Update, b"u"), start(token(2))] {
        bench.write(Write::of(bench.tenant, effects(vec![row]))).await;
    }
    let (mut connection, tenant) = (database.connect().await, bench.tenant);
    assert_eq!(crate::audit::verify(&mut connection, tenant.0).await, 4);
    let mut purge = effects(vec![journal(token(1), Verb::Purge, b"")]);
    purge.strip = vec![token(1)];
    bench.write(Write::of(tenant, purge)).await;
    let sql = "SELECT COUNT(*) FROM journal WHERE LENGTH(state) = 0 AND LENGTH(digest) = 32";
    let stripped: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a count");
    assert_eq!(stripped, 2, "the two before; not the new row, not the neighbour's");
    assert_eq!(crate::audit::verify(&mut connection, tenant.0).await, 5);
    // And an edited one does not.
    connection.execute("UPDATE journal SET outcome = 5 WHERE verb = 2").await.expect("an edit");
    let edited = tokio::spawn(async move {
        crate::audit::verify(&mut connection, tenant.0).await;
    });
    assert!(edited.await.is_err(), "the walk must notice an edited row");
}

pub(crate) async fn tenants_do_not_touch(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let seal = |_: TenantId| ((KeyId(8), 1, vec![1; 48]), vec![2; 16]);
    let other = bench.store.add_tenant("other", false, seal).await.expect("a tenant").tenant;
    bench.write(Write::of(bench.tenant, everything(1))).await;
    let mut theirs = everything(1);
    theirs.customers[0].contacts = 77;
    theirs.journal[0].outcome = Outcome::New;
    bench.write(Write::of(other, theirs)).await;
    let gone = vec![Removal::Customer { customer: customer_id(1) }];
    let removing = Effects { removals: gone, ..effects(vec![start(token(9))]) };
    bench.write(Write::of(bench.tenant, removing)).await;
    let mut connection = database.connect().await;
    let people = read::people(&mut connection, other, &[customer_id(1)]).await.expect("people");
    assert_eq!(people[&customer_id(1)].row.contacts, 77);
    assert_eq!(people[&customer_id(1)].links.len(), 1);
    let blocks = history::blocks_of(&mut connection, other, customer_id(1), None).await;
    assert_eq!(blocks.expect("blocks")[0].kind, BlockKind::Variables);
    let found = history::history(&mut connection, other, customer_id(1), Time(0)).await;
    assert_eq!(found.expect("history").interactions.len(), 1);
    for tenant in [bench.tenant, other] {
        crate::audit::verify(&mut connection, tenant.0).await;
    }
}
