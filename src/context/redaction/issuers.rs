//! Whose card number it could be: the ranges that are known in public, with their lengths.
//!
//! Sources: ISO/IEC 7812-1 (structure and check digit); the table "Issuer identification number" of
//! Wikipedia's "Payment card number"; Mastercard's 2-series (222100 to 272099). Ranges that
//! are no longer issued (Visa with 13 digits) are kept: old cards are still read out. Left out is
//! what is so wide or so old that it would mask more order numbers than cards: Maestro's whole 50 and
//! 56 to 69, UATP (anything that begins with 1), enRoute, which has no check digit.

/// Lengths as a set of bits: bit n is set when n digits are possible.
type Lengths = u32;

const fn of(lengths: &[u32]) -> Lengths {
    let (mut bits, mut at) = (0, 0);
    while at < lengths.len() {
        bits |= 1 << lengths[at];
        at += 1;
    }
    bits
}

const SIXTEEN: Lengths = of(&[16]);
const LONG: Lengths = of(&[16, 17, 18, 19]);
const ANY: Lengths = of(&[13, 14, 15, 16, 17, 18, 19]);

/// The first six digits from and to, and the lengths. Ranges may overlap.
const RANGES: &[(u32, u32, Lengths)] = &[
    (220_000, 220_499, LONG),                      // Mir
    (220_500, 220_599, SIXTEEN),                   // BORICA
    (222_100, 272_099, SIXTEEN),                   // Mastercard
    (300_000, 305_999, of(&[14, 16, 17, 18, 19])), // Diners Club
    (309_500, 309_599, of(&[14, 16, 17, 18, 19])), // Diners Club
    (340_000, 349_999, of(&[15])),                 // American Express
    (352_800, 358_999, LONG),                      // JCB; RuPay's 353 and 356, LankaPay's 357111
    (360_000, 369_999, of(&[14, 16, 17, 18, 19])), // Diners Club
    (370_000, 379_999, of(&[15])),                 // American Express
    (380_000, 399_999, of(&[14, 16, 17, 18, 19])), // Diners Club; Hipercard's 3841
    (400_000, 499_999, of(&[13, 16, 19])), // Visa; Elo's 4011, 4389, 4514, 4576; Dankort's 4571
    (501_800, 501_899, ANY),               // Maestro
    (501_900, 501_999, SIXTEEN),           // Dankort
    (502_000, 502_099, ANY),               // Maestro
    (503_800, 503_899, ANY),               // Maestro
    (504_100, 504_199, SIXTEEN),           // Elo
    (506_099, 506_198, of(&[16, 18, 19])), // Verve
    (506_600, 506_799, SIXTEEN),           // Elo
    (507_865, 507_964, of(&[16, 18, 19])), // Verve
    (508_000, 508_999, SIXTEEN),           // RuPay
    (509_000, 509_999, SIXTEEN),           // Elo
    (510_000, 559_999, SIXTEEN),           // Mastercard
    (589_300, 589_399, ANY),               // Maestro
    (600_000, 609_999, SIXTEEN),           // RuPay; Hipercard's 6062
    (601_100, 601_199, LONG),              // Discover
    (604_001, 604_200, LONG),              // UkrCard
    (620_000, 629_999, LONG),              // UnionPay; Discover's 622126 to 622925, Elo's 6277
    (630_400, 630_499, ANY),               // Maestro
    (636_000, 636_999, LONG),              // InterPayment; Elo's 6362 and 6363
    (637_000, 639_999, SIXTEEN),           // InstaPayment
    (639_000, 639_099, ANY),               // Maestro
    (644_000, 659_999, LONG), // Discover; RuPay's and Troy's 65, Elo's 650, Verve's 650002
    (675_900, 675_999, ANY),  // Maestro
    (676_100, 676_399, ANY),  // Maestro
    (676_770, 676_774, ANY),  // Maestro
    (810_000, 829_999, LONG), // UnionPay's 81, RuPay's 81 and 82
    (860_000, 860_099, SIXTEEN), // UzCard
    (970_400, 970_499, of(&[16, 19])), // Napas
    (979_200, 979_299, SIXTEEN), // Troy
    (986_000, 986_099, SIXTEEN), // Humo
];

/// Digits of the shortest and of the longest card number.
pub(super) const SHORTEST: usize = 13;
pub(super) const LONGEST: usize = 19;

/// Whether a card could have this number: an issuer's range, a length that it issues, and the check
/// digit (Luhn, ISO/IEC 7812-1 annex B). UnionPay says of itself that some of its cards have none;
/// they are not found, since any number that begins with 62 would be.
pub(super) fn is_card(digits: &[u8]) -> bool {
    if !(SHORTEST..=LONGEST).contains(&digits.len()) {
        return false;
    }
    if digits.len() == SHORTEST && matches!(digits, [4, 9, 1, 5..=7, ..]) {
        // A German mobile number with its country code: Visa has issued no 13 digits for long.
        return false;
    }
    let prefix = digits[..6].iter().fold(0, |sum, digit| sum * 10 + u32::from(*digit));
    let length = 1 << digits.len();
    let issued = RANGES
        .iter()
        .any(|(least, most, lengths)| (*least..=*most).contains(&prefix) && lengths & length != 0);
    issued && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| u32::from(if place % 2 == 1 { doubled(*digit) } else { *digit }))
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    /// Test numbers that payment services publish.
    #[test]
    fn published_test_numbers_are_cards() {
        for number in [
            "4111111111111111",
            "4012888888881881",
            "4222222222222",
            "5555555555554444",
            "5105105105105100",
            "2223003122003222",
            "2720994326581252",
            "378282246310005",
            "371449635398431",
            "6011111111111117",
            "6011000990139424",
            "30569309025904",
            "38520000023237",
            "3530111333300000",
            "3566002020360505",
            "6200000000000005",
            "6205500000000000004",
            "6759649826438453",
            "2200000000000004",
        ] {
            let digits = read(number);
            assert!(luhn(&digits), "{number}");
            assert!(is_card(&digits), "{number}");
        }
    }

    #[test]
    fn other_numbers_are_not() {
        for number in [
            "4111111111111112",
            "1234567812345670",
            "0000000000000000",
            "4915112345678",
            "411111111111116",
            "9999999999999995",
            "411111111111",
            "41111111111111111111",
            "49927398716",
        ] {
            assert!(!is_card(&read(number)), "{number}");
        }
    }
}
