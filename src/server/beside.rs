//! What goes on beside serving, and how it stops.

use std::time::Duration;

use tokio::task::JoinHandle;

/// What goes on beside serving, until it stops.
pub(super) struct Beside {
    pub swept: JoinHandle<()>,
    pub noted: JoinHandle<()>,
    pub certificates_kept: Option<JoinHandle<()>>,
    pub checkpoints: Option<JoinHandle<()>>,
    pub attended: JoinHandle<()>,
    /// Web-hooks: told to stop by itself, before.
    pub delivered: JoinHandle<()>,
}

impl Beside {
    /// Stops all of it; web-hooks that are being sent may end, for so long.
    pub async fn stop(&mut self, within: Duration) {
        if tokio::time::timeout(within, &mut self.delivered).await.is_err() {
            // Whoever holds their endpoints next sends them again.
            tracing::warn!("web-hooks did not end in time and were cut off");
        }
        let always = [&self.swept, &self.noted, &self.attended, &self.delivered];
        let chosen = [&self.certificates_kept, &self.checkpoints];
        let all = always.into_iter().chain(chosen.into_iter().flatten());
        all.for_each(JoinHandle::abort);
    }
}
