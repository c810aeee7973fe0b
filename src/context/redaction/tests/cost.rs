//! What a text costs. Not a test: it prints figures, for docs/security.md.
//! `cargo test --release --lib redaction::tests::cost -- --ignored --nocapture`

use std::hint::black_box;
use std::time::Instant;

use super::super::Redaction;

#[test]
#[ignore = "prints figures that depend on the machine"]
fn figures() {
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
        let rounds = 20_000_000 / (text.len() + 200);
        let begun = Instant::now();
        for _ in 0..rounds {
            black_box(redaction.apply(black_box(&text)));
        }
        let each = begun.elapsed().as_secs_f64() * 1e9 / rounds as f64;
        eprintln!("{what}: {each:.0} ns");
    }
}
