//! What journal rows say was done, and how it ended.

/// What a journal row did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// StartInteraction, or the place that an end without a start keeps for it.
    Start = 1,
    /// UpdateInteraction.
    Update = 2,
    /// EndInteraction.
    End = 3,
    /// A start that arrived after its end.
    Attach = 4,
    /// Closed because no end came in time.
    Close = 5,
    /// Removed by a sweep.
    Purge = 6,
    /// MergeCustomers.
    Merge = 7,
    /// UnmergeCustomers.
    Unmerge = 8,
    /// ReassignInteraction.
    Reassign = 9,
    /// RedactInteraction.
    Redact = 10,
    /// An interaction, or requests, past retention: what was said is gone, that it was said stays.
    Expire = 11,
    /// A customer was set aside: no contact for long.
    Archive = 12,
    /// UpsertCustomer, or a row of an import.
    Upsert = 20,
    /// LinkIdentifier.
    Link = 21,
    /// UnlinkIdentifier.
    Unlink = 22,
    /// ResolveConflict.
    Resolve = 23,
    /// EraseCustomer: alone leaves rows of which only their hash stays (ADR 0039).
    Erase = 24,
    /// GetInteraction.
    GetInteraction = 40,
    /// ListInteractions.
    ListInteractions = 41,
    /// GetCustomer.
    GetCustomer = 42,
    /// ListConflicts.
    ListConflicts = 43,
    /// PreviewMerge.
    PreviewMerge = 44,
    /// A start, update or change sent again, and answered with what is known by now.
    Repeat = 45,
    /// ExportCustomer.
    ExportCustomer = 46,
    /// EraseCustomer without a token: what would go.
    PreviewErase = 47,
    /// WatchInteractions: the stream was opened, or an event of it shown.
    WatchInteractions = 48,
    /// WatchCustomer: the same.
    WatchCustomer = 49,
    /// An endpoint for web-hooks was made.
    CreateWebhook = 50,
    /// An endpoint was changed.
    UpdateWebhook = 51,
    /// An endpoint got a new secret.
    RotateWebhookSecret = 52,
    /// An endpoint was removed.
    RemoveWebhook = 53,
    /// An endpoint was tried out.
    TestWebhook = 54,
    /// Events that had been given up were asked for again.
    ReplayDeadLetters = 55,
    /// `threadline fit --tenant`: decisions were opened to learn weights from.
    Fit = 56,
    /// A new version of the root key was begun.
    RotateRootKey = 57,
    /// The retirement of a version of the root key was asked for.
    RetireRootKey = 58,
    /// A backup was taken.
    Backup = 59,
    /// An API key was made.
    CreateKey = 60,
    /// An API key was revoked.
    RevokeKey = 61,
    /// An API key was replaced by a new one.
    ReplaceKey = 62,
    /// A backup was put back: what comes before is as it was when that was made.
    Restore = 70,
}

impl Verb {
    /// Codes of reads: whatever is in between only shows something.
    pub const READS: std::ops::Range<i64> = 40..50;

    /// Requests that change a customer, beside any interaction.
    pub const REQUESTS: [Self; 6] =
        [Self::Merge, Self::Unmerge, Self::Upsert, Self::Link, Self::Unlink, Self::Resolve];

    /// All of them, with the names that `audit list` shows.
    pub const ALL: [(Self, &'static str); 41] = [
        (Self::Start, "start"),
        (Self::Update, "update"),
        (Self::End, "end"),
        (Self::Attach, "attach"),
        (Self::Close, "close"),
        (Self::Purge, "purge"),
        (Self::Merge, "merge"),
        (Self::Unmerge, "unmerge"),
        (Self::Reassign, "reassign"),
        (Self::Redact, "redact"),
        (Self::Expire, "expire"),
        (Self::Archive, "archive"),
        (Self::Upsert, "upsert"),
        (Self::Link, "link"),
        (Self::Unlink, "unlink"),
        (Self::Resolve, "resolve"),
        (Self::Erase, "erase"),
        (Self::GetInteraction, "get_interaction"),
        (Self::ListInteractions, "list_interactions"),
        (Self::GetCustomer, "get_customer"),
        (Self::ListConflicts, "list_conflicts"),
        (Self::PreviewMerge, "preview_merge"),
        (Self::Repeat, "repeat"),
        (Self::ExportCustomer, "export_customer"),
        (Self::PreviewErase, "preview_erase"),
        (Self::WatchInteractions, "watch_interactions"),
        (Self::WatchCustomer, "watch_customer"),
        (Self::CreateWebhook, "create_webhook"),
        (Self::UpdateWebhook, "update_webhook"),
        (Self::RotateWebhookSecret, "rotate_webhook_secret"),
        (Self::RemoveWebhook, "remove_webhook"),
        (Self::TestWebhook, "test_webhook"),
        (Self::ReplayDeadLetters, "replay_dead_letters"),
        (Self::Fit, "fit"),
        (Self::RotateRootKey, "rotate_root_key"),
        (Self::RetireRootKey, "retire_root_key"),
        (Self::Backup, "backup"),
        (Self::CreateKey, "create_key"),
        (Self::RevokeKey, "revoke_key"),
        (Self::ReplaceKey, "replace_key"),
        (Self::Restore, "restore"),
    ];

    /// Reads a stored code.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().map(|(verb, _)| verb).find(|verb| *verb as i64 == code)
    }

    /// Whether its rows have content until somebody strips them: one without is damaged.
    pub fn has_content(self) -> bool {
        use Verb::{
            Attach, Close, End, Link, Merge, Reassign, Redact, Resolve, Start, Unlink, Unmerge,
            Update, Upsert,
        };
        matches!(
            self,
            Start
                | Update
                | End
                | Attach
                | Close
                | Merge
                | Unmerge
                | Reassign
                | Redact
                | Upsert
                | Link
                | Unlink
                | Resolve
        )
    }

    /// The verb of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(verb, _)| verb)
    }

    /// What `audit list` calls it.
    pub fn name(self) -> &'static str {
        // Every verb is in the list: a test says so.
        Self::ALL.into_iter().find(|(verb, _)| *verb == self).map_or("", |(_, name)| name)
    }
}

/// How a journal row was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Settled on a customer that was known.
    Known = 1,
    /// Settled on a new customer with identifiers.
    New = 2,
    /// Settled on a new customer without any identifier.
    Unidentified = 3,
    /// Not settled: the best candidate is to be confirmed.
    Unsettled = 4,
    /// Removed.
    Removed = 5,
    /// Shown to whoever asked.
    Shown = 6,
    /// Asked for, and refused: the caller may not see it.
    Refused = 7,
    /// Asked for, and not there.
    NotFound = 8,
    /// Done, to something that is no customer.
    Done = 9,
    /// Kept for what was erased: whoever comes late for it is told so.
    Erased = 10,
}

impl Outcome {
    /// What `audit list` calls a stored code; none for one that is unknown.
    pub fn name(code: i64) -> Option<&'static str> {
        let names = [
            (Self::Known, "known"),
            (Self::New, "new"),
            (Self::Unidentified, "unidentified"),
            (Self::Unsettled, "unsettled"),
            (Self::Removed, "removed"),
            (Self::Shown, "shown"),
            (Self::Refused, "refused"),
            (Self::NotFound, "not_found"),
            (Self::Done, "done"),
            (Self::Erased, "erased"),
        ];
        names.into_iter().find(|(outcome, _)| *outcome as i64 == code).map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_code_and_a_name_of_its_own() {
        for (verb, name) in Verb::ALL {
            assert_eq!(Verb::from_code(verb as i64), Some(verb));
            assert_eq!((Verb::named(name), verb.name()), (Some(verb), name));
        }
        // A new verb that is not in the list would have no name and could not be read back.
        let known = (0..=i64::from(u8::MAX)).filter(|code| Verb::from_code(*code).is_some());
        assert_eq!(known.count(), Verb::ALL.len());
        assert_eq!((Verb::named(""), Verb::from_code(0)), (None, None));
    }
}
