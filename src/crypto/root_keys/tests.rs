//! The root key: texts, wrapping, versions, the key-check value.

use proptest::prelude::*;

use super::*;

const TENANT: TenantId = TenantId(7);

fn root(seed: u64) -> RootKeys {
    RootKeys::generate(&Entropy::seeded(seed))
}

fn key() -> DataKey {
    DataKey::generate(&Entropy::seeded(99))
}

#[test]
fn a_data_key_wraps_and_unwraps_only_where_it_belongs() {
    let (root, key, entropy) = (root(1), key(), Entropy::seeded(2));
    let wrapped = root.wrap(1, TENANT, &key, &entropy).unwrap();
    let opened = root.unwrap(TENANT, key.id(), &wrapped).unwrap();
    assert_eq!((opened.id(), opened.bytes()), (key.id(), key.bytes()));
    let refused = |result: Result<DataKey, OpenError>| assert_eq!(result.err(), Some(OpenError));
    refused(root.unwrap(TenantId(8), key.id(), &wrapped));
    refused(root.unwrap(TENANT, KeyId(key.id().0 ^ 1), &wrapped));
    refused(root.unwrap(TENANT, key.id(), &Wrapped { version: 2, ..wrapped.clone() }));
    refused(self::root(5).unwrap(TENANT, key.id(), &wrapped));
    refused(root.unwrap(TENANT, key.id(), &root.check_value(1, &entropy).unwrap()));
    assert_ne!(root.wrap(1, TENANT, &key, &entropy).unwrap(), wrapped);
}

proptest! {
    #[test]
    fn a_changed_wrapping_is_refused(at: prop::sample::Index, bit in 0u8..8) {
        let mut wrapped = root(1).wrap(1, TENANT, &key(), &Entropy::seeded(2)).unwrap();
        let at = at.index(wrapped.bytes.len());
        wrapped.bytes[at] ^= 1 << bit;
        prop_assert!(root(1).unwrap(TENANT, key().id(), &wrapped).is_err());
        wrapped.bytes[at] ^= 1 << bit;
        wrapped.bytes.truncate(at);
        prop_assert!(root(1).unwrap(TENANT, key().id(), &wrapped).is_err());
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,80}") {
        let _ = RootKeys::from_base64(&text);
    }
}

#[test]
fn rotation_keeps_the_old_version_readable() {
    let entropy = Entropy::seeded(3);
    let old = root(1);
    let wrapped = old.wrap(1, TENANT, &key(), &entropy).unwrap();
    let new = STANDARD.encode([5u8; 32]);
    let both = RootKeys::from_base64(&format!("v2:{new}, {}", old.to_text().as_str())).unwrap();
    assert_eq!(both.versions(), [2, 1]);
    assert!(both.unwrap(TENANT, key().id(), &wrapped).is_ok());
    let rewrapped = both.wrap(2, TENANT, &key(), &entropy).unwrap();
    assert_eq!(rewrapped.version, 2);
    let alone = RootKeys::from_base64(&format!("v2:{new}")).unwrap();
    assert!(alone.unwrap(TENANT, key().id(), &rewrapped).is_ok());
    assert!(alone.unwrap(TENANT, key().id(), &wrapped).is_err());
}

#[test]
fn texts_are_read_or_refused_without_being_shown() {
    let plain = STANDARD.encode([5u8; 32]);
    assert_eq!(RootKeys::from_base64(&format!(" {plain}\n")).unwrap().versions(), [1]);
    let short = STANDARD.encode([5u8; 31]);
    let long = STANDARD.encode([5u8; 33]);
    let longer = STANDARD.encode([5u8; 64]);
    let many = (1..=17).map(|n| format!("v{n}:{plain}")).collect::<Vec<_>>().join(",");
    let twice = format!("v1:{plain},{plain}");
    let bad = [
        ("", "empty"),
        (" \n", "empty"),
        (short.as_str(), "malformed"),
        (long.as_str(), "malformed"),
        (longer.as_str(), "malformed"),
        ("secret!", "malformed"),
        (&format!("v1:{plain},"), "malformed"),
        (&format!("v0:{plain}"), "versions"),
        (&format!("2:{plain}"), "versions"),
        (&format!("vx:{plain}"), "versions"),
        (&twice, "versions"),
        (&many, "too long"),
        (&"A".repeat(5000), "too long"),
    ];
    for (text, expected) in bad {
        let error = RootKeys::from_base64(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(text.trim().is_empty() || !error.contains(text), "{error}");
    }
    let keys = RootKeys::from_base64(&plain).unwrap();
    assert_eq!(format!("{keys:?}"), "RootKeys(versions [1], …)");
}

#[test]
fn a_wrong_root_key_does_not_open_the_check_value() {
    let entropy = Entropy::seeded(4);
    let check = root(1).check_value(1, &entropy).unwrap();
    assert_eq!(root(1).opens_check(&check), Ok(()));
    assert_eq!(root(2).opens_check(&check), Err(OpenError));
    assert_eq!(
        root(1).opens_check(&root(1).wrap(1, TENANT, &key(), &entropy).unwrap()),
        Err(OpenError)
    );
}

#[test]
fn versions_come_and_go() {
    let entropy = Entropy::seeded(5);
    let one = root(1);
    let both = one.with_new(2, &entropy).unwrap();
    assert_eq!((both.versions(), both.first()), (vec![1, 2], 1));
    assert_eq!(both.newest_first().versions(), [2, 1]);
    assert!(matches!(both.with_new(2, &entropy), Err(RootKeyError::Version)));
    let wrapped = one.wrap(1, TENANT, &key(), &entropy).unwrap();
    assert!(both.unwrap(TENANT, key().id(), &wrapped).is_ok());
    let two = both.without(|number| number == 1).unwrap();
    assert!(two.versions() == [2] && two.unwrap(TENANT, key().id(), &wrapped).is_err());
    assert!(two.wrap(1, TENANT, &key(), &entropy).is_err());
    assert!(two.check_value(1, &entropy).is_err());
    assert!(two.without(|_| true).is_none());
    let mut many = one;
    for number in 2..=MAXIMUM_VERSIONS as i64 {
        many = many.with_new(number, &entropy).unwrap();
    }
    assert!(matches!(many.with_new(99, &entropy), Err(RootKeyError::TooLong)));
    assert_eq!(RootKeys::from_base64(&many.to_text()).unwrap().versions(), many.versions());
    assert!(many.to_text().len() < MAXIMUM_TEXT, "it never grows");
}
