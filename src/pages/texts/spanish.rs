//! Spanish, with `usted`.

use http::StatusCode;

use super::*;

/// The texts in Spanish.
pub(super) static SPANISH: Texts = Texts {
    language: "es",
    problem_title: "Problema: {heading}",
    log_in: "Iniciar sesión",
    log_in_to: "Iniciar sesión en {title}",
    log_out: "Cerrar sesión",
    start_again: "Empezar de nuevo",
    request_id: "Identificador de la solicitud:",
    languages: LanguagesTexts {
        heading: "Idioma",
        lead: "Estas páginas y nuestros correos se le muestran en este idioma.",
    },
    login: LoginTexts {
        lead: "Escriba su dirección de correo electrónico y le enviaremos un enlace y un código para iniciar sesión. No necesita \
               contraseña.",
        email: "Dirección de correo electrónico",
        submit: "Enviarme un correo",
        bad_address: "Eso no parece una dirección de correo electrónico. Compruebe si hay algún error, como una @ que falta o un \
                      espacio.",
        too_many: |minutes| {
            format!(
                "Ha habido demasiados intentos de inicio de sesión. Vuelva a intentarlo dentro de {}.",
                in_minutes(minutes)
            )
        },
        unavailable: "En este momento no se puede iniciar sesión. Vuelva a intentarlo dentro de unos minutos.",
        expired: "Ha pasado demasiado tiempo y tenemos que empezar de nuevo. Vuelva a iniciar sesión.",
        no_way: "Nadie inicia sesión aquí con una dirección como esa. Compruebe si hay algún error o use su dirección de trabajo.",
        lead_home: "Escriba su dirección de correo del trabajo y le llevaremos al lugar donde su organización inicia sesión.",
        submit_home: "Continuar",
        choose: "Elija cómo quiere iniciar sesión.",
        or: "o bien",
        with: "Iniciar sesión con {provider}",
        not_reachable: "No disponible en este momento.",
    },
    provider: ProviderTexts {
        leave_heading: "Iniciar sesión con {provider}",
        leave: "Su dirección pertenece a {provider}, así que la sesión se inicia allí. Si no ocurre nada, pulse el botón.",
        signed_in: "Ha iniciado sesión en {provider}. Si no ocurre nada, pulse el botón.",
        go_on: "Continuar",
        unreachable: "{provider} no está disponible en este momento. Vuelva a intentarlo dentro de unos minutos.",
        unreachable_others: "{provider} no está disponible en este momento. Vuelva a intentarlo dentro de unos minutos o inicie \
                             sesión de otra manera.",
        cancelled: "No ha iniciado sesión: el inicio de sesión con {provider} se canceló o se rechazó allí.",
        failed: "{provider} no ha podido iniciar su sesión. Vuelva a intentarlo.",
        not_believed: "La respuesta de {provider} no ha superado nuestras comprobaciones, así que no se ha iniciado ninguna sesión. \
                       Vuelva a intentarlo; si ocurre otra vez, avise a la persona que le dio acceso.",
        unverified: "{provider} no confirma que la dirección de correo sea suya. Confírmela allí y vuelva a intentarlo.",
        other_domain: "La dirección de correo de su cuenta en {provider} pertenece a otra organización. Inicie sesión con la cuenta \
                       de esa organización.",
        taken: "Su dirección de correo ya está vinculada aquí a otra cuenta de {provider}. Avise a la persona que le dio acceso.",
        lost_heading: "Empiece de nuevo",
        lost: "Este inicio de sesión no se empezó en este navegador, ha tardado demasiado o ya había terminado.",
        lost_next: "Su cuenta está bien. Empiece otra vez desde la página de inicio de sesión.",
    },
    no_access: NoAccessTexts {
        heading: "No tiene acceso a este sitio",
        who: "Ha iniciado sesión en {provider} como {email}, una dirección que no tiene acceso a este sitio.",
        another: "Usar otra cuenta",
        ways: "Otras formas de iniciar sesión",
    },
    step_up: StepUpTexts {
        heading: "Un paso más",
        why: "Lo que quiere abrir requiere un inicio de sesión más seguro. Inicie sesión una vez más de una de estas formas y \
              seguirá donde estaba.",
        none: "Lo que quiere abrir requiere un inicio de sesión más seguro, y no hay ninguno para su dirección. Consulte a la \
               persona que le dio acceso.",
        add_passkey: "Añadir una llave de acceso",
        passkey_needs_script: "Las llaves de acceso necesitan JavaScript, que este navegador no ejecuta.",
    },
    hub_lost: ErrorTexts {
        heading: "Empiece de nuevo",
        happened: "Este inicio de sesión no puede continuar: no se empezó en este navegador, ha tardado demasiado o ya había \
                   terminado.",
        next: "Vuelva a la página en la que quería iniciar sesión y empiece otra vez.",
    },
    check: CheckTexts {
        heading: "Mire su correo",
        sent_to: "Si {address} tiene acceso, un correo va de camino a esa dirección.",
        sent: "Si la dirección que ha escrito tiene acceso, un correo va de camino a ella.",
        how: "Abra el enlace con este navegador o escriba aquí el código que contiene el correo.",
        code: "Código de seis cifras",
        code_shape: "Las seis cifras del correo",
        valid: |minutes| format!("El enlace y el código sirven una sola vez, en un plazo de {}.", in_minutes(minutes)),
        nothing_came: "¿No ha llegado nada? Mire también en el correo no deseado y compruebe la dirección.",
        wrong: |left| match left {
            0 => "Ese no es el código. Empiece de nuevo para recibir otro.".to_owned(),
            1 => "Ese no es el código. Mire el correo más reciente; le queda un intento.".to_owned(),
            _ => format!("Ese no es el código. Mire el correo más reciente; le quedan {left} intentos."),
        },
        too_many: |minutes| {
            format!(
                "Ha habido demasiados intentos. Vuelva a intentarlo dentro de {} o use el enlace del correo.",
                in_minutes(minutes)
            )
        },
        ended_heading: "Este código ya no sirve",
        ended: "Ya se ha usado, es demasiado antiguo o se ha escrito mal demasiadas veces. Pida un correo nuevo y use el código que \
                contiene.",
    },
    link: LinkTexts {
        confirm: "Está a punto de iniciar sesión como {address}.",
        not_you: "Si no lo ha pedido usted, cierre esta página y no ocurrirá nada.",
        elsewhere_heading: "Escriba este código donde empezó",
        elsewhere: "Ha pedido iniciar sesión con otro navegador o dispositivo. Vuelva a él y escriba este código:",
        code: "Código:",
        keep_secret: "No le diga este código a nadie, sea quien sea quien lo pida. Si no ha pedido iniciar sesión, cierre esta \
                      página.",
        ended_heading: "Este enlace ya no sirve",
        ended: "Ya se ha usado o es demasiado antiguo. Pida un correo nuevo para iniciar sesión.",
        new_mail: "Pedir un correo nuevo",
        wrong_browser_heading: "Este no es el navegador en el que empezó",
        wrong_browser: "Por su seguridad, el enlace solo inicia sesión en el navegador en el que escribió su dirección.",
        wrong_browser_next: "Abra el enlace allí o escriba allí el código de seis cifras del correo. También puede empezar de nuevo \
                             aquí.",
    },
    choose: ChooseTexts {
        heading: "Elija un cliente",
        lead: "{email} tiene acceso para más de un cliente. ¿Con cuál quiere seguir?",
        current: "Actual",
        none: "En este momento no hay ningún cliente que elegir. Consulte a la persona que le dio acceso.",
        someone_else: "Iniciar sesión con otra dirección",
    },
    account: AccountTexts {
        heading: "Su cuenta",
        email: "Correo",
        name: "Nombre",
        customer: "Cliente",
        role: "Rol",
        back: "Ir a {title}",
        switch: "Cambiar de cliente",
        sessions: "Dónde tiene la sesión iniciada",
        sessions_lead: "Si no reconoce alguna de estas sesiones, ciérrela.",
        this_session: "Esta",
        some_device: "Un navegador desconocido",
        times: "Desde el {started} · último uso el {last_used}",
        end: "Cerrar",
        end_which: "la sesión en {device}, desde el {started}",
        end_others: "Cerrar todas las demás sesiones",
        everywhere: "Cerrar sesión en todas partes",
        everywhere_heading: "¿Ha perdido un dispositivo?",
        everywhere_lead: "Si ha perdido un dispositivo o cree que otra persona puede estar usando su cuenta, cierre todas las sesiones a \
                          la vez: aquí, en sus otros dispositivos y en cualquier otro sitio donde haya iniciado sesión con esta \
                          dirección.",
    },
    denied: DeniedTexts {
        heading: "No puede abrir esta página",
        who: "Ha iniciado sesión como {email}.",
        who_for: "Ha iniciado sesión como {email} para {customer}.",
        nobody: "No ha iniciado sesión.",
        next: "Si cree que debería tener acceso, consulte a la persona que se lo dio e indíquele el identificador de la solicitud que \
               figura abajo.",
        switch: "Cambiar de cliente",
        someone_else: "Iniciar sesión con otra dirección",
        account: "Su cuenta",
    },
    logged_out: LoggedOutTexts {
        heading: "Ha cerrado la sesión",
        lead: "Puede cerrar esta página. En un ordenador compartido, cierre también el navegador.",
        again: "Volver a iniciar sesión",
        there_heading: "Cerrando la sesión",
        there: "Aquí ya ha cerrado la sesión. Ahora se cerrará donde también inicia sesión para otras cosas. Si no ocurre nada, pulse \
                el botón.",
        go_on: "Continuar",
    },
    disabled: DisabledTexts {
        heading: "{title} está cerrado en este momento",
        lead: "Se ha desactivado por ahora. Vuelva más tarde o consulte a la persona que le dio acceso.",
    },
    mail: MailTexts {
        hello: "Hola:",
        by_link: "Para iniciar sesión en {title}, abra este enlace en el navegador en el que lo pidió:",
        open_here: "Pulse este botón en el navegador en el que pidió iniciar sesión.",
        by_code: "O escriba este código en ese navegador:",
        valid: |minutes| format!("El enlace y el código sirven una sola vez, en un plazo de {}.", in_minutes(minutes)),
        asked_at: "Alguien, seguramente usted, ha pedido este correo en {host}.",
        ignore: "Si no ha sido usted, no haga caso de este correo: sin él nadie puede iniciar sesión. No le diga nunca el código a \
                 nadie.",
    },
    passkey: PasskeyTexts {
        log_in: "Iniciar sesión con una llave de acceso",
        add: "Añadir una llave de acceso",
        offer_heading: "Inicie sesión más rápido la próxima vez",
        offer: "Con una llave de acceso inicia sesión con su huella, su cara o el bloqueo de pantalla. No hay que esperar ningún \
                correo, y ninguna página falsa puede quitársela.",
        required_heading: "Añada una llave de acceso para continuar",
        required: "Lo que puede hacer aquí requiere una llave de acceso, y todavía no tiene ninguna. La crea con su huella, su cara o \
                   el bloqueo de pantalla, y desde entonces inicia sesión con ella.",
        no_script: "Este navegador no puede añadir una llave de acceso: hace falta JavaScript y un dispositivo o un programa que guarde \
                    llaves de acceso.",
        not_now: "Ahora no",
        someone_else: "Iniciar sesión con otra dirección",
        heading: "Llaves de acceso",
        lead: "Una llave de acceso le permite iniciar sesión con su huella, su cara o el bloqueo de pantalla en lugar de un correo.",
        none: "Todavía no tiene ninguna.",
        add_needs_script: "Para añadir una, necesita un navegador con JavaScript que conozca las llaves de acceso.",
        enough: "Ya tiene el máximo de llaves de acceso. Elimine una que ya no use para añadir otra.",
        unnamed: "Llave de acceso",
        times: "Añadida el {added} · último uso el {last_used}",
        never_used: "Añadida el {added} · todavía sin usar",
        change: "Modificar",
        which: "la llave de acceso {name}, añadida el {added}",
        name: "Nombre",
        rename: "Guardar el nombre",
        delete: "Eliminar",
        delete_hint: "Ya no podrá iniciar sesión aquí con ella. Puede que su dispositivo la siga mostrando hasta que la elimine \
                      también allí.",
        delete_last: "Es su última llave de acceso, y lo que puede hacer aquí requiere una: sin ella tendrá que añadir otra la próxima \
                      vez que inicie sesión.",
        locked: "Para modificarlas, inicie sesión primero con una de ellas.",
        problem: PasskeyProblemTexts {
            cancelled: "Se ha cancelado o ha tardado demasiado. No ha cambiado nada; puede volver a intentarlo.",
            refused: "Esta llave de acceso no abre nada aquí. Pruebe con otra o inicie sesión de otra manera.",
            known: "Este dispositivo ya tiene una llave de acceso para usted.",
            enough: "Esta llave de acceso ya está aquí, o ya tiene el máximo.",
            expired: "Ha tardado demasiado. Vuelva a intentarlo.",
            too_often: "Ha habido demasiados intentos. Vuelva a intentarlo más tarde.",
            unavailable: "Eso no es posible en este momento. Vuelva a intentarlo dentro de unos minutos.",
            failed: "No ha funcionado. Vuelva a cargar la página e inténtelo otra vez.",
        },
        mail: PasskeyMailTexts {
            subject: "Se ha añadido una llave de acceso a su cuenta de {title}",
            happened: "Se ha añadido una llave de acceso a su cuenta de {host} con {device}, el {at}.",
            happened_somewhere: "Se ha añadido una llave de acceso a su cuenta de {host}, el {at}.",
            good: "Si ha sido usted, no tiene que hacer nada.",
            not_you: "Si no ha sido usted, otra persona puede iniciar sesión en su nombre. Inicie sesión, elimine la llave de acceso en \
                      la página de su cuenta y cierre allí todas las demás sesiones:",
        },
    },
    error,
    reason,
    too_many_next: "Mientras tanto puede usar las otras formas de iniciar sesión que ofrece este sitio.",
    team: team::SPANISH,
    dashboard: dashboard::SPANISH,
    notifications: notifications::SPANISH,
    preview: preview::SPANISH,
};

fn in_minutes(minutes: u32) -> String {
    match minutes {
        0 | 1 => "un minuto".to_owned(),
        _ => format!("{minutes} minutos"),
    }
}

fn error(status: StatusCode) -> ErrorTexts<'static> {
    let (heading, happened, next) = match status.as_u16() {
        400 => (
            "No hemos podido leer esa solicitud",
            "Algo en la dirección, o en lo que ha enviado el navegador, no tiene la forma que esperamos.",
            "Compruebe si hay algún error en la dirección, o vuelva atrás e inténtelo de nuevo.",
        ),
        403 => (
            "Eso no está permitido",
            "La solicitud se ha rechazado. Un formulario solo cuenta si se envía desde una página de este sitio.",
            "Vuelva atrás, cargue la página otra vez e inténtelo de nuevo.",
        ),
        404 => (
            "Esa página no existe",
            "Puede que la página se haya movido o que haya un error en la dirección.",
            "Compruebe la dirección, o vuelva al lugar de donde venía.",
        ),
        405 => (
            "Eso no funciona aquí",
            "Esta dirección existe, pero no acepta ese tipo de solicitud.",
            "Vuelva atrás y use los enlaces y botones de la página.",
        ),
        408 => (
            "Ha tardado demasiado",
            "La solicitud no llegó completa antes de que dejáramos de esperar.",
            "Compruebe su conexión y vuelva a intentarlo.",
        ),
        413 => (
            "Es demasiado grande",
            "Lo que ha enviado es más grande de lo que acepta este sitio.",
            "Envíe un archivo más pequeño, o envíelo en partes.",
        ),
        421 => (
            "No hay nada con ese nombre",
            "La dirección lleva a este servidor, pero aquí no hay ningún sitio con ese nombre.",
            "Compruebe si hay algún error en la dirección. Si alguien se la ha dado, pregúntele.",
        ),
        429 => (
            "Ha ido un poco demasiado deprisa",
            "Desde su red han llegado más solicitudes de las que este sitio acepta a la vez.",
            "Espere un minuto y vuelva a intentarlo.",
        ),
        431 => (
            "La solicitud era demasiado larga",
            "El navegador ha enviado con la solicitud más de lo que acepta este sitio, normalmente demasiadas cookies.",
            "Borre las cookies de este sitio y vuelva a intentarlo.",
        ),
        502 => (
            "La aplicación no responde",
            "Ha llegado hasta nosotros, pero no hemos podido llegar a la aplicación que hay detrás de esta página.",
            "Su dispositivo está bien. Vuelva a intentarlo dentro de unos minutos.",
        ),
        503 => (
            "No disponible en este momento",
            "Ahora mismo no podemos mostrar esta página.",
            "Su dispositivo está bien. Vuelva a intentarlo dentro de unos minutos.",
        ),
        504 => (
            "La aplicación ha tardado demasiado",
            "Ha llegado hasta nosotros, pero la aplicación que hay detrás de esta página no ha respondido a tiempo.",
            "Vuelva a intentarlo. Es posible que lo que estaba haciendo se haya hecho de todos modos, así que compruébelo antes.",
        ),
        500..=599 => (
            "Algo ha salido mal",
            "Es un error nuestro, y ha quedado anotado.",
            "Vuelva a intentarlo dentro de unos minutos.",
        ),
        _ => ("No ha funcionado", "No se ha podido responder a la solicitud.", "Vuelva atrás e inténtelo de nuevo."),
    };
    ErrorTexts { heading, happened, next }
}

fn reason(name: &str) -> &'static str {
    match name {
        "no-grant" => "Su dirección ya no está en la lista de personas que pueden usar este servicio.",
        "other-customer" => "Esta dirección está reservada a las personas de otra organización.",
        "hidden-field" => "Su rol no permite ordenar ni buscar por este campo.",
        "cannot-filter" => "Esta página no se puede mostrar a su rol.",
        "cannot-preview" => "Esta página tiene una forma que no se puede mostrar en una vista previa.",
        _ => "Su rol no incluye esta página.",
    }
}
