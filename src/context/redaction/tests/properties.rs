//! What holds for any text.

use icu::properties::props::GeneralCategory;
use proptest::prelude::*;

use super::super::digits::category;
use super::super::issuers::is_card;
use super::super::{Digits, Redaction};
use super::kept;

/// Texts in which numbers, masks and names of codes are likely.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[0-9]{1,4}",
        2 => "[0-9]{12,20}",
        3 => prop::sample::select(vec![
            " ", "-", ".", "/", "\n", "\u{200b}", ", ", " - ", "*", "**", "***", "+", ":", "|",
        ]).prop_map(str::to_owned),
        2 => prop::sample::select(vec![
            "4111111111111111", "4111 1111 1111 1111", "378282246310005", "30569309025904",
            "6205500000000000004", "411111******1111", "5555-5555-5555-4444", "4222222222222",
            "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        ]).prop_map(str::to_owned),
        2 => prop::sample::select(vec![
            "cvv", "CVV2 ", "cvc: ", "security code is ", " (cvv)", " is my CVC", "cid ", "12/26 ",
            " exp 12/26 ", " and ", "word",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,4}",
        1 => "[٠-٩０-９]{1,5}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn is_invisible(character: char) -> bool {
    use GeneralCategory::{EnclosingMark, Format, NonspacingMark};
    matches!(category(character), Format | NonspacingMark | EnclosingMark)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn what_was_redacted_is_not_redacted_again(text in texts()) {
        let once = kept(&text);
        prop_assert_eq!(kept(&once), once.clone(), "of {}", text);
    }

    #[test]
    fn no_card_is_left(text in texts()) {
        let once = kept(&text);
        let seen = once.chars().filter(|it| !is_invisible(*it)).collect::<String>();
        // A number of up to 15 digits behind a `+` is a phone's.
        let runs = regex::Regex::new(r"\+?\d+").unwrap();
        // Neither is a decimal fraction, nor what may be an IBAN.
        let other = regex::Regex::new(r"(\d[.,]|[A-Z]{2})$").unwrap();
        let runs = runs.find_iter(&seen).filter(|run| !other.is_match(&seen[..run.start()]));
        let runs = runs.map(|run| run.as_str());
        for run in runs.filter(|run| run.is_ascii() && !(run.starts_with('+') && run.len() <= 16)) {
            let digits: Vec<u8> = run.trim_start_matches('+').bytes().map(|it| it - b'0').collect();
            prop_assert!(!is_card(&digits), "{} of {}", once, text);
        }
    }

    #[test]
    fn no_text_grows(text in texts()) {
        let once = kept(&text);
        prop_assert!(once.len() <= text.len() && once.chars().count() <= text.chars().count());
    }

    #[test]
    fn any_text_is_read(text in "\\PC{0,200}", more in any::<String>()) {
        let text = text + &more;
        let once = kept(&text);
        prop_assert_eq!(kept(&once), once);
    }

    #[test]
    fn a_text_without_digits_stays(text in "\\PC{0,100}") {
        let text: String = text.chars().filter(|it| !it.is_numeric()).collect();
        let (same, masked) = Redaction::default().apply(&text);
        prop_assert!(masked.is_nothing());
        prop_assert_eq!(&*same, &*text);
    }

    /// Whatever stands around it, a card in its usual form between spaces goes.
    #[test]
    fn a_card_among_words_is_masked(
        before in "[a-zA-Zäöü ,.]{0,40}",
        account in "4[0-9]{14}",
        after in "[a-zA-Zäöü ,.]{0,40}",
    ) {
        let card = super::rates::with_check_digit(&account);
        let text = format!("{before} {card} {after}");
        let once = kept(&text);
        prop_assert!(!once.contains(&card));
        let masked = format!("{}******{}", &card[..6], &card[12..]);
        prop_assert!(once.contains(&masked), "{}", once);
        prop_assert_eq!(Digits::of(&once).values.len() >= 10, true);
    }
}

/// Whether a text is read quickly, in one of several tries: a busy machine holds some up.
fn is_read_quickly(text: &str) -> bool {
    (0..5).any(|_| {
        let begun = std::time::Instant::now();
        std::hint::black_box(kept(text));
        begun.elapsed().as_millis() < 1_500
    })
}

/// Texts that make many groups, marks or rounds are read in a time that their length bounds.
#[test]
fn hostile_texts_are_read_in_little_time() {
    let long = |piece: &str| piece.repeat(8_192 / piece.chars().count());
    for piece in [
        "1",
        "1 ",
        "4 1 1",
        "cvv 123 ",
        "4111 1111 ",
        "411111******1111 123\n",
        "\u{200b}1",
        "4111111111111111 12/26 123 ",
        "1234 ",
        "12*",
        "it's my code 123 ",
        "٤",
        "4111 1111 1111 1111 62 ",
    ] {
        let text = long(piece);
        let once = kept(&text);
        assert_eq!(kept(&once), once);
        assert!(is_read_quickly(&text), "{piece:?} again and again");
    }
    // Each card that is found frees the one before it.
    let chain = "41 11 11 11 11 11 11 11 41 11 11 11 11 11 11 11  ".repeat(32_768 / 48);
    assert!(is_read_quickly(&chain), "a chain of cards");
}
