//! What does not go on although it is tried again and again. Pure.

use tokio::time::Instant;

use super::SILENT_FOR;

/// Since when something has not gone on, if it has not.
#[derive(Default)]
pub(super) struct Late(Option<Instant>);

impl Late {
    /// It has not gone on by `now`, in a try that began at `begun`. Whether so for longer than a watcher
    /// waits.
    pub fn is_over(&mut self, begun: Instant, now: Instant) -> bool {
        now.duration_since(*self.0.get_or_insert(begun)) >= SILENT_FOR
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_does_not_go_on_ends() {
        let (mut late, begun) = (Late::default(), Instant::now());
        for seconds in [0, 2, 4] {
            let now = begun + Duration::from_secs(seconds);
            assert!(!late.is_over(now, now), "{seconds}");
        }
        let now = begun + SILENT_FOR;
        assert!(late.is_over(now, now), "whenever the last try began");
        late = Late::default();
        assert!(!late.is_over(now, now), "it has gone on meanwhile");
        assert!(late.is_over(now, now + SILENT_FOR));
    }
}
