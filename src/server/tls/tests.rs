//! Files of certificates: which can be used, and what is said of those that cannot.

use super::*;

fn settings(folder: &Path) -> TlsSettings {
    TlsSettings {
        certificate: folder.join("server.pem"),
        key: folder.join("server.key"),
        client_ca: None,
        client_certificate_optional: false,
        tls_1_2: false,
    }
}

fn write_pair(folder: &Path, certificate: &str, key: &str) {
    fs::write(folder.join("server.pem"), certificate).unwrap();
    fs::write(folder.join("server.key"), key).unwrap();
}

fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn what_cannot_be_used_is_named_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let read = || Certificates::read(settings(folder.path())).map(drop).unwrap_err().to_string();
    assert!(read().ends_with("server.pem: is not there"), "{}", read());
    let (certificate, key) = pair();
    write_pair(folder.path(), "no PEM at all", &key);
    assert!(read().ends_with("server.pem: holds no certificate in PEM"), "{}", read());
    write_pair(folder.path(), &certificate, "-----BEGIN SECRET-----");
    assert!(read().ends_with("server.key: holds no private key in PEM"), "{}", read());
    assert!(!read().contains("SECRET"));
    write_pair(folder.path(), &certificate, &pair().1);
    assert!(read().contains("server.pem: cannot be used with the key in "), "{}", read());
    fs::create_dir(folder.path().join("folder")).unwrap();
    let mut odd = settings(folder.path());
    odd.certificate = folder.path().join("folder");
    let odd = Certificates::read(odd).map(drop).unwrap_err().to_string();
    assert!(odd.ends_with("folder: is no file"), "{odd}");
    write_pair(folder.path(), &certificate, &key);
    let mut asking = settings(folder.path());
    asking.client_ca = Some(folder.path().join("server.key"));
    assert!(Certificates::read(asking).is_err(), "a key is no authority");
}

#[test]
fn both_versions_or_the_newer_one_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = pair();
    write_pair(folder.path(), &certificate, &key);
    for tls_1_2 in [false, true] {
        let read = configuration(&TlsSettings { tls_1_2, ..settings(folder.path()) }).unwrap();
        assert_eq!(read.served.alpn_protocols, SPOKEN);
        assert_eq!(read.served.max_early_data_size, 0, "early data could be sent again by anybody");
    }
}

/// The first certificate that is shown.
fn in_use(certificates: &Certificates) -> Arc<ServerConfig> {
    certificates.current()
}

#[test]
fn what_is_written_half_is_tried_again_until_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = pair();
    write_pair(folder.path(), &certificate, &key);
    let certificates = Certificates::read(settings(folder.path())).unwrap();
    let first = in_use(&certificates);
    certificates.look();
    assert!(Arc::ptr_eq(&first, &in_use(&certificates)), "nothing has changed");
    let (new, new_key) = pair();
    for half in ["half a certificate", &new] {
        // At the second look as well: a half is never taken for the whole.
        for _ in 0..2 {
            fs::write(folder.path().join("server.pem"), half).unwrap();
            certificates.look();
            assert!(Arc::ptr_eq(&first, &in_use(&certificates)), "the last good ones stay");
        }
    }
    fs::write(folder.path().join("server.key"), &new_key).unwrap();
    certificates.look();
    assert!(!Arc::ptr_eq(&first, &in_use(&certificates)), "the pair is whole");
}

#[test]
fn what_changes_while_it_is_read_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = pair();
    write_pair(folder.path(), &certificate, &key);
    let certificates = Certificates::read(settings(folder.path())).unwrap();
    let first = in_use(&certificates);
    // Between the start and the first look; of the same length, as another name.
    let (new, new_key) = pair();
    for (name, text) in [("server.pem", new), ("server.key", new_key)] {
        fs::write(folder.path().join("new"), text).unwrap();
        fs::rename(folder.path().join("new"), folder.path().join(name)).unwrap();
    }
    certificates.look();
    assert!(!Arc::ptr_eq(&first, &in_use(&certificates)));
}
