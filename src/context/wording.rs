//! The few words of a brief, in the languages it speaks; any other language
//! gets the English ones. Names that callers made up (intents, dispositions,
//! channels nobody knows) stay as they are, with spaces for underscores.

use std::borrow::Cow;

use super::vocabulary::IntentStatus;

/// One language's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// Introduces the present contact.
    pub(super) now: &'static str,
    /// Stands for a contact nobody noted anything about.
    pub(super) no_note: &'static str,
    /// Marks a contact that may have been somebody else's.
    pub(super) unconfirmed: &'static str,
    /// Between who and what, with the language's own spacing.
    pub(super) colon: &'static str,
    never_ended: &'static str,
    phone: &'static str,
    chat: &'static str,
    email: &'static str,
    app: &'static str,
    open: &'static str,
    escalated: &'static str,
    resolved: &'static str,
    abandoned: &'static str,
}

const ENGLISH: Words = Words {
    now: "now",
    no_note: "no note",
    unconfirmed: "unconfirmed",
    colon: ": ",
    never_ended: "never ended",
    phone: "phone",
    chat: "chat",
    email: "e-mail",
    app: "app",
    open: "open",
    escalated: "escalated",
    resolved: "resolved",
    abandoned: "abandoned",
};

const GERMAN: Words = Words {
    now: "jetzt",
    no_note: "keine Notiz",
    unconfirmed: "unbestätigt",
    colon: ": ",
    never_ended: "nie beendet",
    phone: "Telefon",
    chat: "Chat",
    email: "E-Mail",
    app: "App",
    open: "offen",
    escalated: "eskaliert",
    resolved: "gelöst",
    abandoned: "aufgegeben",
};

const FRENCH: Words = Words {
    now: "maintenant",
    no_note: "aucune note",
    unconfirmed: "non confirmé",
    colon: " : ",
    never_ended: "jamais terminé",
    phone: "téléphone",
    chat: "chat",
    email: "e-mail",
    app: "application",
    open: "en cours",
    escalated: "transmis",
    resolved: "résolu",
    abandoned: "abandonné",
};

const SPANISH: Words = Words {
    now: "ahora",
    no_note: "sin nota",
    unconfirmed: "sin confirmar",
    colon: ": ",
    never_ended: "sin finalizar",
    phone: "teléfono",
    chat: "chat",
    email: "correo",
    app: "aplicación",
    open: "abierto",
    escalated: "escalado",
    resolved: "resuelto",
    abandoned: "abandonado",
};

/// The words of a language, named by its subtag.
pub(super) fn words(language: &str) -> &'static Words {
    match language {
        "de" => &GERMAN,
        "fr" => &FRENCH,
        "es" => &SPANISH,
        _ => &ENGLISH,
    }
}

impl Words {
    /// What people call a channel.
    pub(super) fn channel<'a>(&self, channel: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(match channel {
            "voice" => self.phone,
            "chat" | "webchat" | "web_chat" => self.chat,
            "email" => self.email,
            "in_app" => self.app,
            "sms" => "SMS",
            "whatsapp" => "WhatsApp",
            "telegram" => "Telegram",
            "discord" => "Discord",
            "messenger" => "Messenger",
            "instagram" => "Instagram",
            other => return Cow::Owned(other.replace('_', " ")),
        })
    }

    /// How far a matter has come.
    pub(super) fn status(&self, status: IntentStatus) -> &'static str {
        match status {
            IntentStatus::Open => self.open,
            IntentStatus::Escalated => self.escalated,
            IntentStatus::Resolved => self.resolved,
            IntentStatus::Abandoned => self.abandoned,
        }
    }

    /// How a contact closed.
    pub(super) fn disposition<'a>(&self, disposition: &'a str) -> Cow<'a, str> {
        match disposition {
            "never_ended" => Cow::Borrowed(self.never_ended),
            other => Cow::Owned(other.replace('_', " ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_called_what_people_call_them() {
        let english = words("en");
        for (channel, word) in [
            ("voice", "phone"),
            ("web_chat", "chat"),
            ("email", "e-mail"),
            ("whatsapp", "WhatsApp"),
            ("in_app", "app"),
            ("video_kiosk", "video kiosk"),
            ("", ""),
        ] {
            assert_eq!(english.channel(channel), word);
        }
        assert_eq!(words("de").channel("voice"), "Telefon");
    }

    #[test]
    fn a_language_without_words_of_its_own_gets_the_english_ones() {
        assert_eq!(words("ja"), words("en"));
        assert_ne!(words("es"), words("en"));
        assert_eq!(words("fr").status(IntentStatus::Escalated), "transmis");
        assert_eq!(words("de").disposition("never_ended"), "nie beendet");
        assert_eq!(words("de").disposition("callback_promised"), "callback promised");
    }
}
