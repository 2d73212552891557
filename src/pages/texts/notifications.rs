//! What people read about notifications: the mail's frame, the settings page, and the page behind "unsubscribe".

use crate::types::Language;

/// The texts in one language.
#[derive(Debug)]
pub(in crate::pages) struct NotificationTexts {
    pub(in crate::pages) open: &'static str,
    pub(in crate::pages) why: &'static str,
    pub(in crate::pages) off: &'static str,
    pub(in crate::pages) settings: &'static str,
    pub(in crate::pages) heading: &'static str,
    pub(in crate::pages) lead: &'static str,
    pub(in crate::pages) none: &'static str,
    pub(in crate::pages) save: &'static str,
    pub(in crate::pages) saved: &'static str,
    pub(in crate::pages) account: &'static str,
    pub(in crate::pages) confirm_heading: &'static str,
    pub(in crate::pages) confirm: &'static str,
    pub(in crate::pages) switch_off: &'static str,
    pub(in crate::pages) done_heading: &'static str,
    pub(in crate::pages) done: &'static str,
    pub(in crate::pages) again: &'static str,
    pub(in crate::pages) wrong_heading: &'static str,
    pub(in crate::pages) wrong: &'static str,
    pub(in crate::pages) ended_heading: &'static str,
    pub(in crate::pages) ended: &'static str,
}

impl NotificationTexts {
    /// Those of a language.
    pub(in crate::pages) const fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::German => &GERMAN,
            Language::French => &FRENCH,
            Language::Spanish => &SPANISH,
            Language::Bulgarian => &BULGARIAN,
        }
    }

    /// All of them, for tests.
    #[cfg(test)]
    pub(in crate::pages) const fn all(&self) -> [&'static str; 20] {
        [
            self.open,
            self.why,
            self.off,
            self.settings,
            self.heading,
            self.lead,
            self.none,
            self.save,
            self.saved,
            self.account,
            self.confirm_heading,
            self.confirm,
            self.switch_off,
            self.done_heading,
            self.done,
            self.again,
            self.wrong_heading,
            self.wrong,
            self.ended_heading,
            self.ended,
        ]
    }
}

const ENGLISH: NotificationTexts = NotificationTexts {
    open: "Open in {title}",
    why: "You get this mail because you use {title}, and “{topic}” is switched on for you.",
    off: "Switch “{topic}” off",
    settings: "All notification settings",
    heading: "Notifications",
    lead: "Choose what {title} tells you by mail at {email}.",
    none: "There is nothing to be told about yet.",
    save: "Save",
    saved: "Your choice is saved.",
    account: "Your account",
    confirm_heading: "Switch “{topic}” off?",
    confirm: "{title} will send no more mail about this to {email}. Everything else stays as it is.",
    switch_off: "Switch off",
    done_heading: "“{topic}” is switched off",
    done: "{title} sends no more mail about this to {email}.",
    again: "You can switch it on again in your settings at any time.",
    wrong_heading: "This link is not complete",
    wrong: "Open the link in your mail once more, or choose in your settings what you get.",
    ended_heading: "This link is too old",
    ended: "It was good for a year. Choose in your settings what you get.",
};

const GERMAN: NotificationTexts = NotificationTexts {
    open: "In {title} öffnen",
    why: "Sie erhalten diese E-Mail, weil Sie {title} nutzen und „{topic}“ für Sie eingeschaltet ist.",
    off: "„{topic}“ ausschalten",
    settings: "Alle Einstellungen für Benachrichtigungen",
    heading: "Benachrichtigungen",
    lead: "Wählen Sie, worüber {title} Sie per E-Mail an {email} informiert.",
    none: "Es gibt noch nichts, worüber Sie informiert werden könnten.",
    save: "Speichern",
    saved: "Ihre Auswahl ist gespeichert.",
    account: "Ihr Konto",
    confirm_heading: "„{topic}“ ausschalten?",
    confirm: "{title} schickt dazu keine E-Mails mehr an {email}. Alles andere bleibt, wie es ist.",
    switch_off: "Ausschalten",
    done_heading: "„{topic}“ ist ausgeschaltet",
    done: "{title} schickt dazu keine E-Mails mehr an {email}.",
    again: "In Ihren Einstellungen können Sie das jederzeit wieder einschalten.",
    wrong_heading: "Dieser Link ist nicht vollständig",
    wrong: "Öffnen Sie den Link in Ihrer E-Mail noch einmal, oder wählen Sie in Ihren Einstellungen, was Sie erhalten.",
    ended_heading: "Dieser Link ist zu alt",
    ended: "Er galt ein Jahr lang. Wählen Sie in Ihren Einstellungen, was Sie erhalten.",
};

const FRENCH: NotificationTexts = NotificationTexts {
    open: "Ouvrir dans {title}",
    why: "Vous recevez cet e-mail parce que vous utilisez {title} et que «\u{a0}{topic}\u{a0}» est activé pour vous.",
    off: "Désactiver «\u{a0}{topic}\u{a0}»",
    settings: "Tous les réglages de notification",
    heading: "Notifications",
    lead: "Choisissez ce que {title} vous annonce par e-mail à l’adresse {email}.",
    none: "Il n’y a encore rien à vous annoncer.",
    save: "Enregistrer",
    saved: "Votre choix est enregistré.",
    account: "Votre compte",
    confirm_heading: "Désactiver «\u{a0}{topic}\u{a0}»\u{202f}?",
    confirm: "{title} n’enverra plus d’e-mails à ce sujet à {email}. Tout le reste demeure inchangé.",
    switch_off: "Désactiver",
    done_heading: "«\u{a0}{topic}\u{a0}» est désactivé",
    done: "{title} n’envoie plus d’e-mails à ce sujet à {email}.",
    again: "Vous pouvez l’activer de nouveau à tout moment dans vos réglages.",
    wrong_heading: "Ce lien n’est pas complet",
    wrong: "Ouvrez encore une fois le lien de votre e-mail, ou choisissez dans vos réglages ce que vous recevez.",
    ended_heading: "Ce lien est trop ancien",
    ended: "Il était valable un an. Choisissez dans vos réglages ce que vous recevez.",
};

const SPANISH: NotificationTexts = NotificationTexts {
    open: "Abrir en {title}",
    why: "Recibe este correo porque usa {title} y tiene activado «{topic}».",
    off: "Desactivar «{topic}»",
    settings: "Todos los ajustes de notificaciones",
    heading: "Notificaciones",
    lead: "Elija de qué le informa {title} por correo en {email}.",
    none: "Todavía no hay nada de lo que informarle.",
    save: "Guardar",
    saved: "Su elección se ha guardado.",
    account: "Su cuenta",
    confirm_heading: "¿Desactivar «{topic}»?",
    confirm: "{title} no enviará más correos sobre esto a {email}. Todo lo demás sigue igual.",
    switch_off: "Desactivar",
    done_heading: "«{topic}» está desactivado",
    done: "{title} ya no envía correos sobre esto a {email}.",
    again: "Puede volver a activarlo en sus ajustes en cualquier momento.",
    wrong_heading: "Este enlace no está completo",
    wrong: "Abra otra vez el enlace de su correo o elija en sus ajustes lo que recibe.",
    ended_heading: "Este enlace es demasiado antiguo",
    ended: "Fue válido durante un año. Elija en sus ajustes lo que recibe.",
};

const BULGARIAN: NotificationTexts = NotificationTexts {
    open: "Отваряне в {title}",
    why: "Получавате това писмо, защото използвате {title} и „{topic}“ е включено за Вас.",
    off: "Изключване на „{topic}“",
    settings: "Всички настройки за известия",
    heading: "Известия",
    lead: "Изберете за какво {title} да Ви известява по имейл на {email}.",
    none: "Все още няма за какво да бъдете известени.",
    save: "Запазване",
    saved: "Изборът Ви е запазен.",
    account: "Вашият профил",
    confirm_heading: "Да се изключи ли „{topic}“?",
    confirm: "{title} няма повече да изпраща писма за това на {email}. Всичко останало остава както е.",
    switch_off: "Изключване",
    done_heading: "„{topic}“ е изключено",
    done: "{title} вече не изпраща писма за това на {email}.",
    again: "Можете по всяко време да го включите отново от настройките си.",
    wrong_heading: "Тази връзка не е пълна",
    wrong: "Отворете още веднъж връзката от писмото или изберете в настройките си какво да получавате.",
    ended_heading: "Тази връзка е твърде стара",
    ended: "Тя важеше една година. Изберете в настройките си какво да получавате.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_names_the_same_things() {
        let named = |text: &str| {
            let mut names: Vec<_> = text
                .split('{')
                .skip(1)
                .filter_map(|rest| rest.split_once('}').map(|(name, _)| name.to_owned()))
                .collect();
            names.sort();
            names
        };
        for language in Language::ALL {
            let texts = NotificationTexts::of(language).all();
            for (text, english) in texts.iter().zip(ENGLISH.all()) {
                assert_eq!(named(text), named(english), "{text}");
                assert!(
                    !text.is_empty()
                        && (language == Language::English || *text != english || english == "Notifications")
                );
                assert_eq!(text.ends_with('.'), english.ends_with('.'), "{text}");
            }
        }
    }
}
