//! Migrations that databases have gone through already: whoever edits one keeps those databases from
//! opening, since each remembers the text it went through.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::source::File;

/// Each landed migration and the SHA-256 of its text. A line is added when one lands, and none is
/// ever changed.
const LANDED: &[(&str, &str)] = &[
    (
        "postgres/0001_first_shape",
        "01988da066a1228e5310ec0bbf94d4420f07a984e258f7c291e1e5551be6d594",
    ),
    ("postgres/0002_merges", "90a54e30377aafe686a7eda0a5e17bae399a136909a00e646f8fc6c8a3835695"),
    (
        "postgres/0003_ties_and_disputes",
        "9e275aa9b1365d759347cd0b5b3aae5f7770da24f51e0e38ab533effebda56f9",
    ),
    (
        "postgres/0004_last_confirmed",
        "b7311991eac1b4ed403cc65943cf187e0ac7aa531c004a9ab680035fedddcb90",
    ),
    (
        "postgres/0005_key_lifecycle",
        "8de99732b54e18cff556e96ce4596ea7f93e099e8bcb7712ceec465d552b85df",
    ),
    ("postgres/0006_audit", "7b8ced3eb10999f0d3c9983d04d3cb217a91720a9a62537c36f6b6db738cd00a"),
    (
        "postgres/0007_tombstones",
        "0b5a443584ee556339396aace5539ca344aad38ec5d1ec5c33cfc25164791d28",
    ),
    (
        "postgres/0009_archived_customers",
        "1ddfcbd58e45e0c082b0f736067df3fcf2273f1c754742823d255a34b66dbbb5",
    ),
    (
        "postgres/0011_root_key_rotation",
        "6c2735f22af872f5311c372d5b2b9f19caecaaba4af277f8575afd2ad1ebfc83",
    ),
    (
        "postgres/0012_installation",
        "c1bb91ea8eab590fe28d01b97f38858c42967e976c99365c7ae80e40ab4aabf0",
    ),
    ("postgres/0015_webhooks", "d841b06912c3e0769690a405decde544938f428301a3727d09ce4d3336e81c52"),
    (
        "postgres/0016_erasure_notices",
        "2b784fe9cbeb1d091347dd48ab4e3e71ce03efadd73a0c2c2bdd37abac6bf3f6",
    ),
    ("sqlite/0001_first_shape", "87b6d2c952ffc627ef9b9317ed0822c87361cfb86b080204d4fdca1c07766b50"),
    ("sqlite/0002_merges", "479179d23fe50421bfe924f68861ca713f973be6867b2b3d14aa1b752d26f515"),
    (
        "sqlite/0003_ties_and_disputes",
        "1193fd503f9fd4f58b1ef46388381891f149c2b7968c2da67fa27d7a5da73abe",
    ),
    (
        "sqlite/0004_last_confirmed",
        "b7311991eac1b4ed403cc65943cf187e0ac7aa531c004a9ab680035fedddcb90",
    ),
    (
        "sqlite/0005_key_lifecycle",
        "8de99732b54e18cff556e96ce4596ea7f93e099e8bcb7712ceec465d552b85df",
    ),
    ("sqlite/0006_audit", "8e2eed0677011170e2605b3ceb4dd94bb97e0eafa64957cdeee4da18371a3cc7"),
    ("sqlite/0007_tombstones", "4396b9df20dfd0853c799e29bd67e2145b3ab5c5ef9a2efab06f4479bae34a5a"),
    (
        "sqlite/0009_archived_customers",
        "1ddfcbd58e45e0c082b0f736067df3fcf2273f1c754742823d255a34b66dbbb5",
    ),
    (
        "sqlite/0011_root_key_rotation",
        "8a7cdce2d531feec0e3bc96dc37d1a292b1ad388292ea15fa71b3b8c7384b3f6",
    ),
    (
        "sqlite/0012_installation",
        "16dd87423fb785327757a523138e45866a798a5ab33a8be2daa6b2a045b20966",
    ),
    ("sqlite/0015_webhooks", "7fdeedf83f2a071b3a5944dfeb4307543d42edb20ff53154030ce7130ecc6da1"),
    (
        "sqlite/0016_erasure_notices",
        "101ae8299f3b222510113f47084c03b7cbb885c1b6c1500ca291f7511665267c",
    ),
];

/// Landed migrations that are gone, or are not as they landed.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    check_against(LANDED, files)
}

fn check_against(landed: &[(&str, &str)], files: &[File]) -> Vec<String> {
    let wrong = |(name, digest): &(&str, &str)| {
        let path = format!("migrations/{name}.sql");
        let Some(file) = files.iter().find(|file| file.path == path) else {
            return Some(format!("{path}: has landed, and is gone"));
        };
        let now = HEXLOWER.encode(&Sha256::digest(file.text.as_bytes()));
        (now != *digest)
            .then(|| format!("{path}: has landed: what is to change comes in a new one"))
    };
    landed.iter().filter_map(wrong).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_edited_or_removed_is_found() {
        let file = |text: &str| File { path: "migrations/a.sql".into(), text: text.into() };
        let digest = HEXLOWER.encode(&Sha256::digest(b"SELECT 1;\n"));
        let landed = [("a", digest.as_str())];
        assert!(check_against(&landed, &[file("SELECT 1;\n")]).is_empty());
        assert_eq!(check_against(&landed, &[file("SELECT 1; \n")]).len(), 1);
        assert_eq!(check_against(&landed, &[]).len(), 1);
    }
}
