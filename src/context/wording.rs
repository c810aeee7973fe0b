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
    /// Stands for a contact whose texts were taken out.
    pub(super) redacted: &'static str,
    /// Marks a contact that may have been somebody else's.
    pub(super) unconfirmed: &'static str,
    /// Between who and what, with the language's own spacing.
    pub(super) colon: &'static str,
    /// What a reply to a conversation that left its channel does: `{origin}`, `{channel}`.
    pub(super) diverged: &'static str,
    /// The same, where the channel the customer writes on is closed by now: `{origin}`, `{channel}`.
    pub(super) diverged_closed: &'static str,
    /// The channel it began on is closed: `{origin}`, `{time}`.
    pub(super) closed_since: &'static str,
    /// It closes later: `{origin}`, `{time}`.
    pub(super) open_until: &'static str,
    /// It does not close: `{origin}`.
    pub(super) stays_open: &'static str,
    /// The customer has not written there: `{origin}`.
    pub(super) never_opened: &'static str,
    /// Before the names of the other channels that take replies.
    pub(super) others_open: &'static str,
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
    redacted: "note removed",
    unconfirmed: "unconfirmed",
    colon: ": ",
    diverged: "{origin} → {channel}: a reply goes to {channel} and is not seen on {origin}; ",
    diverged_closed: "{origin} → {channel}: {channel} takes no replies now; ",
    closed_since: "{origin} has been closed for replies since {time}",
    open_until: "{origin} takes replies until {time}",
    stays_open: "{origin} takes replies as well",
    never_opened: "{origin} takes no replies until they write there",
    others_open: "; open for replies, too: ",
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
    redacted: "Notiz entfernt",
    unconfirmed: "unbestätigt",
    colon: ": ",
    diverged: "{origin} → {channel}: Eine Antwort geht an {channel} und ist auf {origin} nicht zu sehen; ",
    diverged_closed: "{origin} → {channel}: {channel} nimmt jetzt keine Antworten an; ",
    closed_since: "{origin} ist seit {time} für Antworten geschlossen",
    open_until: "{origin} nimmt bis {time} Antworten an",
    stays_open: "{origin} nimmt weiterhin Antworten an",
    never_opened: "{origin} nimmt erst Antworten an, wenn dort geschrieben wird",
    others_open: "; ebenfalls offen für Antworten: ",
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
    redacted: "note supprimée",
    unconfirmed: "non confirmé",
    colon: " : ",
    diverged: "{origin} → {channel} : une réponse part sur {channel} et n’est pas vue sur {origin} ; ",
    diverged_closed: "{origin} → {channel} : {channel} n’accepte plus de réponses ; ",
    closed_since: "{origin} est fermé aux réponses depuis {time}",
    open_until: "{origin} accepte des réponses jusqu’à {time}",
    stays_open: "{origin} accepte toujours des réponses",
    never_opened: "{origin} n’accepte pas de réponses avant un message du client",
    others_open: " ; ouvert aux réponses aussi : ",
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
    redacted: "nota eliminada",
    unconfirmed: "sin confirmar",
    colon: ": ",
    diverged: "{origin} → {channel}: una respuesta va a {channel} y no se ve en {origin}; ",
    diverged_closed: "{origin} → {channel}: {channel} ya no acepta respuestas; ",
    closed_since: "{origin} está cerrado a respuestas desde {time}",
    open_until: "{origin} acepta respuestas hasta {time}",
    stays_open: "{origin} sigue aceptando respuestas",
    never_opened: "{origin} no acepta respuestas hasta que el cliente escriba allí",
    others_open: "; también abierto a respuestas: ",
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
