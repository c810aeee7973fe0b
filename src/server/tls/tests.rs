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
    assert_eq!(read(), "the certificate and its key cannot be used together");
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
        assert_eq!(read.alpn_protocols, [HTTP_2]);
        assert_eq!(read.max_early_data_size, 0, "early data could be sent again by anybody");
    }
}
