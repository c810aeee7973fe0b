//! Hints of the web: the visitor who is anonymous, and the customer who has signed in.

use super::{MAX_VALUE, Reader, identifier};
use crate::identity::hints::ShownToken;
use crate::identity::junk::{is_junk, is_nobodys_subject};
use crate::identity::vocabulary::{Assurance, HintKind, VISITOR};

/// Channels on which a visitor id comes from the caller's own page or app.
const WEB_CHANNELS: [&str; 5] = ["web_chat", "webchat", "chat", "in_app", "web"];

impl Reader<'_> {
    /// An anonymous visitor: a cookie that the caller's own page carries, on its own channels.
    pub(super) fn visitor(&mut self, value: &str) {
        let field = "identity_hints.visitor_id";
        if value.is_empty() || !self.acceptable(field, value, MAX_VALUE) {
            return;
        }
        if is_junk(value) {
            return self.junk(field);
        }
        let own = WEB_CHANNELS.contains(&self.at.channel);
        let default = if own { Assurance::Carried } else { Assurance::Asserted };
        let id = identifier(VISITOR, "", value.trim().to_owned());
        self.keep(field, id, HintKind::AccountNumber, (default, None), None);
    }

    /// Whoever has signed in. The value is the subject to the letter, within its issuer.
    pub(super) fn web_token(&mut self, token: &ShownToken) {
        let field = "identity_hints.web_token";
        let Some(who) = token.named() else { return };
        if is_nobodys_subject(&who.subject) {
            return self.junk(field);
        }
        let id = identifier("web_token", &who.issuer, who.subject.clone());
        match token {
            ShownToken::SignedIn(_) => {
                self.keep(field, id, HintKind::WebToken, (Assurance::Verified, None), None);
            }
            _ => {
                self.found.unproven = Some(id);
                let message = "there was no key to check it with; it was not used";
                self.drop("web_token_unverified", field, message);
            }
        }
    }
}
