//! Phone numbers and e-mail addresses as the world writes them, each with what it is read as.

use crate::identity::email;
use crate::identity::phone::{self, Bare, Reading};

fn reading(text: &str, region: &str, bare: Bare) -> String {
    match phone::read(text, phone::region(region), bare) {
        Reading::Number(number) => number,
        Reading::Withheld => "withheld".into(),
        Reading::ShortCode => "short code".into(),
        Reading::Unusable => "unusable".into(),
    }
}

/// (as written, default region, as read)
const PHONES: &[(&str, &str, &str)] = &[
    // E.164, fictitious ranges included.
    ("+16105558555", "US", "+16105558555"),
    ("+12015550123", "GB", "+12015550123"),
    ("+447700900133", "US", "+447700900133"),
    ("+390612345678", "US", "+390612345678"),
    ("+37080012345", "US", "+37080012345"),
    ("+2250123456789", "US", "+2250123456789"),
    // Punctuation, and a national zero that is dialled at home only.
    ("+1 (610) 555-8555", "US", "+16105558555"),
    ("+1.610.555.8555", "US", "+16105558555"),
    ("(+1) 610 555 8555", "GB", "+16105558555"),
    ("+44 (0)7700 900133", "US", "+447700900133"),
    // National and bare forms.
    ("(205) 555-5285", "US", "+12055555285"),
    ("1-201-555-3606", "US", "+12015553606"),
    ("12015555440", "US", "+12015555440"),
    ("2015555440", "US", "+12015555440"),
    ("07700 900133", "GB", "+447700900133"),
    ("0113 496 0000", "GB", "+441134960000"),
    ("030 123456", "DE", "+4930123456"),
    ("06 1234 5678", "IT", "+390612345678"),
    // Bare digits that are nobody's national number are international.
    ("447700900000", "US", "+447700900000"),
    ("12015551125", "GB", "+12015551125"),
    // Dialled abroad.
    ("00447700900011", "US", "+447700900011"),
    ("0012015551125", "GB", "+12015551125"),
    ("011447700900000", "US", "+447700900000"),
    ("011 44 7700 900000", "GB", "+447700900000"),
    // tel: and sip: addresses.
    ("tel:+447700900008", "US", "+447700900008"),
    ("tel:+12015551686;ext=181", "US", "+12015551686"),
    ("tel:2015551686;phone-context=+1", "GB", "+12015551686"),
    ("TEL:+1-201-555-1686", "US", "+12015551686"),
    ("sip:+14135555840@gw.example.net;user=phone", "US", "+14135555840"),
    ("sips:+447700900000@gw.example.net:5061", "US", "+447700900000"),
    ("sip:2015551686@10.0.0.1", "US", "+12015551686"),
    ("sip:%2B12015551686@gw.example.net", "US", "+12015551686"),
    ("sip:+12015551686;isub=9@gw.example.net", "US", "+12015551686"),
    ("sip:+12015551686:secret@gw.example.net", "US", "+12015551686"),
    ("\"Sarah\" <sip:+12015551686@gw.example.net>", "US", "+12015551686"),
    ("sip:+12015551686", "US", "+12015551686"),
    // Extensions.
    ("+1 201 555 1686 ext. 45", "US", "+12015551686"),
    ("201-555-1686 x45", "US", "+12015551686"),
    ("2015551686,,45", "US", "+12015551686"),
    ("2015551686#45", "US", "+12015551686"),
    // Other scripts, directions and widths.
    ("٢٠١٥٥٥١٦٨٦", "US", "+12015551686"),
    ("+４４７７００９００１３３", "US", "+447700900133"),
    ("\u{ff0b}447700900133", "US", "+447700900133"),
    ("\u{200f}+447700900133\u{202c}", "US", "+447700900133"),
    ("+44\u{a0}7700\u{a0}900133", "US", "+447700900133"),
    ("+44\u{2011}7700\u{2013}900133", "US", "+447700900133"),
    // Withheld.
    ("anonymous", "US", "withheld"),
    ("Anonymous", "US", "withheld"),
    ("Restricted", "US", "withheld"),
    ("UNAVAILABLE", "US", "withheld"),
    ("Unknown", "US", "withheld"),
    ("blocked", "US", "withheld"),
    ("Private", "US", "withheld"),
    ("Private Number", "US", "withheld"),
    ("withheld", "US", "withheld"),
    ("No Caller ID", "US", "withheld"),
    ("sip:anonymous@anonymous.invalid", "US", "withheld"),
    ("\"Anonymous\" <sip:anonymous@anonymous.invalid>", "US", "withheld"),
    ("tel:anonymous", "US", "withheld"),
    ("+266696687", "US", "withheld"),
    ("+7378742833", "US", "withheld"),
    ("+86282452253", "US", "withheld"),
    ("+8656696", "US", "withheld"),
    ("+2562533", "US", "withheld"),
    ("sip:+266696687@gw.example.net", "US", "withheld"),
    ("266696687", "US", "withheld"),
    ("86282452253", "US", "withheld"),
    ("", "US", "withheld"),
    ("   ", "US", "withheld"),
    ("-", "US", "withheld"),
    ("0", "US", "withheld"),
    ("0000000000", "US", "withheld"),
    ("+00000000000", "US", "withheld"),
    // An Austin number that reads RESTRICTED on a keypad is a number where it can be one.
    ("7378742833", "US", "+17378742833"),
    // Emergency and short codes, extensions.
    ("911", "US", "short code"),
    ("112", "DE", "short code"),
    ("999", "GB", "short code"),
    ("+911", "US", "short code"),
    ("12345", "US", "short code"),
    ("sip:1001@pbx.example.net", "US", "short code"),
    // No number of this world.
    ("5551234", "US", "unusable"),
    ("1234567890", "US", "unusable"),
    ("+10123456789", "US", "unusable"),
    ("1111111111", "US", "unusable"),
    ("+999999999999999", "US", "unusable"),
    ("+1234567890123456789", "US", "unusable"),
    ("+49000001", "US", "unusable"),
    ("hello", "US", "unusable"),
    ("sip:alice@example.com", "US", "unusable"),
    ("sip:gw.example.net", "US", "unusable"),
    ("1-800-FLOWERS", "US", "unusable"),
    ("call 2015551686", "US", "unusable"),
    ("*67 2015551686", "US", "unusable"),
    ("2015551686/2015551687", "US", "unusable"),
    ("+44 7700 900133 7700 900134", "US", "unusable"),
    ("2015551686@example.com", "US", "unusable"),
];

#[test]
fn phones_are_read_as_the_table_says() {
    let wrong: Vec<String> = PHONES
        .iter()
        .filter_map(|(text, region, expected)| {
            let got = reading(text, region, Bare::National);
            (got != *expected).then(|| format!("{text:?} ({region}): {got}, not {expected}"))
        })
        .collect();
    assert!(PHONES.len() >= 80);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn platforms_write_the_country_code_without_a_plus() {
    for (text, expected) in [
        ("19045558060", "+19045558060"),
        ("447700900133", "+447700900133"),
        ("+447700900133", "+447700900133"),
        ("4915123456789", "+4915123456789"),
        ("6581234567", "+6581234567"),
    ] {
        assert_eq!(reading(text, "US", Bare::International), expected, "{text}");
    }
}

#[test]
fn canonical_is_what_reading_writes() {
    for (text, canonical) in [
        ("+14155550100", true),
        ("+390612345678", true),
        ("14155550100", false),
        ("+1 4155550100", false),
        ("+4407700900133", false),
        ("+1", false),
    ] {
        assert_eq!(phone::is_canonical(text), canonical, "{text}");
    }
}

/// (as written, as read; `None`: no address)
const EMAILS: &[(&str, Option<&str>)] = &[
    ("sarah@example.com", Some("sarah@example.com")),
    ("  Sarah.Lee@Example.COM ", Some("sarah.lee@example.com")),
    ("sarah+shop@example.com", Some("sarah+shop@example.com")),
    ("s.a.r.a.h@gmail.com", Some("s.a.r.a.h@gmail.com")),
    ("mailto:sarah@example.com", Some("sarah@example.com")),
    ("Sarah Lee <sarah@example.com>", Some("sarah@example.com")),
    ("\"Lee, Sarah\" <Sarah@Example.com>", Some("sarah@example.com")),
    ("<sarah@example.com>", Some("sarah@example.com")),
    ("sarah@example.com.", Some("sarah@example.com")),
    ("sarah@Bücher.example", Some("sarah@xn--bcher-kva.example")),
    ("sarah@xn--bcher-kva.example", Some("sarah@xn--bcher-kva.example")),
    ("sarah@EXAMPLE。com", Some("sarah@example.com")),
    ("JÖRG@example.com", Some("jörg@example.com")),
    ("jo\u{308}rg@example.com", Some("jörg@example.com")),
    ("\u{200f}sarah@example.com\u{200b}", Some("sarah@example.com")),
    ("o'brien@example.co.uk", Some("o'brien@example.co.uk")),
    ("", None),
    ("sarah", None),
    ("sarah@", None),
    ("@example.com", None),
    ("sarah@localhost", None),
    ("sarah@@example.com", None),
    ("sarah lee@example.com", None),
    ("sarah@exam ple.com", None),
    ("sarah@example..com", None),
    (".sarah@example.com", None),
    ("sarah.@example.com", None),
    ("sarah@-example.com", None),
    ("sarah@[127.0.0.1]", None),
    ("sarah@example.com, tom@example.com", None),
];

#[test]
fn emails_are_read_as_the_table_says() {
    let wrong: Vec<String> = EMAILS
        .iter()
        .filter_map(|(text, expected)| {
            let got = email::read(text);
            (got.as_deref() != *expected).then(|| format!("{text:?}: {got:?}, not {expected:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let long = format!("{}@example.com", "a".repeat(65));
    assert_eq!(email::read(&long), None, "a local part has at most 64 characters");
}
