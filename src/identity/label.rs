//! A masked label: enough to tell two candidates apart for somebody who knows
//! them, never enough to learn who they are.

use super::vocabulary::Identifier;

/// Initials of the name and the last two digits of a number, as in `J. S. ··42`; what is missing
/// is left out. With neither, the first letter of an e-mail address: `s···`. Else empty.
pub fn masked_label(name: Option<&str>, identifiers: &[Identifier]) -> String {
    let initials = name.map(initials).unwrap_or_default();
    let mut parts: Vec<String> = Vec::with_capacity(2);
    if !initials.is_empty() {
        parts.push(initials);
    }
    parts.extend(with_scheme(identifiers, "phone").and_then(last_two_digits));
    if parts.is_empty() {
        let letter = with_scheme(identifiers, "email").and_then(|email| email.chars().next());
        parts.extend(letter.map(|letter| format!("{letter}···")));
    }
    parts.join(" ")
}

/// The first letters of the first and the last word that has any.
fn initials(name: &str) -> String {
    let mut letters = name.split_whitespace().filter_map(|word| {
        let letter = word.chars().find(|c| c.is_alphabetic())?;
        Some(format!("{}.", letter.to_uppercase()))
    });
    match (letters.next(), letters.next_back()) {
        (Some(first), Some(last)) => format!("{first} {last}"),
        (Some(only), None) => only,
        _ => String::new(),
    }
}

fn with_scheme<'a>(identifiers: &'a [Identifier], scheme: &str) -> Option<&'a str> {
    identifiers.iter().find(|it| it.scheme == scheme).map(|it| it.value.as_str())
}

fn last_two_digits(number: &str) -> Option<String> {
    let at = number.len().checked_sub(2)?;
    Some(format!("··{}", number.get(at..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(scheme: &str, value: &str) -> Identifier {
        Identifier { scheme: scheme.into(), namespace: String::new(), value: value.into() }
    }

    #[test]
    fn labels_show_two_letters_and_two_digits_at_most() {
        let phone = identifier("phone", "+14155550142");
        let email = identifier("email", "sarah@example.com");
        let both = [email.clone(), phone.clone()];
        for (name, identifiers, label) in [
            (Some("Jennifer Smith"), &both[..], "J. S. ··42"),
            (Some("maría del carmen ñandú"), &[][..], "M. Ñ."),
            (Some("Cher"), std::slice::from_ref(&email), "C."),
            (Some(" 42 "), std::slice::from_ref(&phone), "··42"),
            (None, &both[..], "··42"),
            (None, std::slice::from_ref(&email), "s···"),
            (None, &[][..], ""),
        ] {
            assert_eq!(masked_label(name, identifiers), label);
        }
    }
}
