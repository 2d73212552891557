//! German, with `Sie`.

use http::StatusCode;

use super::*;

/// The texts in German.
pub(super) static GERMAN: Texts = Texts {
    language: "de",
    problem_title: "Problem: {heading}",
    log_in: "Anmelden",
    log_in_to: "Bei {title} anmelden",
    log_out: "Abmelden",
    start_again: "Von vorn beginnen",
    request_id: "Anfrage-ID:",
    languages: LanguagesTexts {
        heading: "Sprache",
        lead: "Diese Seiten und unsere E-Mails an Sie sind in dieser Sprache.",
    },
    login: LoginTexts {
        lead: "Geben Sie Ihre E-Mail-Adresse ein. Wir schicken Ihnen einen Link und einen Code, mit denen Sie sich anmelden. \
               Ein Passwort brauchen Sie nicht.",
        email: "E-Mail-Adresse",
        submit: "E-Mail anfordern",
        bad_address: "Das sieht nicht nach einer E-Mail-Adresse aus. Bitte prüfen Sie sie auf Tippfehler, zum Beispiel auf ein \
                      fehlendes @ oder ein Leerzeichen.",
        too_many: |minutes| {
            format!("Es gab zu viele Anmeldeversuche. Bitte versuchen Sie es in {} noch einmal.", in_minutes(minutes))
        },
        unavailable: "Zurzeit ist keine Anmeldung möglich. Bitte versuchen Sie es in ein paar Minuten noch einmal.",
        expired: "Das hat etwas zu lange gedauert, deshalb müssen wir von vorn beginnen. Bitte melden Sie sich noch einmal an.",
        no_way: "Mit einer solchen Adresse meldet sich hier niemand an. Bitte prüfen Sie sie auf Tippfehler, oder nehmen Sie \
                 Ihre berufliche Adresse.",
        lead_home: "Geben Sie Ihre berufliche E-Mail-Adresse ein. Wir leiten Sie dann dorthin weiter, wo man sich in Ihrer \
                    Organisation anmeldet.",
        submit_home: "Weiter",
        choose: "Wählen Sie, wie Sie sich anmelden möchten.",
        or: "oder",
        with: "Mit {provider} anmelden",
        not_reachable: "Zurzeit nicht erreichbar.",
    },
    provider: ProviderTexts {
        leave_heading: "Mit {provider} anmelden",
        leave: "Ihre Adresse gehört zu {provider}, deshalb melden Sie sich dort an. Wenn nichts geschieht, klicken Sie auf die \
                Schaltfläche.",
        signed_in: "Sie sind bei {provider} angemeldet. Wenn nichts geschieht, klicken Sie auf die Schaltfläche.",
        go_on: "Weiter",
        unreachable: "{provider} ist zurzeit nicht erreichbar. Bitte versuchen Sie es in ein paar Minuten noch einmal.",
        unreachable_others: "{provider} ist zurzeit nicht erreichbar. Bitte versuchen Sie es in ein paar Minuten noch einmal, \
                             oder melden Sie sich auf einem anderen Weg an.",
        cancelled: "Sie sind nicht angemeldet: Die Anmeldung mit {provider} wurde dort abgebrochen oder abgelehnt.",
        failed: "{provider} konnte Sie nicht anmelden. Bitte versuchen Sie es noch einmal.",
        not_believed: "Die Antwort von {provider} hat unsere Prüfungen nicht bestanden, deshalb wurde niemand angemeldet. Bitte \
                       versuchen Sie es noch einmal. Wenn es wieder geschieht, sagen Sie der Person Bescheid, die Ihnen den \
                       Zugang gegeben hat.",
        unverified: "{provider} bestätigt nicht, dass die E-Mail-Adresse Ihnen gehört. Bestätigen Sie die Adresse dort, und \
                     versuchen Sie es dann noch einmal.",
        other_domain: "Die E-Mail-Adresse Ihres Kontos bei {provider} gehört zu einer anderen Organisation. Bitte melden Sie \
                       sich mit dem Konto jener Organisation an.",
        taken: "Ihre E-Mail-Adresse ist hier mit einem anderen Konto bei {provider} verbunden. Bitte sagen Sie der Person \
                Bescheid, die Ihnen den Zugang gegeben hat.",
        lost_heading: "Bitte beginnen Sie von vorn",
        lost: "Diese Anmeldung wurde nicht in diesem Browser begonnen, hat zu lange gedauert oder war schon abgeschlossen.",
        lost_next: "Mit Ihrem Konto ist alles in Ordnung. Bitte beginnen Sie auf der Anmeldeseite noch einmal.",
    },
    no_access: NoAccessTexts {
        heading: "Sie haben hier keinen Zugang",
        who: "Sie sind bei {provider} als {email} angemeldet. Diese Adresse hat hier keinen Zugang.",
        another: "Anderes Konto verwenden",
        ways: "Andere Wege zur Anmeldung",
    },
    step_up: StepUpTexts {
        heading: "Noch ein Schritt",
        why: "Was Sie öffnen möchten, verlangt eine stärkere Anmeldung. Melden Sie sich noch einmal auf einem dieser Wege an, \
              dann machen Sie weiter, wo Sie waren.",
        none: "Was Sie öffnen möchten, verlangt eine stärkere Anmeldung, und für Ihre Adresse gibt es keine. Bitte wenden Sie \
               sich an die Person, die Ihnen den Zugang gegeben hat.",
        add_passkey: "Passkey hinzufügen",
        passkey_needs_script: "Passkeys brauchen JavaScript, und dieser Browser führt keines aus.",
    },
    hub_lost: ErrorTexts {
        heading: "Bitte beginnen Sie von vorn",
        happened: "Diese Anmeldung kann nicht weitergehen: Sie wurde nicht in diesem Browser begonnen, hat zu lange gedauert \
                   oder war schon abgeschlossen.",
        next: "Gehen Sie zurück zu der Seite, auf der Sie sich anmelden wollten, und beginnen Sie noch einmal.",
    },
    check: CheckTexts {
        heading: "Sehen Sie in Ihrem Posteingang nach",
        sent_to: "Wenn {address} hier Zugang hat, ist eine E-Mail dorthin unterwegs.",
        sent: "Wenn die eingegebene Adresse hier Zugang hat, ist eine E-Mail dorthin unterwegs.",
        how: "Öffnen Sie den Link darin mit diesem Browser, oder geben Sie den Code daraus hier ein.",
        code: "Sechsstelliger Code",
        code_shape: "Die sechs Ziffern aus der E-Mail",
        valid: |minutes| format!("Link und Code gelten nur einmal und nur {}.", for_minutes(minutes)),
        nothing_came: "Nichts angekommen? Sehen Sie auch im Spam-Ordner nach, und prüfen Sie die Adresse auf Tippfehler.",
        wrong: |left| match left {
            0 => "Das ist nicht der richtige Code. Bitte beginnen Sie von vorn, um einen neuen zu bekommen.".to_owned(),
            1 => {
                "Das ist nicht der richtige Code. Bitte sehen Sie in die neueste E-Mail. Sie haben noch einen Versuch."
                    .to_owned()
            }
            _ => format!(
                "Das ist nicht der richtige Code. Bitte sehen Sie in die neueste E-Mail. Sie haben noch {left} Versuche."
            ),
        },
        too_many: |minutes| {
            format!(
                "Es gab zu viele Versuche. Bitte versuchen Sie es in {} noch einmal, oder nehmen Sie den Link in der E-Mail.",
                in_minutes(minutes)
            )
        },
        ended_heading: "Dieser Code gilt nicht mehr",
        ended: "Er wurde schon verwendet, ist zu alt oder wurde zu oft falsch eingegeben. Fordern Sie eine neue E-Mail an, und \
                nehmen Sie den Code aus dieser.",
    },
    link: LinkTexts {
        confirm: "Sie sind dabei, sich als {address} anzumelden.",
        not_you: "Wenn Sie das nicht angefordert haben, schließen Sie diese Seite, und es geschieht nichts.",
        elsewhere_heading: "Geben Sie diesen Code dort ein, wo Sie begonnen haben",
        elsewhere: "Sie haben die Anmeldung mit einem anderen Browser oder Gerät angefordert. Gehen Sie dorthin zurück, und geben \
                    Sie diesen Code ein:",
        code: "Code:",
        keep_secret: "Verraten Sie diesen Code niemandem, egal wer danach fragt. Wenn Sie sich nicht anmelden wollten, schließen \
                      Sie diese Seite.",
        ended_heading: "Dieser Link gilt nicht mehr",
        ended: "Er wurde schon verwendet oder ist zu alt. Fordern Sie eine neue E-Mail an, um sich anzumelden.",
        new_mail: "Neue E-Mail anfordern",
        wrong_browser_heading: "Das ist nicht der Browser, in dem Sie begonnen haben",
        wrong_browser: "Zu Ihrer Sicherheit meldet der Link Sie nur in dem Browser an, in dem Sie Ihre Adresse eingegeben haben.",
        wrong_browser_next: "Öffnen Sie den Link dort, oder geben Sie dort den sechsstelligen Code aus der E-Mail ein. Sie können \
                             auch hier von vorn beginnen.",
    },
    choose: ChooseTexts {
        heading: "Kunden wählen",
        lead: "{email} hat Zugang für mehrere Kunden. Für welchen möchten Sie jetzt arbeiten?",
        current: "Aktuell",
        none: "Zurzeit gibt es keinen Kunden zur Auswahl. Bitte wenden Sie sich an die Person, die Ihnen den Zugang gegeben hat.",
        someone_else: "Mit einer anderen Adresse anmelden",
    },
    account: AccountTexts {
        heading: "Ihr Konto",
        email: "E-Mail",
        name: "Name",
        customer: "Kunde",
        role: "Rolle",
        back: "Zu {title}",
        switch: "Kunden wechseln",
        sessions: "Wo Sie angemeldet sind",
        sessions_lead: "Wenn Sie eine dieser Anmeldungen nicht kennen, beenden Sie sie.",
        this_session: "Diese hier",
        some_device: "Ein unbekannter Browser",
        times: "Seit {started} · zuletzt verwendet {last_used}",
        end: "Beenden",
        end_which: "– Anmeldung mit {device}, seit {started}",
        end_others: "Alle anderen Anmeldungen beenden",
        everywhere: "Überall abmelden",
        everywhere_heading: "Gerät verloren?",
        everywhere_lead: "Wenn Sie ein Gerät verloren haben oder jemand anderes Ihr Konto verwenden könnte, melden Sie sich überall \
                          auf einmal ab: hier, auf Ihren anderen Geräten und überall sonst, wo Sie mit dieser Adresse angemeldet \
                          sind.",
    },
    denied: DeniedTexts {
        heading: "Sie können diese Seite nicht öffnen",
        who: "Sie sind als {email} angemeldet.",
        who_for: "Sie sind als {email} für {customer} angemeldet.",
        nobody: "Sie sind nicht angemeldet.",
        next: "Wenn Sie Zugang haben sollten, wenden Sie sich an die Person, die Ihnen den Zugang gegeben hat, und nennen Sie ihr \
               die Anfrage-ID unten.",
        switch: "Kunden wechseln",
        someone_else: "Mit einer anderen Adresse anmelden",
        account: "Ihr Konto",
    },
    logged_out: LoggedOutTexts {
        heading: "Sie sind abgemeldet",
        lead: "Sie können diese Seite schließen. An einem gemeinsam genutzten Computer schließen Sie auch den Browser.",
        again: "Wieder anmelden",
        there_heading: "Sie werden abgemeldet",
        there: "Hier sind Sie abgemeldet. Als Nächstes werden Sie dort abgemeldet, wo Sie sich auch für anderes anmelden. Wenn \
                nichts geschieht, klicken Sie auf die Schaltfläche.",
        go_on: "Weiter",
    },
    disabled: DisabledTexts {
        heading: "{title} ist zurzeit geschlossen",
        lead: "Der Zugang ist vorübergehend abgeschaltet. Bitte kommen Sie später wieder, oder wenden Sie sich an die Person, die \
               Ihnen den Zugang gegeben hat.",
    },
    mail: MailTexts {
        hello: "Guten Tag,",
        by_link: "um sich bei {title} anzumelden, öffnen Sie diesen Link in dem Browser, in dem Sie ihn angefordert haben:",
        open_here: "Klicken Sie auf diese Schaltfläche in dem Browser, in dem Sie sich anmelden wollten.",
        by_code: "Oder geben Sie diesen Code in jenem Browser ein:",
        valid: |minutes| format!("Link und Code gelten nur einmal und nur {}.", for_minutes(minutes)),
        asked_at: "Jemand, wahrscheinlich Sie selbst, hat diese E-Mail auf {host} angefordert.",
        ignore: "Wenn Sie es nicht waren, beachten Sie diese E-Mail nicht: Ohne sie kann sich niemand anmelden. Verraten Sie den \
                 Code niemals jemandem.",
    },
    passkey: PasskeyTexts {
        log_in: "Mit Passkey anmelden",
        add: "Passkey hinzufügen",
        offer_heading: "Nächstes Mal schneller anmelden",
        offer: "Mit einem Passkey melden Sie sich mit Fingerabdruck, Gesicht oder Bildschirmsperre an. Sie warten auf keine E-Mail, \
                und keine gefälschte Seite kann ihn Ihnen wegnehmen.",
        required_heading: "Fügen Sie einen Passkey hinzu, um fortzufahren",
        required: "Was Sie hier tun dürfen, verlangt einen Passkey, und Sie haben noch keinen. Sie erstellen ihn mit Fingerabdruck, \
                   Gesicht oder Bildschirmsperre und melden sich von da an damit an.",
        no_script: "Dieser Browser kann keinen Passkey hinzufügen: Dazu braucht es JavaScript und ein Gerät oder ein Programm, das \
                    Passkeys aufbewahrt.",
        not_now: "Jetzt nicht",
        someone_else: "Mit einer anderen Adresse anmelden",
        heading: "Passkeys",
        lead: "Mit einem Passkey melden Sie sich mit Fingerabdruck, Gesicht oder Bildschirmsperre an statt mit einer E-Mail.",
        none: "Sie haben noch keinen.",
        add_needs_script: "Um einen hinzuzufügen, brauchen Sie einen Browser mit JavaScript, der Passkeys kennt.",
        enough: "Mehr Passkeys sind nicht möglich. Löschen Sie einen, den Sie nicht mehr verwenden, um einen anderen hinzuzufügen.",
        unnamed: "Passkey",
        times: "Hinzugefügt am {added} · zuletzt verwendet am {last_used}",
        never_used: "Hinzugefügt am {added} · noch nicht verwendet",
        change: "Ändern",
        which: "– Passkey {name}, hinzugefügt am {added}",
        name: "Name",
        rename: "Namen speichern",
        delete: "Löschen",
        delete_hint: "Er meldet Sie dann hier nicht mehr an. Ihr Gerät zeigt ihn vielleicht noch, bis Sie ihn auch dort löschen.",
        delete_last: "Das ist Ihr letzter Passkey, und was Sie hier tun dürfen, verlangt einen: Ohne ihn müssen Sie bei der nächsten \
                      Anmeldung einen neuen hinzufügen.",
        locked: "Um sie zu ändern, melden Sie sich zuerst mit einem davon an.",
        problem: PasskeyProblemTexts {
            cancelled: "Das wurde abgebrochen oder hat zu lange gedauert. Es hat sich nichts geändert. Sie können es noch einmal \
                        versuchen.",
            refused: "Dieser Passkey öffnet hier nichts. Versuchen Sie einen anderen, oder melden Sie sich auf einem anderen Weg an.",
            known: "Dieses Gerät hat schon einen Passkey für Sie.",
            enough: "Dieser Passkey ist schon hier, oder mehr Passkeys sind nicht möglich.",
            expired: "Das hat zu lange gedauert. Bitte versuchen Sie es noch einmal.",
            too_often: "Es gab zu viele Versuche. Bitte versuchen Sie es später noch einmal.",
            unavailable: "Das geht zurzeit nicht. Bitte versuchen Sie es in ein paar Minuten noch einmal.",
            failed: "Das hat nicht geklappt. Bitte laden Sie die Seite neu, und versuchen Sie es noch einmal.",
        },
        mail: PasskeyMailTexts {
            subject: "Ein Passkey wurde zu Ihrem Konto bei {title} hinzugefügt",
            happened: "Zu Ihrem Konto bei {host} wurde am {at} mit {device} ein Passkey hinzugefügt.",
            happened_somewhere: "Zu Ihrem Konto bei {host} wurde am {at} ein Passkey hinzugefügt.",
            good: "Wenn Sie das waren, brauchen Sie nichts zu tun.",
            not_you: "Wenn Sie es nicht waren, kann sich jemand anderes als Sie anmelden. Melden Sie sich an, löschen Sie den Passkey \
                      auf Ihrer Kontoseite, und beenden Sie dort alle anderen Anmeldungen:",
        },
    },
    error,
    reason,
    too_many_next: "Andere Wege zur Anmeldung, die es hier gibt, stehen Ihnen inzwischen offen.",
    team: team::GERMAN,
    dashboard: dashboard::GERMAN,
    notifications: notifications::GERMAN,
    preview: preview::GERMAN,
};

/// After „in“.
fn in_minutes(minutes: u32) -> String {
    match minutes {
        0 | 1 => "einer Minute".to_owned(),
        _ => format!("{minutes} Minuten"),
    }
}

/// How long something lasts.
fn for_minutes(minutes: u32) -> String {
    match minutes {
        0 | 1 => "eine Minute lang".to_owned(),
        _ => format!("{minutes} Minuten lang"),
    }
}

fn error(status: StatusCode) -> ErrorTexts<'static> {
    let (heading, happened, next) = match status.as_u16() {
        400 => (
            "Wir konnten diese Anfrage nicht lesen",
            "Etwas in der Adresse oder in dem, was der Browser geschickt hat, hat nicht die richtige Form.",
            "Prüfen Sie die Adresse auf Tippfehler, oder gehen Sie zurück und versuchen Sie es noch einmal.",
        ),
        403 => (
            "Das ist nicht erlaubt",
            "Die Anfrage wurde abgelehnt. Ein Formular zählt nur, wenn es von einer Seite dieser Website kommt.",
            "Gehen Sie zurück, laden Sie die Seite neu, und versuchen Sie es noch einmal.",
        ),
        404 => (
            "Diese Seite gibt es nicht",
            "Vielleicht ist sie umgezogen, oder die Adresse hat einen Tippfehler.",
            "Prüfen Sie die Adresse, oder gehen Sie dorthin zurück, wo Sie herkamen.",
        ),
        405 => (
            "Das geht hier nicht",
            "Diese Adresse gibt es, aber sie nimmt diese Art von Anfrage nicht an.",
            "Gehen Sie zurück, und verwenden Sie die Links und Schaltflächen der Seite.",
        ),
        408 => (
            "Das hat zu lange gedauert",
            "Die Anfrage ist nicht vollständig angekommen, bevor wir aufgehört haben zu warten.",
            "Prüfen Sie Ihre Verbindung, und versuchen Sie es noch einmal.",
        ),
        413 => (
            "Das ist zu groß",
            "Was Sie geschickt haben, ist größer, als diese Website es annimmt.",
            "Schicken Sie eine kleinere Datei, oder schicken Sie sie in Teilen.",
        ),
        421 => (
            "Unter diesem Namen ist hier nichts",
            "Die Adresse führt zu diesem Server, aber eine Website dieses Namens gibt es hier nicht.",
            "Prüfen Sie die Adresse auf Tippfehler. Wenn Sie sie von jemandem haben, fragen Sie dort nach.",
        ),
        429 => (
            "Das war etwas zu schnell",
            "Aus Ihrem Netz kamen mehr Anfragen, als diese Website auf einmal annimmt.",
            "Warten Sie eine Minute, und versuchen Sie es dann noch einmal.",
        ),
        431 => (
            "Die Anfrage war zu lang",
            "Der Browser hat mehr mitgeschickt, als diese Website annimmt, meistens zu viele Cookies.",
            "Löschen Sie die Cookies dieser Website, und versuchen Sie es dann noch einmal.",
        ),
        502 => (
            "Die Anwendung antwortet nicht",
            "Sie haben uns erreicht, aber die Anwendung hinter dieser Seite war nicht erreichbar.",
            "Mit Ihrem Gerät ist alles in Ordnung. Bitte versuchen Sie es in ein paar Minuten noch einmal.",
        ),
        503 => (
            "Zurzeit nicht verfügbar",
            "Wir können diese Seite im Moment nicht liefern.",
            "Mit Ihrem Gerät ist alles in Ordnung. Bitte versuchen Sie es in ein paar Minuten noch einmal.",
        ),
        504 => (
            "Die Anwendung hat zu lange gebraucht",
            "Sie haben uns erreicht, aber die Anwendung hinter dieser Seite hat nicht rechtzeitig geantwortet.",
            "Bitte versuchen Sie es noch einmal. Was Sie getan haben, kann trotzdem angekommen sein, sehen Sie also zuerst nach.",
        ),
        500..=599 => (
            "Etwas ist schiefgegangen",
            "Das ist ein Fehler auf unserer Seite, und wir haben ihn festgehalten.",
            "Bitte versuchen Sie es in ein paar Minuten noch einmal.",
        ),
        _ => (
            "Das hat nicht geklappt",
            "Die Anfrage konnte nicht beantwortet werden.",
            "Gehen Sie zurück, und versuchen Sie es noch einmal.",
        ),
    };
    ErrorTexts { heading, happened, next }
}

fn reason(name: &str) -> &'static str {
    match name {
        "no-grant" => "Ihre Adresse steht nicht mehr auf der Liste der Personen, die diesen Dienst nutzen dürfen.",
        "other-customer" => "Diese Adresse ist den Personen einer anderen Organisation vorbehalten.",
        "hidden-field" => "Zu Ihrer Rolle gehört es nicht, nach diesem Feld zu sortieren oder zu suchen.",
        "cannot-filter" => "Diese Seite kann Ihrer Rolle nicht gezeigt werden.",
        "cannot-preview" => "Diese Seite hat eine Form, die sich in einer Vorschau nicht zeigen lässt.",
        _ => "Diese Seite gehört nicht zu Ihrer Rolle.",
    }
}
