//! The root key: texts, files, wrapping, rotation, the key-check value.

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
    let wrapped = root.wrap(TENANT, &key, &entropy);
    let opened = root.unwrap(TENANT, key.id(), &wrapped).unwrap();
    assert_eq!((opened.id(), opened.bytes()), (key.id(), key.bytes()));
    let refused = |result: Result<DataKey, OpenError>| assert_eq!(result.err(), Some(OpenError));
    refused(root.unwrap(TenantId(8), key.id(), &wrapped));
    refused(root.unwrap(TENANT, KeyId(key.id().0 ^ 1), &wrapped));
    refused(root.unwrap(TENANT, key.id(), &Wrapped { version: 2, ..wrapped.clone() }));
    refused(self::root(5).unwrap(TENANT, key.id(), &wrapped));
    refused(root.unwrap(TENANT, key.id(), &root.check_value(&entropy)));
    assert_ne!(root.wrap(TENANT, &key, &entropy), wrapped);
}

proptest! {
    #[test]
    fn a_changed_wrapping_is_refused(at: prop::sample::Index, bit in 0u8..8) {
        let mut wrapped = root(1).wrap(TENANT, &key(), &Entropy::seeded(2));
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
    let wrapped = old.wrap(TENANT, &key(), &entropy);
    let new = STANDARD.encode([5u8; 32]);
    let both = RootKeys::from_base64(&format!("v2:{new}, {}", old.to_text())).unwrap();
    assert_eq!(both.current_version(), 2);
    assert!(both.unwrap(TENANT, key().id(), &wrapped).is_ok());
    let rewrapped = both.wrap(TENANT, &key(), &entropy);
    assert_eq!(rewrapped.version, 2);
    let alone = RootKeys::from_base64(&format!("v2:{new}")).unwrap();
    assert!(alone.unwrap(TENANT, key().id(), &rewrapped).is_ok());
    assert!(alone.unwrap(TENANT, key().id(), &wrapped).is_err());
}

#[test]
fn texts_are_read_or_refused_without_being_shown() {
    let plain = STANDARD.encode([5u8; 32]);
    assert_eq!(RootKeys::from_base64(&format!(" {plain}\n")).unwrap().current_version(), 1);
    let short = STANDARD.encode([5u8; 31]);
    let many = (1..=17).map(|n| format!("v{n}:{plain}")).collect::<Vec<_>>().join(",");
    let twice = format!("v1:{plain},{plain}");
    let bad = [
        ("", "empty"),
        (" \n", "empty"),
        (short.as_str(), "malformed"),
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
    let check = root(1).check_value(&entropy);
    assert_eq!(root(1).opens_check(&check), Ok(()));
    assert_eq!(root(2).opens_check(&check), Err(OpenError));
    assert_eq!(root(1).opens_check(&root(1).wrap(TENANT, &key(), &entropy)), Err(OpenError));
}

#[test]
fn a_key_file_is_private_reads_back_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threadline.key");
    let made = RootKeys::create_file(&path, &Entropy::seeded(5)).unwrap();
    assert_eq!(RootKeys::from_file(&path).unwrap().to_text(), made.to_text());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = RootKeys::create_file(&path, &Entropy::seeded(6));
    assert!(matches!(again, Err(RootKeyError::File(_))));
    assert_eq!(RootKeys::from_file(&path).unwrap().to_text(), made.to_text());
    std::fs::write(&path, "x".repeat(10_000)).unwrap();
    assert!(matches!(RootKeys::from_file(&path), Err(RootKeyError::TooLong)));
    let missing = RootKeys::from_file(&folder.path().join("none"));
    assert!(matches!(missing, Err(RootKeyError::File(_))));
}
