//! French, with `vous`. Before `:` stands a no-break space (U+00A0), before `;`, `!` and `?` a narrow one (U+202F).

use http::StatusCode;

use super::*;

/// The texts in French.
pub(super) static FRENCH: Texts = Texts {
    language: "fr",
    problem_title: "Problème\u{a0}: {heading}",
    log_in: "Se connecter",
    log_in_to: "Se connecter à {title}",
    log_out: "Se déconnecter",
    start_again: "Recommencer",
    request_id: "Identifiant de la requête\u{a0}:",
    languages: LanguagesTexts {
        heading: "Langue",
        lead: "Ces pages et nos e-mails vous sont adressés dans cette langue.",
    },
    login: LoginTexts {
        lead: "Saisissez votre adresse e-mail. Nous vous enverrons un lien et un code pour vous connecter, sans mot de passe.",
        email: "Adresse e-mail",
        submit: "Recevoir un e-mail",
        bad_address: "Cela ne ressemble pas à une adresse e-mail. Vérifiez qu’il n’y a pas de faute de frappe, par exemple un @ \
                      oublié ou une espace.",
        too_many: |minutes| {
            format!("Il y a eu trop de tentatives de connexion. Veuillez réessayer dans {}.", in_minutes(minutes))
        },
        unavailable: "Aucune connexion n’est possible pour le moment. Veuillez réessayer dans quelques minutes.",
        expired: "Cela a pris un peu trop de temps, il faut donc recommencer. Veuillez vous connecter à nouveau.",
        no_way: "Personne ne se connecte ici avec une adresse de ce genre. Vérifiez qu’il n’y a pas de faute de frappe, ou utilisez \
                 votre adresse professionnelle.",
        lead_home: "Saisissez votre adresse e-mail professionnelle. Nous vous conduirons là où votre organisation se connecte.",
        submit_home: "Continuer",
        choose: "Choisissez comment vous connecter.",
        or: "ou",
        with: "Se connecter avec {provider}",
        not_reachable: "Injoignable pour le moment.",
    },
    provider: ProviderTexts {
        leave_heading: "Se connecter avec {provider}",
        leave: "Votre adresse est gérée par {provider}\u{a0}: c’est donc là que vous vous connectez. Si rien ne se passe, appuyez sur \
                le bouton.",
        signed_in: "La connexion chez {provider} a réussi. Si rien ne se passe, appuyez sur le bouton.",
        go_on: "Continuer",
        unreachable: "{provider} est injoignable pour le moment. Veuillez réessayer dans quelques minutes.",
        unreachable_others: "{provider} est injoignable pour le moment. Veuillez réessayer dans quelques minutes, ou vous connecter \
                             autrement.",
        cancelled: "La connexion n’a pas eu lieu\u{a0}: elle a été annulée ou refusée chez {provider}.",
        failed: "{provider} n’a pas pu vous connecter. Veuillez réessayer.",
        not_believed: "La réponse reçue de {provider} n’a pas passé nos contrôles, personne n’a donc été connecté. Veuillez \
                       réessayer\u{202f}; si cela se reproduit, prévenez la personne qui vous a donné accès.",
        unverified: "{provider} ne confirme pas que cette adresse e-mail est bien la vôtre. Confirmez-la là-bas, puis réessayez.",
        other_domain: "L’adresse e-mail de votre compte chez {provider} appartient à une autre organisation. Veuillez vous \
                       connecter avec le compte de cette organisation.",
        taken: "Votre adresse e-mail est déjà associée ici à un autre compte chez {provider}. Veuillez prévenir la personne qui vous \
                a donné accès.",
        lost_heading: "Veuillez recommencer",
        lost: "Cette connexion n’a pas été commencée dans ce navigateur, elle a pris trop de temps, ou elle était déjà terminée.",
        lost_next: "Votre compte n’est pas en cause. Recommencez depuis la page de connexion.",
    },
    no_access: NoAccessTexts {
        heading: "Vous n’avez pas accès à ce site",
        who: "Votre connexion chez {provider} est au nom de {email}, une adresse qui n’a pas accès à ce site.",
        another: "Utiliser un autre compte",
        ways: "Se connecter autrement",
    },
    step_up: StepUpTexts {
        heading: "Encore une étape",
        why: "Ce que vous voulez ouvrir demande une connexion plus sûre. Connectez-vous encore une fois de l’une de ces façons, et \
              vous reprendrez là où vous en étiez.",
        none: "Ce que vous voulez ouvrir demande une connexion plus sûre, et il n’y en a pas pour votre adresse. Veuillez vous \
               adresser à la personne qui vous a donné accès.",
        add_passkey: "Ajouter une clé d’accès",
        passkey_needs_script: "Les clés d’accès ont besoin de JavaScript, que ce navigateur n’exécute pas.",
    },
    hub_lost: ErrorTexts {
        heading: "Veuillez recommencer",
        happened: "Cette connexion ne peut pas continuer\u{a0}: elle n’a pas été commencée dans ce navigateur, elle a pris trop de \
                   temps, ou elle était déjà terminée.",
        next: "Retournez à la page où vous vouliez vous connecter, et recommencez.",
    },
    check: CheckTexts {
        heading: "Consultez vos e-mails",
        sent_to: "Si {address} a accès à ce site, un e-mail est en route vers cette adresse.",
        sent: "Si l’adresse saisie a accès à ce site, un e-mail est en route vers cette adresse.",
        how: "Ouvrez le lien qu’il contient avec ce navigateur, ou saisissez ici le code qui s’y trouve.",
        code: "Code à six chiffres",
        code_shape: "Les six chiffres de l’e-mail",
        valid: |minutes| {
            format!("Le lien et le code servent une seule fois, dans un délai de {}.", minutes_of(minutes))
        },
        nothing_came: "Rien reçu\u{202f}? Regardez aussi parmi les indésirables, et vérifiez l’adresse.",
        wrong: |left| match left {
            0 => "Ce n’est pas le bon code. Veuillez recommencer pour en recevoir un nouveau.".to_owned(),
            1 => "Ce n’est pas le bon code. Consultez l’e-mail le plus récent\u{202f}; il vous reste un essai."
                .to_owned(),
            _ => format!(
                "Ce n’est pas le bon code. Consultez l’e-mail le plus récent\u{202f}; il vous reste {left} essais."
            ),
        },
        too_many: |minutes| {
            format!(
                "Il y a eu trop d’essais. Veuillez réessayer dans {}, ou utiliser le lien de l’e-mail.",
                in_minutes(minutes)
            )
        },
        ended_heading: "Ce code ne fonctionne plus",
        ended: "Il a déjà servi, il est trop ancien, ou il a été mal saisi trop souvent. Demandez un nouvel e-mail, et utilisez le \
                code de celui-ci.",
    },
    link: LinkTexts {
        confirm: "Vous allez vous connecter en tant que {address}.",
        not_you: "Si vous n’avez rien demandé, fermez cette page\u{a0}: il ne se passera rien.",
        elsewhere_heading: "Saisissez ce code là où vous avez commencé",
        elsewhere: "Vous avez demandé à vous connecter avec un autre navigateur ou un autre appareil. Retournez-y et saisissez ce \
                    code\u{a0}:",
        code: "Code\u{a0}:",
        keep_secret: "Ne donnez ce code à personne, qui que ce soit qui le demande. Si vous n’avez pas demandé à vous connecter, \
                      fermez cette page.",
        ended_heading: "Ce lien ne fonctionne plus",
        ended: "Il a déjà servi, ou il est trop ancien. Demandez un nouvel e-mail pour vous connecter.",
        new_mail: "Demander un nouvel e-mail",
        wrong_browser_heading: "Ce n’est pas le navigateur de départ",
        wrong_browser: "Pour votre sécurité, le lien ne vous connecte que dans le navigateur où vous avez saisi votre adresse.",
        wrong_browser_next: "Ouvrez-y le lien, ou saisissez-y le code à six chiffres de l’e-mail. Vous pouvez aussi recommencer ici.",
    },
    choose: ChooseTexts {
        heading: "Choisir un client",
        lead: "{email} a accès pour plusieurs clients. Lequel voulez-vous maintenant\u{202f}?",
        current: "Actuel",
        none: "Il n’y a aucun client à choisir pour le moment. Veuillez vous adresser à la personne qui vous a donné accès.",
        someone_else: "Se connecter avec une autre adresse",
    },
    account: AccountTexts {
        heading: "Votre compte",
        email: "E-mail",
        name: "Nom",
        customer: "Client",
        role: "Rôle",
        back: "Aller à {title}",
        switch: "Changer de client",
        sessions: "Vos sessions ouvertes",
        sessions_lead: "Si l’une de ces sessions vous est inconnue, mettez-y fin.",
        this_session: "Celle-ci",
        some_device: "Un navigateur inconnu",
        times: "Depuis le {started} · dernière utilisation le {last_used}",
        end: "Terminer",
        end_which: "la session sur {device}, depuis le {started}",
        end_others: "Terminer toutes les autres sessions",
        everywhere: "Se déconnecter partout",
        everywhere_heading: "Un appareil perdu\u{202f}?",
        everywhere_lead: "Si vous avez perdu un appareil, ou si quelqu’un d’autre utilise peut-être votre compte, déconnectez-vous de \
                          tout à la fois\u{a0}: ici, sur vos autres appareils, et partout où une session est ouverte avec cette adresse.",
    },
    denied: DeniedTexts {
        heading: "Vous ne pouvez pas ouvrir cette page",
        who: "Votre session est ouverte au nom de {email}.",
        who_for: "Votre session est ouverte au nom de {email}, pour {customer}.",
        nobody: "Aucune session n’est ouverte.",
        next: "Si vous pensez que vous devriez avoir accès, adressez-vous à la personne qui vous a donné accès, et indiquez-lui \
               l’identifiant de la requête ci-dessous.",
        switch: "Changer de client",
        someone_else: "Se connecter avec une autre adresse",
        account: "Votre compte",
    },
    logged_out: LoggedOutTexts {
        heading: "Votre session est fermée",
        lead: "Vous pouvez fermer cette page. Sur un ordinateur partagé, fermez aussi le navigateur.",
        again: "Se reconnecter",
        there_heading: "Déconnexion en cours",
        there: "Votre session est fermée ici. Elle va maintenant l’être aussi là où vous vous connectez à d’autres services. Si \
                rien ne se passe, appuyez sur le bouton.",
        go_on: "Continuer",
    },
    disabled: DisabledTexts {
        heading: "{title} est fermé pour le moment",
        lead: "L’accès est suspendu pour l’instant. Veuillez revenir plus tard, ou vous adresser à la personne qui vous a donné \
               accès.",
    },
    mail: MailTexts {
        hello: "Bonjour,",
        by_link: "pour vous connecter à {title}, ouvrez ce lien dans le navigateur où vous l’avez demandé\u{a0}:",
        open_here: "Appuyez sur ce bouton dans le navigateur où vous avez demandé à vous connecter.",
        by_code: "Ou saisissez ce code dans ce même navigateur\u{a0}:",
        valid: |minutes| {
            format!("Le lien et le code servent une seule fois, dans un délai de {}.", minutes_of(minutes))
        },
        asked_at: "Quelqu’un, sans doute vous, a demandé cet e-mail sur {host}.",
        ignore: "Si ce n’était pas vous, ignorez cet e-mail\u{a0}: sans lui, personne ne peut se connecter. Ne donnez jamais ce code à \
                 qui que ce soit.",
    },
    passkey: PasskeyTexts {
        log_in: "Se connecter avec une clé d’accès",
        add: "Ajouter une clé d’accès",
        offer_heading: "Se connecter plus vite la prochaine fois",
        offer: "Avec une clé d’accès, vous vous connectez avec votre empreinte, votre visage ou le verrouillage de votre écran. Il n’y \
                a plus d’e-mail à attendre, et aucune fausse page ne peut vous la prendre.",
        required_heading: "Ajoutez une clé d’accès pour continuer",
        required: "Ce que vous pouvez faire ici demande une clé d’accès, et vous n’en avez pas encore. Vous la créez avec votre \
                   empreinte, votre visage ou le verrouillage de votre écran, et vous vous connectez ensuite avec elle.",
        no_script: "Ce navigateur ne peut pas ajouter de clé d’accès\u{a0}: il faut JavaScript, et un appareil ou un programme qui \
                    conserve les clés d’accès.",
        not_now: "Pas maintenant",
        someone_else: "Se connecter avec une autre adresse",
        heading: "Clés d’accès",
        lead: "Une clé d’accès vous permet de vous connecter avec votre empreinte, votre visage ou le verrouillage de votre écran, au \
               lieu d’un e-mail.",
        none: "Vous n’en avez pas encore.",
        add_needs_script: "Pour en ajouter une, il faut un navigateur avec JavaScript qui connaît les clés d’accès.",
        enough: "Vous avez atteint le nombre maximal de clés. Supprimez-en une que vous n’utilisez plus pour en ajouter une autre.",
        unnamed: "Clé d’accès",
        times: "Ajoutée le {added} · dernière utilisation le {last_used}",
        never_used: "Ajoutée le {added} · pas encore utilisée",
        change: "Modifier",
        which: "la clé d’accès {name}, ajoutée le {added}",
        name: "Nom",
        rename: "Enregistrer le nom",
        delete: "Supprimer",
        delete_hint: "Elle ne vous connectera plus ici. Votre appareil la montrera peut-être encore, jusqu’à ce que vous l’y supprimiez \
                      aussi.",
        delete_last: "C’est votre dernière clé d’accès, et ce que vous pouvez faire ici en demande une\u{a0}: sans elle, vous devrez en \
                      ajouter une nouvelle à la prochaine connexion.",
        locked: "Pour les modifier, connectez-vous d’abord avec l’une d’elles.",
        problem: PasskeyProblemTexts {
            cancelled: "L’opération a été annulée, ou elle a pris trop de temps. Rien n’a changé\u{202f}; vous pouvez réessayer.",
            refused: "Cette clé d’accès n’ouvre rien ici. Essayez-en une autre, ou connectez-vous autrement.",
            known: "Cet appareil a déjà une clé d’accès pour vous.",
            enough: "Cette clé d’accès est déjà enregistrée, ou vous avez atteint le nombre maximal de clés.",
            expired: "Cela a pris trop de temps. Veuillez réessayer.",
            too_often: "Il y a eu trop d’essais. Veuillez réessayer plus tard.",
            unavailable: "Ce n’est pas possible pour le moment. Veuillez réessayer dans quelques minutes.",
            failed: "Cela n’a pas fonctionné. Veuillez recharger la page et réessayer.",
        },
        mail: PasskeyMailTexts {
            subject: "Une clé d’accès a été ajoutée à votre compte sur {title}",
            happened: "Une clé d’accès a été ajoutée à votre compte sur {host} avec {device}, le {at}.",
            happened_somewhere: "Une clé d’accès a été ajoutée à votre compte sur {host}, le {at}.",
            good: "Si c’était vous, il n’y a rien à faire.",
            not_you: "Si ce n’était pas vous, quelqu’un d’autre peut se connecter à votre place. Connectez-vous, supprimez la clé \
                      d’accès sur la page de votre compte, et mettez-y fin à toutes les autres sessions\u{a0}:",
        },
    },
    error,
    reason,
    too_many_next: "Les autres façons de se connecter que ce site propose restent ouvertes entre-temps.",
    team: team::FRENCH,
    dashboard: dashboard::FRENCH,
    notifications: notifications::FRENCH,
    preview: preview::FRENCH,
};

/// After « dans ».
fn in_minutes(minutes: u32) -> String {
    match minutes {
        0 | 1 => "une minute".to_owned(),
        _ => format!("{minutes}\u{a0}minutes"),
    }
}

/// After « de », which is written out before « une » as before a number.
fn minutes_of(minutes: u32) -> String {
    match minutes {
        0 | 1 => "1\u{a0}minute".to_owned(),
        _ => format!("{minutes}\u{a0}minutes"),
    }
}

fn error(status: StatusCode) -> ErrorTexts<'static> {
    let (heading, happened, next) = match status.as_u16() {
        400 => (
            "Nous n’avons pas pu lire cette requête",
            "Quelque chose dans l’adresse, ou dans ce que le navigateur a envoyé, n’a pas la forme attendue.",
            "Vérifiez l’adresse, ou revenez en arrière et réessayez.",
        ),
        403 => (
            "Ce n’est pas autorisé",
            "La requête a été refusée. Un formulaire ne compte que s’il est envoyé depuis une page de ce site.",
            "Revenez en arrière, rechargez la page et réessayez.",
        ),
        404 => (
            "Cette page n’existe pas",
            "La page a peut-être été déplacée, ou l’adresse contient une faute de frappe.",
            "Vérifiez l’adresse, ou retournez d’où vous veniez.",
        ),
        405 => (
            "Ce n’est pas possible ici",
            "Cette adresse existe, mais elle n’accepte pas ce genre de requête.",
            "Revenez en arrière et utilisez les liens et les boutons de la page.",
        ),
        408 => (
            "Cela a pris trop de temps",
            "La requête n’est pas arrivée en entier avant la fin de notre attente.",
            "Vérifiez votre connexion et réessayez.",
        ),
        413 => (
            "C’est trop volumineux",
            "Ce que vous avez envoyé est plus volumineux que ce que ce site accepte.",
            "Envoyez un fichier plus petit, ou envoyez-le en plusieurs parties.",
        ),
        421 => (
            "Il n’y a rien sous ce nom",
            "L’adresse mène à ce serveur, mais aucun site de ce nom ne s’y trouve.",
            "Vérifiez qu’il n’y a pas de faute de frappe. Si quelqu’un vous a donné l’adresse, demandez-lui.",
        ),
        429 => (
            "C’était un peu trop rapide",
            "Votre réseau a envoyé plus de requêtes que ce site n’en accepte à la fois.",
            "Attendez une minute, puis réessayez.",
        ),
        431 => (
            "La requête était trop longue",
            "Le navigateur a joint à la requête plus que ce que ce site accepte, le plus souvent trop de cookies.",
            "Supprimez les cookies de ce site, puis réessayez.",
        ),
        502 => (
            "L’application ne répond pas",
            "Vous nous avez bien atteints, mais l’application derrière cette page est restée injoignable.",
            "Votre appareil n’est pas en cause. Veuillez réessayer dans quelques minutes.",
        ),
        503 => (
            "Indisponible pour le moment",
            "Nous ne pouvons pas afficher cette page en ce moment.",
            "Votre appareil n’est pas en cause. Veuillez réessayer dans quelques minutes.",
        ),
        504 => (
            "L’application a mis trop de temps",
            "Vous nous avez bien atteints, mais l’application derrière cette page n’a pas répondu à temps.",
            "Veuillez réessayer. Ce que vous faisiez a peut-être abouti malgré tout, vérifiez donc d’abord.",
        ),
        500..=599 => (
            "Quelque chose s’est mal passé",
            "C’est une erreur de notre côté, et elle a été consignée.",
            "Veuillez réessayer dans quelques minutes.",
        ),
        _ => (
            "Cela n’a pas fonctionné",
            "Il n’a pas été possible de répondre à la requête.",
            "Revenez en arrière et réessayez.",
        ),
    };
    ErrorTexts { heading, happened, next }
}

fn reason(name: &str) -> &'static str {
    match name {
        "no-grant" => "Votre adresse ne figure plus sur la liste des personnes qui peuvent utiliser ce service.",
        "other-customer" => "Cette adresse est réservée aux personnes d’une autre organisation.",
        "hidden-field" => "Votre rôle ne permet pas de trier ni de chercher selon ce champ.",
        "cannot-filter" => "Cette page ne peut pas être montrée à votre rôle.",
        "cannot-preview" => "Cette page est sous une forme qui ne peut pas être montrée dans un aperçu.",
        _ => "Votre rôle ne comprend pas cette page.",
    }
}
