//! The ids that messaging platforms gave their users, and which platforms say whose message it is.

use super::{MAX_VALUE, Reader, identifier};
use crate::identity::external::{
    WhatsappId, is_beyond_ids, is_telegrams_own, numeric_id, whatsapp_id,
};
use crate::identity::junk::is_junk;
use crate::identity::phone::Bare;
use crate::identity::vocabulary::{Assurance, Direction, HintKind};

/// Platforms on which nobody writes before they have signed in, so that the platform vouches for
/// the sender. Named on purpose: channels and kinds are open sets, and a channel of its own name
/// (`portal`, `fax`) vouches for nobody by being called so.
const PLATFORMS: [&str; 20] = [
    "apple_business_chat",
    "apple_messages",
    "discord",
    "facebook",
    "google_business_messages",
    "instagram",
    "kakaotalk",
    "line",
    "messenger",
    "rcs",
    "signal",
    "slack",
    "teams",
    "telegram",
    "twitter",
    "viber",
    "wechat",
    "whatsapp",
    "x",
    "zalo",
];

impl Reader<'_> {
    /// An id that a messaging platform gave its user.
    pub(super) fn platform(
        &mut self,
        field: &str,
        scheme: &str,
        namespace: &str,
        value: &str,
        stated: Option<Assurance>,
        derived: Option<bool>,
    ) {
        if value.is_empty() || !self.acceptable(field, value, MAX_VALUE) {
            return;
        }
        let default = self.vouched(scheme);
        // A number that no platform can have given is a mistake, also if it is all nines.
        let impossible = matches!(scheme, "telegram" | "discord") && is_beyond_ids(value);
        if is_junk(value) && !impossible {
            return self.junk(field);
        }
        let (id, kind) = match (scheme, whatsapp_id(value)) {
            ("whatsapp", WhatsappId::Phone(digits)) => {
                let Some(number) = self.number(field, digits, Bare::International) else { return };
                (identifier("phone", "", number.e164), HintKind::Whatsapp)
            }
            ("whatsapp", WhatsappId::Opaque(id)) => {
                (identifier(scheme, namespace, id), HintKind::Whatsapp)
            }
            ("whatsapp", WhatsappId::Neither) => {
                let reason = "must be a phone number or a business-scoped id, not a name";
                return self.refuse(field, reason.to_owned());
            }
            ("telegram" | "discord", _) => {
                let Some(id) = numeric_id(value) else {
                    let reason = "must be the user's numeric id, not a name".to_owned();
                    return self.refuse(field, reason);
                };
                let telegram = scheme == "telegram";
                if telegram && is_telegrams_own(&id) {
                    return self.junk(field);
                }
                let kind = if telegram { HintKind::Telegram } else { HintKind::Discord };
                (identifier(scheme, namespace, id), kind)
            }
            _ => (identifier(scheme, namespace, value.trim().to_owned()), HintKind::AccountNumber),
        };
        self.keep(field, id, kind, (default, stated), derived);
    }

    /// How far an id of this kind can be trusted here when nobody says.
    fn vouched(&self, scheme: &str) -> Assurance {
        match self.at.direction {
            _ if self.at.channel != scheme || !PLATFORMS.contains(&scheme) => Assurance::Asserted,
            Direction::Inbound => Assurance::Authenticated,
            // We have written to it: that it is who we take it for, nobody has shown yet.
            Direction::Outbound => Assurance::Carried,
        }
    }
}
