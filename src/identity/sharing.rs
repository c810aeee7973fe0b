//! Whether an identifier is one person's: it follows from who uses it.

use crate::clock::{DAY, Time};

use super::model::{Owner, effective_owners};

/// Who has not used an identifier for so long may have given it up, and shares it no more.
const IN_USE_WITHIN: i64 = 365 * DAY;

/// From so many people on it is no household's any more.
const MANY: usize = 8;

/// How an identifier is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// By one person at most.
    #[default]
    NotShared,
    /// By a few: a household's landline, a couple's mailbox.
    Household,
    /// By eight or more: a company's switchboard, an office's mailbox.
    Switchboard,
}

/// How an identifier with these owners is used, and by how many: those who count as owners and used
/// it within a year in contacts that were settled on them.
pub fn sharing(owners: &[Owner], now: Time) -> (Sharing, usize) {
    let in_use = |owner: &&Owner| owner.uses > 0 && now.since(owner.newest) <= IN_USE_WITHIN;
    let count = effective_owners(owners).filter(in_use).count();
    let how = match count {
        0..=1 => Sharing::NotShared,
        2..MANY => Sharing::Household,
        _ => Sharing::Switchboard,
    };
    (how, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Assurance, MAX_OWNERS};
    use crate::ids::CustomerId;

    const NOW: Time = Time(1_700_000_000_000);

    fn owner(number: usize, uses: i64, days: i64) -> Owner {
        Owner {
            customer: CustomerId([number as u8; 16]),
            assurance: Assurance::Carried,
            uses,
            weight: uses as f64,
            newest: NOW.plus(-days * DAY),
            confirmed: None,
        }
    }

    fn used_by(count: usize) -> Vec<Owner> {
        (0..count).map(|number| owner(number, 1, 10)).collect()
    }

    #[test]
    fn it_follows_from_who_uses_it() {
        for (count, how) in [
            (0, Sharing::NotShared),
            (1, Sharing::NotShared),
            (2, Sharing::Household),
            (7, Sharing::Household),
            (8, Sharing::Switchboard),
            (MAX_OWNERS, Sharing::Switchboard),
        ] {
            assert_eq!(sharing(&used_by(count), NOW), (how, count));
        }
    }

    #[test]
    fn who_never_used_it_or_gave_it_up_does_not_share_it() {
        let mut owners = vec![owner(1, 3, 1), owner(2, 0, 1), owner(3, 9, 366)];
        assert_eq!(sharing(&owners, NOW), (Sharing::NotShared, 1));
        owners.push(Owner { assurance: Assurance::Asserted, ..owner(4, 1, 1) });
        assert_eq!(sharing(&owners, NOW).0, Sharing::NotShared, "asserted beside stronger");
        owners.push(owner(5, 1, 365));
        assert_eq!(sharing(&owners, NOW), (Sharing::Household, 2));
    }
}
