//! Tricky texts, one by one.

use std::borrow::Cow;

use super::super::words::{NAMES, ONLY_BESIDE_A_CARD};
use super::super::{Masked, Pattern, Redaction};
use super::kept;

/// What is kept of what.
const MASKED: &[(&str, &str)] = &[
    // However the number is written.
    ("card 4111111111111111 ok", "card 411111******1111 ok"),
    ("4111 1111 1111 1111", "411111******1111"),
    ("4111-1111-1111-1111.", "411111******1111."),
    ("4111\u{a0}1111\u{2009}1111\u{3000}1111", "411111******1111"),
    ("4111–1111—1111−1111", "411111******1111"),
    ("4111 - 1111 - 1111 - 1111", "411111******1111"),
    ("4111.1111.1111.1111", "411111******1111"),
    ("4111/1111/1111/1111", "411111******1111"),
    ("4111_1111_1111_1111", "411111******1111"),
    ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "411111******1111"),
    ("4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1", "411111******1111"),
    ("41 11 11 11 11 11 11 11", "411111******1111"),
    ("41111111 11111111", "411111******1111"),
    ("4111\u{200b}1111\u{200d}1111\u{ad}1111", "411111******1111"),
    ("4\u{fe0f}\u{20e3}111111111111111", "411111******1111"),
    ("４１１１１１１１１１１１１１１１", "411111******1111"),
    ("٤١١١ ١١١١ ١١١١ ١١١١", "411111******1111"),
    ("𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏", "411111******1111"),
    ("4111 1111 11\n11 1111", "4111 1111 11\n11 1111"),
    ("4111 1111\n1111 1111", "411111******1111"),
    ("4111 1111\r\n1111 1111", "411111******1111"),
    ("visa4111111111111111x", "visa411111******1111x"),
    ("**4111 1111 1111 1111**", "**411111******1111**"),
    ("\"number\":\"4111111111111111\"", "\"number\":\"411111******1111\""),
    ("3782 822463 10005", "378282*****0005"),
    ("3056 930902 5904", "305693****5904"),
    ("4222222222222", "422222***2222"),
    ("6205500000000000004", "620550*********0004"),
    ("4111 1111 1111 1111 5555-5555-5555-4444", "411111******1111 555555******4444"),
    ("2 cards: 4111 1111 1111 1111", "2 cards: 411111******1111"),
    ("2 4111 1111 1111 1111", "2 411111******1111"),
    ("order 77 4111111111111111 2026", "order 77 411111******1111 2026"),
    ("+4111111111111111", "+411111******1111"),
    ("NR12 4111 1111 1111 1111", "NR12 411111******1111"),
    // Codes beside their name.
    ("CVV 123", "CVV ***"),
    ("cvv2: 123, thanks", "cvv2: ***, thanks"),
    ("my CVC is 1234.", "my CVC is ***."),
    ("the cvv code is: 123", "the cvv code is: ***"),
    ("**CVV:** 123", "**CVV:** ***"),
    ("CVV/CVC 123", "CVV/CVC ***"),
    ("cvv_code=123&x=1", "cvv_code=***&x=1"),
    ("security code 123", "security code ***"),
    ("The three digits on the back are 123", "The three digits on the back are ***"),
    ("123 is my CVV", "*** is my CVV"),
    ("123 (CVV)", "*** (CVV)"),
    ("cvv 1 2 3", "cvv ***"),
    ("ＣＶＶ：１２３", "ＣＶＶ：***"),
    ("Prüfnummer 123", "Prüfnummer ***"),
    ("Kartenprüfnummer lautet 123", "Kartenprüfnummer lautet ***"),
    ("Pru\u{308}fziffer: 123", "Pru\u{308}fziffer: ***"),
    ("código de seguridad es 123", "código de seguridad es ***"),
    ("CÓDIGO DE SEGURANÇA: 123", "CÓDIGO DE SEGURANÇA: ***"),
    ("cryptogramme visuel : 123", "cryptogramme visuel : ***"),
    ("codice di sicurezza 123", "codice di sicurezza ***"),
    ("код безопасности 123", "код безопасности ***"),
    ("セキュリティコードは123", "セキュリティコードは123"),
    ("セキュリティコード：123", "セキュリティコード：***"),
    ("CVV 123, CSC 456", "CVV ***, CSC ***"),
    // Codes behind a number.
    ("4111 1111 1111 1111 12/26 123", "411111******1111 12/26 ***"),
    ("4111111111111111|12|2026|123", "411111******1111|12|2026|***"),
    ("4111111111111111 exp 1226 123", "411111******1111 exp 1226 ***"),
    ("4111 1111 1111 1111, expires 12/26, 123", "411111******1111, expires 12/26, ***"),
    (
        "4111 1111 1111 1111 gültig bis 12.2026 und 123",
        "411111******1111 gültig bis 12.2026 und ***",
    ),
    ("411111******1111 12/26 123", "411111******1111 12/26 ***"),
    ("4111111111111111 123", "411111******1111 ***"),
    ("378282246310005 1234", "378282*****0005 ***"),
    ("4111 1111 1111 1111 123\nthanks", "411111******1111 ***\nthanks"),
    ("Amex 378282246310005, CID 1234", "Amex 378282*****0005, CID ***"),
];

/// What is no card and no code.
const UNTOUCHED: &[&str] = &[
    "",
    // Lists and columns of numbers that pass together.
    "Orders 40267459, 40267463 were late",
    "40362493\n40362501\n",
    "zips 37200, 37217, 37223",
    // IBANs as systems send them.
    "FI5190726356854249",
    "DK3927469359815272",
    "NO4410457448386",
    "score 0.4111111111111111",
    "nothing here",
    "Grüße, 12 Stück für 3,50 €",
    "order 4111111111111112",
    "order 1234567890123",
    "41111111111111111111",
    "call +14155550101 or +44 20 7946 0958",
    "+37 1234 5678 90123",
    "from 2024-05-01 to 2024-05-31",
    "01/05/2024 12:30:45",
    "411111******1111",
    "123",
    "room 123, floor 4",
    "CID 4711",
    "cvv",
    "CVV matched, refunded 250.00",
    "CVV 12/26",
    "CVV failed. 123 calls",
    "in 2024 CVV failed",
    "cvvs 123",
    "the incident 404",
    "4.111.111.111.112",
    "tracking 1Z999AA10123456784",
    "192.168.100.100",
    "call 4915112345678",
    "DE08 4111 1111 1111 1111 14",
    "ES91 2100 0418 4502 0005 1332",
    "550e8400-e29b-41d4-a716-446655440000",
    "paid 4500 12 33 45 21 09 88",
    "5 4 5 5 3",
];

#[test]
fn what_is_kept_of_a_number() {
    for (text, expected) in MASKED {
        assert_eq!(kept(text), *expected, "{text}");
    }
}

#[test]
fn what_is_no_card_stays() {
    for text in UNTOUCHED {
        let (same, masked) = Redaction::default().apply(text);
        assert_eq!(same, *text);
        assert!(matches!(same, Cow::Borrowed(_)) && masked.is_nothing(), "{text}");
    }
}

#[test]
fn every_name_of_a_code_is_known_in_any_case() {
    for name in NAMES {
        for name in [name.to_string(), name.to_uppercase(), name.to_lowercase()] {
            assert_eq!(kept(&format!("{name}: 123")), format!("{name}: ***"));
            assert_eq!(kept(&format!("(987) 123 ({name})")), format!("(987) *** ({name})"));
        }
    }
    for name in ONLY_BESIDE_A_CARD {
        let alone = format!("{name}: 123");
        assert_eq!(kept(&alone), alone);
        let masked = format!("411111******1111, {name}: ***");
        assert_eq!(kept(&format!("4111111111111111, {name}: 123")), masked);
    }
}

#[test]
fn a_value_is_a_code_by_its_name() {
    let kept = |name: &str, value: &'static str| {
        Redaction::default().apply_named(name, value).0.into_owned()
    };
    for name in ["cvv", "card_cvv", "cardCvv", "CVC2", "security_code", "cardSecurityCode", "csc"] {
        assert_eq!(kept(name, "123"), "***", "{name}");
        assert_eq!(kept(name, " 1234 "), "***", "{name}");
        assert_eq!(kept(name, "matched"), "matched", "{name}");
        assert_eq!(kept(name, "12345"), "12345", "{name}");
    }
    for name in ["cid", "order", "room", "code", "postcode", "cvv_result_count"] {
        assert_eq!(kept(name, "123"), "123", "{name}");
    }
    assert_eq!(kept("order", "4111 1111 1111 1111"), "411111******1111");
}

#[test]
fn what_was_redacted_is_counted() {
    let redaction = Redaction {
        cards: true,
        patterns: [Pattern::new("iban", r"\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b").unwrap()].into(),
    };
    let text = "4111111111111111 cvv 123, DE89370400440532013000 and DE89370400440532013000";
    let (kept, masked) = redaction.apply(text);
    assert_eq!(kept, "411111******1111 cvv ***, [iban] and [iban]");
    let expected = Masked { cards: 1, codes: 1, patterns: vec![("[iban]".into(), 2)] };
    assert_eq!(masked, expected);
    assert_eq!(masked.to_string(), "card numbers masked: 1, security codes removed: 1, [iban]: 2");
}

#[test]
fn a_tenant_may_do_without() {
    let text = "4111111111111111 cvv 123";
    let nothing = Redaction { cards: false, patterns: [].into() };
    assert!(matches!(nothing.apply(text), (Cow::Borrowed(_), _)));
    assert_eq!(nothing.apply_named("cvv", "123").0, "123");
}

#[test]
fn a_pattern_never_lengthens_a_text() {
    let pattern = Pattern::new("a_long_name", "[xy]|word").unwrap();
    let redaction = Redaction { cards: false, patterns: [pattern].into() };
    assert_eq!(redaction.apply("x, y, word, éx").0, "*, *, ****, é*");
}

#[test]
fn bad_patterns_are_refused() {
    for (name, expression, says) in [
        ("", "a", "name: must be"),
        ("Iban", "a", "name: must be"),
        ("a23456789012345678901234567890123", "a", "name: must be"),
        ("a", "(", "is no regular expression"),
        ("a", r"(a)\1", "is no regular expression"),
        ("a", "a*", "matches where nothing is"),
        ("a", r"\w{500}{500}", "once compiled"),
        ("a", &"a".repeat(513), "is longer than 512"),
    ] {
        let wrong = Pattern::new(name, expression).unwrap_err();
        assert!(wrong.contains(says), "{name} {wrong}");
    }
    // What matches nowhere but at an edge is found nowhere.
    let edge = Pattern::new("edge", r"\b").unwrap();
    assert!(edge.apply("a word").is_none());
}
