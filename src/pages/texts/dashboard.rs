//! What people read on the dashboard. Numbers stand behind a colon, so that no language needs a plural for them.

use crate::types::Language;

/// The texts in one language.
#[derive(Debug)]
pub(in crate::pages) struct DashboardTexts {
    pub(in crate::pages) heading: &'static str,
    pub(in crate::pages) of_customer: &'static str,
    pub(in crate::pages) of_all: &'static str,
    pub(in crate::pages) people: &'static str,
    pub(in crate::pages) people_of: &'static str,
    pub(in crate::pages) invitations: &'static str,
    pub(in crate::pages) logins: &'static str,
    pub(in crate::pages) requests: &'static str,
    pub(in crate::pages) refusals: &'static str,
    pub(in crate::pages) allowed: &'static str,
    pub(in crate::pages) requests_by_day: &'static str,
    pub(in crate::pages) people_by_day: &'static str,
    pub(in crate::pages) logins_by_day: &'static str,
    pub(in crate::pages) requests_told: &'static str,
    pub(in crate::pages) told: &'static str,
    pub(in crate::pages) most: &'static str,
    pub(in crate::pages) numbers: &'static str,
    pub(in crate::pages) day: &'static str,
    pub(in crate::pages) pages: &'static str,
    pub(in crate::pages) page: &'static str,
    pub(in crate::pages) no_pages: &'static str,
    pub(in crate::pages) pages_hint: &'static str,
    pub(in crate::pages) zone: &'static str,
    pub(in crate::pages) customer: &'static str,
    pub(in crate::pages) all_customers: &'static str,
    pub(in crate::pages) show: &'static str,
    pub(in crate::pages) account: &'static str,
}

impl DashboardTexts {
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
    const fn all(&self) -> [&'static str; 27] {
        [
            self.heading,
            self.of_customer,
            self.of_all,
            self.people,
            self.people_of,
            self.invitations,
            self.logins,
            self.requests,
            self.refusals,
            self.allowed,
            self.requests_by_day,
            self.people_by_day,
            self.logins_by_day,
            self.requests_told,
            self.told,
            self.most,
            self.numbers,
            self.day,
            self.pages,
            self.page,
            self.no_pages,
            self.pages_hint,
            self.zone,
            self.customer,
            self.all_customers,
            self.show,
            self.account,
        ]
    }
}

const ENGLISH: DashboardTexts = DashboardTexts {
    heading: "Dashboard",
    of_customer: "What the people of {customer} did in the last 30 days.",
    of_all: "What the people of all customers did in the last 30 days.",
    people: "Active people",
    people_of: "{active} of {all}",
    invitations: "Pending invitations",
    logins: "Log-ins",
    requests: "Requests",
    refusals: "Refused",
    allowed: "Allowed",
    requests_by_day: "Requests by day",
    people_by_day: "Active people by day",
    logins_by_day: "Log-ins by day",
    requests_told: "Allowed: {allowed}. Refused: {refused}.",
    told: "In 30 days: {number}.",
    most: "Most on {day}: {number}.",
    numbers: "All numbers as a table",
    day: "Day",
    pages: "Most used pages",
    page: "Page",
    no_pages: "No page was shown yet.",
    pages_hint: "A star stands for a number or a name of one thing.",
    zone: "Days begin at midnight, time zone {zone}. Your own pages here are not counted.",
    customer: "Customer",
    all_customers: "All customers",
    show: "Show",
    account: "Your account",
};

const GERMAN: DashboardTexts = DashboardTexts {
    heading: "Übersicht",
    of_customer: "Was die Personen von {customer} in den letzten 30 Tagen getan haben.",
    of_all: "Was die Personen aller Kunden in den letzten 30 Tagen getan haben.",
    people: "Aktive Personen",
    people_of: "{active} von {all}",
    invitations: "Offene Einladungen",
    logins: "Anmeldungen",
    requests: "Anfragen",
    refusals: "Abgelehnt",
    allowed: "Zugelassen",
    requests_by_day: "Anfragen nach Tagen",
    people_by_day: "Aktive Personen nach Tagen",
    logins_by_day: "Anmeldungen nach Tagen",
    requests_told: "Zugelassen: {allowed}. Abgelehnt: {refused}.",
    told: "In 30 Tagen: {number}.",
    most: "Die meisten am {day}: {number}.",
    numbers: "Alle Zahlen als Tabelle",
    day: "Tag",
    pages: "Meistgenutzte Seiten",
    page: "Seite",
    no_pages: "Es wurde noch keine Seite aufgerufen.",
    pages_hint: "Ein Stern steht für eine Nummer oder den Namen einer einzelnen Sache.",
    zone: "Tage beginnen um Mitternacht, Zeitzone {zone}. Ihre eigenen Seiten hier werden nicht gezählt.",
    customer: "Kunde",
    all_customers: "Alle Kunden",
    show: "Anzeigen",
    account: "Ihr Konto",
};

const FRENCH: DashboardTexts = DashboardTexts {
    heading: "Tableau de bord",
    of_customer: "Ce que les personnes de {customer} ont fait ces 30 derniers jours.",
    of_all: "Ce que les personnes de tous les clients ont fait ces 30 derniers jours.",
    people: "Personnes actives",
    people_of: "{active} sur {all}",
    invitations: "Invitations en attente",
    logins: "Connexions",
    requests: "Requêtes",
    refusals: "Refusées",
    allowed: "Autorisées",
    requests_by_day: "Requêtes par jour",
    people_by_day: "Personnes actives par jour",
    logins_by_day: "Connexions par jour",
    requests_told: "Autorisées\u{a0}: {allowed}. Refusées\u{a0}: {refused}.",
    told: "En 30 jours\u{a0}: {number}.",
    most: "Maximum le {day}\u{a0}: {number}.",
    numbers: "Tous les chiffres en tableau",
    day: "Jour",
    pages: "Pages les plus utilisées",
    page: "Page",
    no_pages: "Aucune page n’a encore été affichée.",
    pages_hint: "Une étoile remplace un numéro ou le nom d’une chose précise.",
    zone: "Les jours commencent à minuit, fuseau horaire {zone}. Vos propres pages ici ne sont pas comptées.",
    customer: "Client",
    all_customers: "Tous les clients",
    show: "Afficher",
    account: "Votre compte",
};

const SPANISH: DashboardTexts = DashboardTexts {
    heading: "Panel",
    of_customer: "Lo que han hecho las personas de {customer} en los últimos 30 días.",
    of_all: "Lo que han hecho las personas de todos los clientes en los últimos 30 días.",
    people: "Personas activas",
    people_of: "{active} de {all}",
    invitations: "Invitaciones pendientes",
    logins: "Inicios de sesión",
    requests: "Solicitudes",
    refusals: "Rechazadas",
    allowed: "Permitidas",
    requests_by_day: "Solicitudes por día",
    people_by_day: "Personas activas por día",
    logins_by_day: "Inicios de sesión por día",
    requests_told: "Permitidas: {allowed}. Rechazadas: {refused}.",
    told: "En 30 días: {number}.",
    most: "Máximo el {day}: {number}.",
    numbers: "Todos los números en una tabla",
    day: "Día",
    pages: "Páginas más usadas",
    page: "Página",
    no_pages: "Todavía no se ha mostrado ninguna página.",
    pages_hint: "Un asterisco sustituye un número o el nombre de una sola cosa.",
    zone: "Los días empiezan a medianoche, zona horaria {zone}. Sus propias páginas aquí no se cuentan.",
    customer: "Cliente",
    all_customers: "Todos los clientes",
    show: "Mostrar",
    account: "Su cuenta",
};

const BULGARIAN: DashboardTexts = DashboardTexts {
    heading: "Табло",
    of_customer: "Какво са правили хората на {customer} през последните 30 дни.",
    of_all: "Какво са правили хората на всички клиенти през последните 30 дни.",
    people: "Активни хора",
    people_of: "{active} от {all}",
    invitations: "Чакащи покани",
    logins: "Влизания",
    requests: "Заявки",
    refusals: "Отказани",
    allowed: "Разрешени",
    requests_by_day: "Заявки по дни",
    people_by_day: "Активни хора по дни",
    logins_by_day: "Влизания по дни",
    requests_told: "Разрешени: {allowed}. Отказани: {refused}.",
    told: "За 30 дни: {number}.",
    most: "Най-много на {day}: {number}.",
    numbers: "Всички числа в таблица",
    day: "Ден",
    pages: "Най-използвани страници",
    page: "Страница",
    no_pages: "Все още не е показвана страница.",
    pages_hint: "Звездичката замества номер или името на едно-единствено нещо.",
    zone: "Дните започват в полунощ, часова зона {zone}. Вашите собствени страници тук не се броят.",
    customer: "Клиент",
    all_customers: "Всички клиенти",
    show: "Показване",
    account: "Вашият профил",
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
            for (text, english) in DashboardTexts::of(language).all().iter().zip(ENGLISH.all()) {
                assert_eq!(named(text), named(english), "{text}");
                assert!(language == Language::English || *text != english || english == "Page", "{text}");
                assert_eq!(text.ends_with('.'), english.ends_with('.'), "{text}");
            }
        }
    }
}
