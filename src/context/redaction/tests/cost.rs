//! What a text costs: prints the figures of docs/security.md, and fails where one holds a call up.
//! `cargo test --release --lib redaction::tests::cost -- --nocapture`

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::super::Redaction;

/// How long each text is read again and again.
const MEASURED: Duration = Duration::from_millis(50);
/// How often at least.
const LEAST_ROUNDS: u32 = 5;
/// A hundred times what the dearest text takes in a release build: tests are built without.
const MOST: Duration = Duration::from_millis(20);

#[test]
fn no_text_holds_a_call_up() {
    let sentence = "The customer asked why the invoice of last month was higher than usual. ";
    let numbers = "Order 88231 of 2026-11-25, call +1 415 555 0101, paid 12.50 at 14:30. ";
    let card = "Paid with 4111 1111 1111 1111, exp 12/26, cvv 123. ";
    let other = "Клиент спросил, почему счёт за прошлый месяц выше обычного. ";
    let long = |text: &str| text.chars().cycle().take(4_096).collect::<String>();
    let texts = [
        ("a name of 12 letters", "Ada Lovelace".to_owned()),
        ("an order number", "order 88231".to_owned()),
        ("4,096 characters without digits", long(sentence)),
        ("4,096 characters, Russian", long(other)),
        ("4,096 characters, a card number at the end", long(sentence) + card),
        ("4,096 characters full of numbers", long(numbers)),
        ("4,096 characters full of cards", long(card)),
    ];
    let redaction = Redaction::default();
    for (what, text) in texts {
        let (mut rounds, begun) = (0_u32, Instant::now());
        // Of the rounds a busy machine holds up some, and never all of them.
        let mut fastest = Duration::MAX;
        while begun.elapsed() < MEASURED || rounds < LEAST_ROUNDS {
            let round = Instant::now();
            black_box(redaction.apply(black_box(&text)));
            fastest = fastest.min(round.elapsed());
            rounds += 1;
        }
        let each = begun.elapsed() / rounds;
        eprintln!("{what}: {} ns", each.as_nanos());
        assert!(fastest < MOST, "{what}: {fastest:?}");
    }
}
