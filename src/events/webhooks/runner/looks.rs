//! When the journal is looked at next, as commits are heard of. Pure.

use tokio::time::Instant;

use super::GATHERED_FOR;

/// When to look, once something was committed at `now`, where the next look was to be at `look`. It may
/// come sooner for that, and never later: commits that come without end would put it off without end.
pub(super) fn rung(look: Instant, now: Instant) -> Instant {
    look.min(now + GATHERED_FOR)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::LOOK_EVERY;
    use super::*;

    #[test]
    fn commits_without_end_put_no_look_off() {
        let begun = Instant::now();
        let (mut look, mut looks) = (begun + LOOK_EVERY, 0);
        for heard in 1..=300 {
            let now = begun + Duration::from_millis(heard);
            if now >= look {
                (look, looks) = (now + LOOK_EVERY, looks + 1);
            }
            look = rung(look, now);
        }
        assert!((40..=60).contains(&looks), "{looks} looks while 300 commits were heard of");
    }

    #[test]
    fn a_look_that_is_due_sooner_stays() {
        let now = Instant::now();
        let (due, far) = (now + Duration::from_millis(1), now + LOOK_EVERY);
        assert_eq!((rung(due, now), rung(now, now)), (due, now));
        assert_eq!(rung(far, now), now + GATHERED_FOR);
    }
}
