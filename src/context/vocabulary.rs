//! The closed sets of words that context is told in, and the numbers by which
//! the store keeps them. The numbers are the protocol's and never change.

/// Who hears the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// The customer alone.
    Private = 1,
    /// A closed group, a conference.
    Group = 2,
    /// Everybody, such as a public Discord channel.
    Public = 3,
}

/// How far a matter has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntentStatus {
    /// Not settled.
    Open = 1,
    /// Not settled, and passed on to somebody else.
    Escalated = 2,
    /// Settled.
    Resolved = 3,
    /// Given up by the customer.
    Abandoned = 4,
}

/// When something was written: the position in the journal, and the place within that operation.
pub type Order = (i64, i64);

/// Who may see a value. The stricter is the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sensitivity {
    /// Whoever may see the context.
    #[default]
    Normal = 1,
    /// Only who asks at level high or above and with assurance AUTHENTICATED or above.
    Sensitive = 2,
}

/// How freely a customer's context may be told, whoever asks. The stricter is
/// the greater, so that a merge takes the maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disclosure {
    /// As the decision recommends.
    #[default]
    Normal = 1,
    /// Nothing before the identity was confirmed in the interaction itself.
    AlwaysConfirm = 2,
    /// Nothing, ever.
    Never = 3,
}

/// What a customer says of one purpose. The more restrictive is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConsentState {
    /// They agree.
    Granted = 1,
    /// They were asked, and do not.
    Refused = 2,
    /// They did, and do not any more.
    Withdrawn = 3,
}

impl Audience {
    /// The number it is stored as.
    pub fn code(self) -> i64 {
        self as i64
    }

    /// Reads a stored number; `None` when it stands for nothing.
    pub fn from_code(code: i64) -> Option<Self> {
        [Self::Private, Self::Group, Self::Public].into_iter().find(|one| one.code() == code)
    }
}

impl IntentStatus {
    /// The number it is stored as.
    pub fn code(self) -> i64 {
        self as i64
    }

    /// Reads a stored number; `None` when it stands for nothing.
    pub fn from_code(code: i64) -> Option<Self> {
        [Self::Open, Self::Escalated, Self::Resolved, Self::Abandoned]
            .into_iter()
            .find(|one| one.code() == code)
    }

    /// Whether the matter is not settled: open or escalated.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Escalated)
    }
}

impl Sensitivity {
    /// The number it is stored as.
    pub fn code(self) -> i64 {
        self as i64
    }

    /// Reads a stored number; `None` when it stands for nothing.
    pub fn from_code(code: i64) -> Option<Self> {
        [Self::Normal, Self::Sensitive].into_iter().find(|one| one.code() == code)
    }
}

impl ConsentState {
    /// The number it is stored as.
    pub fn code(self) -> i64 {
        self as i64
    }

    /// Reads a stored number; `None` when it stands for nothing.
    pub fn from_code(code: i64) -> Option<Self> {
        [Self::Granted, Self::Refused, Self::Withdrawn].into_iter().find(|one| one.code() == code)
    }
}

impl Disclosure {
    /// The number it is stored as.
    pub fn code(self) -> i64 {
        self as i64
    }

    /// Reads a stored number; `None` when it stands for nothing.
    pub fn from_code(code: i64) -> Option<Self> {
        [Self::Normal, Self::AlwaysConfirm, Self::Never].into_iter().find(|one| one.code() == code)
    }

    /// Reads the word an admin writes: `NORMAL`, `ALWAYS_CONFIRM` or `NEVER`, exactly.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "NORMAL" => Some(Self::Normal),
            "ALWAYS_CONFIRM" => Some(Self::AlwaysConfirm),
            "NEVER" => Some(Self::Never),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_and_no_other_does() {
        for code in -1..=6 {
            let read = [
                (Audience::from_code(code).map(Audience::code), 3),
                (IntentStatus::from_code(code).map(IntentStatus::code), 4),
                (Sensitivity::from_code(code).map(Sensitivity::code), 2),
                (Disclosure::from_code(code).map(Disclosure::code), 3),
                (ConsentState::from_code(code).map(ConsentState::code), 3),
            ];
            for (found, last) in read {
                assert_eq!(found, (1..=last).contains(&code).then_some(code));
            }
        }
    }

    #[test]
    fn disclosure_is_read_exactly_and_the_stricter_is_greater() {
        let words = ["NORMAL", "ALWAYS_CONFIRM", "NEVER"].map(Disclosure::parse);
        assert_eq!(
            words,
            [Some(Disclosure::Normal), Some(Disclosure::AlwaysConfirm), Some(Disclosure::Never)]
        );
        assert!(words.is_sorted());
        for odd in ["", "never", " NEVER", "DISCLOSURE_NEVER"] {
            assert_eq!(Disclosure::parse(odd), None, "{odd}");
        }
        assert!(Sensitivity::Sensitive > Sensitivity::Normal);
    }
}
