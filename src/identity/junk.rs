//! What systems and people write when they have no value. Taken for ids, such
//! values would join everybody who has none.

/// What is written for nothing, as lower-case letters and digits only.
const WORDS: [&str; 41] = [
    "anon",
    "anonymous",
    "blank",
    "contactid",
    "customerid",
    "default",
    "dummy",
    "empty",
    "error",
    "false",
    "guest",
    "invalid",
    "missing",
    "na",
    "nan",
    "nil",
    "no",
    "noid",
    "none",
    "notapplicable",
    "notavailable",
    "notfound",
    "notprovided",
    "notset",
    "novalue",
    "null",
    "objectobject",
    "pending",
    "placeholder",
    "string",
    "tba",
    "tbd",
    "test",
    "true",
    "unassigned",
    "undefined",
    "unidentified",
    "unknown",
    "unset",
    "unspecified",
    "x",
];

/// Whether a value is what systems write when they have none; it would join strangers.
///
/// That is: nothing but signs and zeros (the nil UUID too), −1, a word such as `null` in whatever
/// brackets, one character over and over (`xxx`, `9999`), or a template that nobody filled in.
pub(super) fn is_junk(value: &str) -> bool {
    let value = value.trim();
    let word = squashed(value);
    value == "-1"
        || word.bytes().all(|byte| byte == b'0')
        || WORDS.contains(&word.as_str())
        || is_one_character(&word)
        || is_template(value)
}

/// What a login signs for whoever has not signed in, as lower-case letters and digits only.
const NOBODYS_SUBJECTS: [&str; 12] = [
    "anon",
    "anonymous",
    "anonymoususer",
    "guest",
    "nan",
    "nil",
    "none",
    "null",
    "objectobject",
    "unauthenticated",
    "undefined",
    "unknown",
];

/// Whether the subject of a signed token stands for nobody: nothing but signs and zeros, −1, a word
/// that says so, or a template that nobody filled in.
///
/// Less is that here than elsewhere. An issuer has signed for this very subject, so that `111`, `x`
/// and `test` are somebody's accounts; without them, whoever sits at the browser would decide.
pub(super) fn is_nobodys_subject(subject: &str) -> bool {
    let word = squashed(subject);
    subject.trim() == "-1"
        || word.bytes().all(|byte| byte == b'0')
        || NOBODYS_SUBJECTS.contains(&word.as_str())
        || is_unfilled(subject.trim())
}

/// The letters and digits of a text, in lower case.
pub(super) fn squashed(text: &str) -> String {
    let mut squashed = String::with_capacity(text.len());
    squashed.extend(text.chars().filter(|it| it.is_alphanumeric()).flat_map(char::to_lowercase));
    squashed
}

/// Three or more of one digit, two or more of one letter: short numbers are real ids.
fn is_one_character(word: &str) -> bool {
    let mut characters = word.chars();
    let Some(first) = characters.next() else { return true };
    let least = if first.is_numeric() { 3 } else { 2 };
    characters.all(|it| it == first) && word.chars().count() >= least
}

/// `{id}` as well: what should have been replaced.
fn is_template(value: &str) -> bool {
    is_unfilled(value) || is_wrapped(value, ("{", "}"))
}

/// `{{contact.id}}`, `${id}`, `%id%`, `<id>`, `[id]`: nobody's id looks like that. In braces alone some
/// issuers write UUIDs.
fn is_unfilled(value: &str) -> bool {
    let pairs = [("${", "}"), ("<", ">"), ("[", "]"), ("%", "%"), ("$(", ")")];
    value.contains("{{") || pairs.into_iter().any(|pair| is_wrapped(value, pair))
}

fn is_wrapped(value: &str, (open, close): (&str, &str)) -> bool {
    // `<sarah@example.com>` is how addresses are written.
    !value.contains('@')
        && value.len() > open.len() + close.len()
        && value.starts_with(open)
        && value.ends_with(close)
}

/// Local parts that name no mailbox of a person, as letters and digits only.
const NOBODYS_MAILBOXES: [&str; 24] = [
    "anonymous",
    "blank",
    "bounce",
    "bounces",
    "donotreply",
    "dontreply",
    "dummy",
    "empty",
    "fake",
    "invalid",
    "mailerdaemon",
    "nobody",
    "noemail",
    "noemailaddress",
    "nomail",
    "none",
    "noreply",
    "notprovided",
    "null",
    "postmaster",
    "test",
    "undefined",
    "unknown",
    "unset",
];

/// Names of domains that stand for no domain, whatever follows them.
const NOBODYS_DOMAINS: [&str; 6] = ["noemail", "nomail", "none", "noreply", "null", "undefined"];

/// Whether a canonical e-mail address stands for having none, or is one that nobody reads.
///
/// Mailboxes that several people read (`info@`) are none of these: that they are shared follows
/// from their use.
pub(super) fn is_placeholder(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let mailbox = squashed(local.split('+').next().unwrap_or(local));
    let mut labels = domain.rsplit('.');
    let (top, name) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    // RFC 2606: no mailbox can exist there.
    top == "invalid"
        || NOBODYS_MAILBOXES.contains(&mailbox.as_str())
        || NOBODYS_DOMAINS.contains(&squashed(name).as_str())
        || (mailbox.chars().count() >= 3 && is_one_character(&mailbox))
        // `a@a.com`, `na@na.com`: quick to type.
        || (mailbox == name && (mailbox.len() <= 2 || is_junk(&mailbox)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_is_what_systems_write_for_nothing() {
        for value in [
            "",
            " ",
            "null",
            "NONE",
            " n/a ",
            "N.A.",
            "-1",
            "0",
            "0000",
            "0.0",
            "Anonymous",
            "test",
            "undefined",
            "unknown",
            "(null)",
            "<none>",
            "'null'",
            "(not set)",
            "not available",
            "[object Object]",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "-",
            "---",
            "???",
            "xx",
            "XXXX",
            "111",
            "999999",
            "x",
            "{{contact.id}}",
            "crm-{{id}}",
            "${customerId}",
            "%crm_id%",
            "<your id>",
        ] {
            assert!(is_junk(value), "{value:?}");
        }
        for value in [
            "10",
            "7",
            "22",
            "1000",
            "A",
            "tester",
            "test-17",
            "A-0",
            "nullable",
            "00x",
            "100%",
            "a{b}",
            "C1",
            "CRM-b8fe138f36",
            "Nona",
        ] {
            assert!(!is_junk(value), "{value:?}");
        }
    }

    #[test]
    fn whoever_an_issuer_signs_for_is_somebody() {
        for subject in [
            "",
            " ",
            "-",
            "0",
            "0000",
            "-1",
            "null",
            "(null)",
            "Undefined",
            "anonymousUser",
            "Guest",
        ] {
            assert!(is_nobodys_subject(subject), "{subject:?}");
        }
        assert!(is_nobodys_subject("00000000-0000-0000-0000-000000000000"));
        for unfilled in ["{{user.id}}", "${user.id}", "%sub%", "<user_id>", "[id]", " $(id) "] {
            assert!(is_nobodys_subject(unfilled), "{unfilled}");
        }
        for subject in
            ["111", "9999", "x", "xx", "test", "no", "1", "{3F2504E0-4F89}", "auth0|null0"]
        {
            assert!(!is_nobodys_subject(subject), "{subject:?}");
        }
    }
}
