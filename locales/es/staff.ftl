## Commands
describe-reply = Para el equipo: textos preparados que digo por ti
describe-reply-name = Qué respuesta
describe-reply-use = Decirla aquí, en el hilo de una conversación, con tu nombre
describe-reply-add = Preparar una nueva
describe-reply-list = Todas las que están preparadas
describe-reply-remove = Quitar una
describe-setup = Configurar el soporte de este servidor, paso a paso
describe-stats = Para el equipo: preguntas, respuestas y tickets de los últimos 7, 30 y 90 días
choice-auto-close = auto_close_hours: silencio tras el que cierro una conversación
choice-close-warning = close_warning_hours: con cuánta antelación aviso
choice-auto-resolve = ticket_auto_resolve_hours: silencio tras el que se resuelve un ticket

## Settings
expects-hours = un número entero de horas hasta 8760; 0 para nunca
meaning-never-closed = Una conversación queda abierta hasta que quien preguntó la cierre.
meaning-auto-close = Cierro una conversación cuando quien preguntó calla durante { $count ->
        [one] { $count } hora
       *[other] { $count } horas
    }, tras un aviso. Si se escribe de nuevo, continúa.
meaning-close-warning = Aviso { $count ->
        [one] { $count } hora
       *[other] { $count } horas
    } antes de cerrar, o la mitad del tiempo.
meaning-never-resolved = Un ticket queda abierto hasta que el equipo lo resuelva.
meaning-auto-resolve = Resuelvo un ticket cuando el equipo escribió y quien preguntó calla durante { $count ->
        [one] { $count } hora
       *[other] { $count } horas
    }, tras un aviso.

## When nobody writes any more
silence-warning = { $user }, ¿está resuelto? Cierro esta conversación { $when } si no escribes aquí.
silence-closed = He cerrado esta conversación porque nadie escribió aquí en un tiempo. Escribe aquí y continúa.
silence-notes = Resuelto por sí solo: quien preguntó no escribió más.
button-still-open = Aún necesito ayuda
button-solved = Está resuelto

## What staff are shown and let me say
button-suggest = Sugerir una respuesta
button-transcript = Transcripción
button-send = Enviar
spoken-done = Lo he dicho aquí.
spoken-from = De { $user }
suggest-head = **Esto respondería.** Solo tú lo ves; «{ button-send }» lo dice en la conversación, con tu nombre.
suggest-nothing = No encuentro nada en los documentos que responda a esto. `/reply use` dice lo que tenéis preparado.
suggest-unasked = Aquí nadie ha preguntado nada todavía.
suggest-gone = Esa sugerencia ya se envió, o hay una más nueva. No se ha dicho nada.
transcript-files = La conversación en archivos. Solo tú los ves.

## /reply
title-new-reply = Una respuesta preparada
label-reply-name = Nombre con el que el equipo la encuentra
label-reply-text = Texto; @member es quien preguntó
reply-unknown-subcommand = No conozco eso. Prueba `/reply list`.
reply-no-thread = Úsalo en el hilo de una conversación: allí se lo digo a quien preguntó. No se ha dicho nada.
reply-too-many = Este servidor tiene { $count } respuestas preparadas, el máximo. `/reply remove` hace sitio. No se ha guardado nada.
reply-no-name = Una respuesta necesita un nombre que se pueda leer y escribir. No se ha guardado nada.
reply-no-text = Una respuesta necesita un texto que se pueda leer. No se ha guardado nada.
reply-name-long = Un nombre tiene como máximo { $count } caracteres. No se ha guardado nada.
reply-text-long = Una respuesta tiene como máximo { $count } caracteres. No se ha guardado nada.
reply-unknown = No hay ninguna respuesta { $name }. `/reply list` las muestra todas.
reply-stored = { $name } está preparada. `/reply use` la dice en el hilo de una conversación.
reply-changed = { $name } ha cambiado. `/reply use` la dice en el hilo de una conversación.
reply-removed = { $name } se ha quitado. Decía:
reply-none = No hay respuestas preparadas. `/reply add` prepara una.
reply-kept = { $count ->
        [one] { $count } respuesta preparada.
       *[other] { $count } respuestas preparadas.
    }
reply-more = Y { $count } más.

## /stats
stats-none = Nadie ha preguntado nada en los últimos 90 días. Cuando alguien lo haga, aquí estarán los números.
stats-days = días
stats-questions = preguntas
stats-resolved = resueltas
stats-confirmed = confirmadas
stats-assumed = supuestas
stats-forwarded = al equipo
stats-time = hasta la respuesta
stats-note = Confirmadas: lo dijo quien preguntó o el equipo. Supuestas: quien preguntó tuvo respuesta y no escribió más. Los días son de UTC.

## /setup
setup-title = **Configurar el soporte** · cada elección se guarda al momento
setup-done = **Así queda el soporte:**
setup-channels = Dónde respondo a todo: { $channels }
setup-role = A quién se llama: { $role }
setup-language = Idioma: { $language }
setup-knowledge = Lo que sé: { $documents }
setup-documents = { $count ->
        [one] { $count } documento
       *[other] { $count } documentos
    }
setup-none-yet = aún ninguno
setup-is-on = El soporte está **activado**
setup-is-off = El soporte está **desactivado**
setup-next = A continuación: { $step }
setup-next-knowledge = dame algo con lo que responder: `/knowledge add`.
setup-next-on = pulsa **{ button-on }**, aquí o con `/setup`.
setup-next-role = elige a quién se llama.
setup-next-ask = pregúntame algo en { $channel }. `/config show` tiene todos los ajustes.
setup-next-ask-anywhere = pregúntame algo con `/ask`, o elige un canal en el que responda a todo.
setup-channels-fine = ✅ Allí puedo hacer todo lo que necesito.
setup-lacks = ⚠️ { $channel } no se ha guardado: allí me falta { $permissions }. Dáselo a mi rol en los ajustes del canal, *Permisos*, y elige de nuevo.
setup-not-seen = { $channel } se ha guardado; no pude ver qué puedo hacer allí.
setup-role-called = ✅ Se llama a { $role }.
setup-nobody-called = ✅ No se llama a nadie.
setup-language-stored = ✅ El idioma se ha guardado.
placeholder-setup-channels = 1. Canales en los que respondo a todo
placeholder-setup-role = 2. A quién llamar cuando alguien pide una persona
placeholder-setup-language = 3. Idioma de los documentos y respuestas
button-on = Activar el soporte
button-off = Desactivar el soporte
button-done = Listo
button-reset = Restablecer todo

## A config that cannot be read
report-daily = Lo digo una vez al día hasta que se arregle.
