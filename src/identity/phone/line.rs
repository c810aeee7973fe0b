//! One line, one key: what is ours beyond the library's rules for a number that was parsed.

use rlibphonenumber::{PhoneNumber, PhoneNumberType};

/// The number in the form that is its key, where countries have two forms of one line; `None` when
/// it has one form only. The digits are a country code and a national number, without `+`.
///
/// Brazil put a 9 before all mobile numbers (2012 to 2016), and WhatsApp goes on naming most
/// of its users there without it. Mexico ended its mobile 1, and the 01, 044 and 045 that were
/// dialled at home, in 2019; WhatsApp kept the 1.
pub(super) fn today(number: &PhoneNumber) -> Option<String> {
    let national = number.get_national_significant_number();
    match number.country_code {
        55 if national.len() == 10 => {
            // Area code, then eight digits; since 2 to 5 are fixed lines, 6 to 9 were mobiles.
            let (area, line) = national.split_at(2);
            let mobile = !area.contains('0') && line.starts_with(['6', '7', '8', '9']);
            mobile.then(|| format!("55{area}9{line}"))
        }
        52 => ["1", "01", "044", "045"]
            .iter()
            .filter_map(|prefix| national.strip_prefix(prefix))
            .find(|line| line.len() == 10 && line.starts_with(|first| first >= '2'))
            .map(|line| format!("52{line}")),
        _ => None,
    }
}

/// Whether a number of a possible length could be someone's.
pub(super) fn is_plausible(number: &PhoneNumber) -> bool {
    let national = number.get_national_significant_number();
    let digits = national.as_bytes();
    if number.country_code == 1 {
        // In North America neither the area code nor the exchange begins with 0 or 1. The
        // fictitious 555 exchange is let through: test systems are built on it.
        let begins_well = |at: usize| digits.get(at).is_some_and(|digit| *digit >= b'2');
        if digits.len() != 10 || !begins_well(0) || !begins_well(3) {
            return false;
        }
    }
    let one_digit_repeated = digits.windows(2).all(|pair| pair[0] == pair[1]);
    !one_digit_repeated || number.is_valid()
}

/// Whether the plan gives such numbers to companies (free of charge, premium rate, shared cost,
/// universal access, voice mail): no person has one.
pub(super) fn is_companys(number: &PhoneNumber) -> bool {
    matches!(
        number.get_type(),
        PhoneNumberType::TollFree
            | PhoneNumberType::PremiumRate
            | PhoneNumberType::SharedCost
            | PhoneNumberType::UAN
            | PhoneNumberType::VoiceMail
    )
}
