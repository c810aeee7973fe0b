//! Rows as a case writes them, with values that can be told apart.

use threadline::clock::Time;
use threadline::ids::{CustomerId, KeyId, Stamp, Token};
use threadline::store::Effects;
use threadline::store::rows::{
    BlockKind, BlockRow, CustomerRow, DataKeyRow, FactRow, InteractionRow, JournalRow, LabelRow,
    LinkRow, Outcome, Verb,
};

use crate::bench::NOON;

pub(crate) fn token(number: u64) -> Token {
    Token(u128::from(number).to_be_bytes())
}

pub(crate) fn customer_id(number: u64) -> CustomerId {
    CustomerId(u128::from(number).to_be_bytes())
}

/// Effects that are only journal rows.
pub(crate) fn effects(journal: Vec<JournalRow>) -> Effects {
    Effects { journal, ..Effects::default() }
}

pub(crate) fn journal(interaction: Token, verb: Verb, part: &[u8]) -> JournalRow {
    JournalRow {
        interaction,
        verb,
        part: part.to_vec(),
        position: 0,
        fingerprint: vec![3; 16],
        received: Time(0),
        time: NOON.plus(-5),
        channel: "voice".into(),
        customer: None,
        caller: "key".into(),
        outcome: Outcome::Known,
        state: vec![4; 40],
        digest: Vec::new(),
        strips: Vec::new(),
    }
}

pub(crate) fn start(interaction: Token) -> JournalRow {
    journal(interaction, Verb::Start, b"")
}

pub(crate) fn customer(number: u64) -> CustomerRow {
    CustomerRow {
        customer: customer_id(number),
        data_key: KeyId(1_000 + number as i64),
        stamp: Stamp(0),
        created: NOON.plus(-9),
        received: Time(0),
        last_contact: NOON.plus(-8),
        contacts: 3,
        disclosure: 1,
        moved_to: None,
        set_name: None,
        archived: Time(0),
    }
}

pub(crate) fn data_key(number: u64) -> DataKeyRow {
    DataKeyRow {
        data_key: KeyId(1_000 + number as i64),
        root_version: 1,
        wrapped: vec![number as u8; 48],
    }
}

pub(crate) fn link(customer: u64, number: u64) -> LinkRow {
    LinkRow {
        customer: customer_id(customer),
        token: token(number),
        assurance: 2,
        uses: 5,
        weight: -0.1 + number as f64 / 3.0,
        newest: NOON.plus(-7),
        identifier: vec![5; 33],
        confirmed: NOON.plus(-9),
    }
}

pub(crate) fn contact(customer: u64, number: u64) -> InteractionRow {
    InteractionRow {
        customer: customer_id(customer),
        ended: NOON.plus(number as i64),
        interaction: token(number),
        state: 1,
        started: NOON.plus(-100),
        received: Time(0),
        channel: "web_chat".into(),
        direction: 2,
        confirmed: true,
        counted: false,
        contact: token(number + 1),
        agent: Some(token(901)),
        queue: Some(token(902)),
        brand: Some(token(903)),
        disposition: None,
        content: vec![6; 50],
        revision: 5,
    }
}

pub(crate) fn fact(customer: u64, number: u64) -> FactRow {
    FactRow {
        customer: customer_id(customer),
        interaction: token(number),
        intent: token(number + 2),
        reference: None,
        status: 2,
        counts: true,
        time: NOON.plus(number as i64),
        contact: token(number),
        channel: "email".into(),
        sensitivity: 2,
        content: vec![7; 20],
    }
}

pub(crate) fn block(customer: u64, number: u64) -> BlockRow {
    BlockRow {
        customer: customer_id(customer),
        kind: BlockKind::Variables,
        interaction: token(number),
        part: number as i64 + 1,
        position: 0,
        expire: NOON.plus(1_000_000_000_000),
        content: vec![8; 60],
    }
}

pub(crate) fn label(number: u64) -> LabelRow {
    LabelRow { token: token(number), content: vec![9; 30] }
}
