//! Where the crate `phonenumber` reads a number differently from the rules we keep to. It is the
//! obvious crate to change to one day, and each line of the list would turn one person's stored
//! key into another; so a change of the list must be seen.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType};

use crate::identity::phone;

/// The types that a plan can have numbers of.
const TYPES: [PhoneNumberType; 10] = [
    PhoneNumberType::FixedLine,
    PhoneNumberType::Mobile,
    PhoneNumberType::TollFree,
    PhoneNumberType::PremiumRate,
    PhoneNumberType::SharedCost,
    PhoneNumberType::VoIP,
    PhoneNumberType::PersonalNumber,
    PhoneNumberType::Pager,
    PhoneNumberType::UAN,
    PhoneNumberType::VoiceMail,
];

/// One example of each type for every region, in E.164 by libphonenumber's metadata.
fn examples() -> Vec<String> {
    let mut examples = Vec::new();
    for region in PHONE_NUMBER_UTIL.get_supported_regions() {
        for kind in TYPES {
            let example = PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, kind);
            examples
                .extend(example.ok().map(|it| it.format_as(PhoneNumberFormat::E164).into_owned()));
        }
    }
    examples.sort();
    examples.dedup();
    examples
}

#[test]
fn every_regions_numbers_are_read_as_they_are_written() {
    let examples = examples();
    assert!(examples.len() > 900, "{}", examples.len());
    let changed: Vec<&String> =
        examples.iter().filter(|number| !phone::is_canonical(number)).collect();
    // Companies' numbers in Canada (310-1234) and Iran (9601) that are dialled at home only: too
    // short for a line of North America, and for a line at all.
    assert_eq!(changed, ["+13101234", "+989601"]);
}

#[test]
fn where_another_crate_reads_numbers_differently() {
    let differing: Vec<String> = examples()
        .into_iter()
        .filter_map(|number| {
            let other = phonenumber::parse(None, &number).map_or_else(
                |_| "-".to_owned(),
                |it| it.format().mode(phonenumber::Mode::E164).to_string(),
            );
            (other != number).then(|| format!("{number} {other}"))
        })
        .collect();
    assert_eq!(differing, DIFFERING);
}

/// The number, and what `phonenumber` 0.3.10 makes of it (`-`: it refuses it). It takes the 8 that
/// begins these for the prefix that is dialled at home, also behind a country code.
const DIFFERING: &[&str] = &[
    "+37080012345 +370012345",
    "+37080123456 +370123456",
    "+37080812345 +370812345",
    "+3758011234567 +37511234567",
    "+78001234567 +7001234567",
    "+78081234567 +7081234567",
    "+78091234567 +7091234567",
];
