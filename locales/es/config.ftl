permission-manage-server = Gestionar servidor
permission-view-channel = Ver canal
permission-send-messages = Enviar mensajes
permission-read-history = Leer el historial de mensajes
permission-create-threads = Crear hilos públicos
permission-send-in-threads = Enviar mensajes en hilos

describe-ask = Haz una pregunta; la respuesta sale del conocimiento de este servidor
describe-ask-question = ¿Qué quieres saber?
describe-tickets = Para el equipo: los tickets en espera o a cargo de alguien, primero los más antiguos
describe-config = Ver y cambiar cómo funciona el soporte en este servidor
describe-config-show = Qué está configurado, qué significa y qué está mal
describe-config-set = Cambiar un ajuste
describe-config-key = Qué ajuste
describe-config-value = El valor nuevo
describe-config-reset = Devolver un ajuste a su valor predeterminado
describe-config-channels = Los canales en los que se responde a todas las preguntas
describe-config-channels-add = Responder a todas las preguntas de un canal
describe-config-channels-remove = Responder en un canal solo cuando me mencionan
describe-config-channel = El canal
describe-config-support-role = A quién avisar cuando un miembro pide hablar con una persona
describe-config-role = El rol
choice-enabled = enabled: si el soporte está activado
choice-language = language: de los documentos y las respuestas
choice-system-prompt = system_prompt: lo que se le dice a un modelo de lenguaje
choice-max-messages = max_messages_per_user: preguntas de un miembro por hora
choice-max-length = max_text_length: pregunta más larga, en caracteres
choice-channels = channels: dónde se responde a todas las preguntas
choice-support-role = support_role_id: a quién se avisa
choice-everything = everything: todos los ajustes
choice-true = true: el soporte está activado
choice-false = false: el soporte está desactivado

config-now = (ahora)
config-default = (predeterminado)
config-none = ninguno
config-empty = vacío
config-more = y { $count } más
config-unknown = No conozco eso. Prueba con `/config show`.
config-not-here = Eso no está en este servidor o no puedo verlo. No se ha cambiado nada.
config-no-text-channel = Solo los canales de texto y los foros pueden ser canales de soporte. No se ha cambiado nada; me pueden mencionar en cualquier parte.
config-everyone = Ese rol es de todo el mundo: se avisaría a todo el servidor. Elige un rol que tenga tu equipo de soporte. No se ha cambiado nada.
config-use-channels = Usa `/config channels add` y `/config channels remove`.
config-use-support-role = Usa `/config support-role`.
config-no-setting = No existe el ajuste { $key }. `/config show` los muestra todos.
config-missing = No podría responder en { $channel }: allí me falta { $permissions }. Dáselo a mi rol en los ajustes del canal, *Permisos*, y vuelve a intentarlo. No se ha cambiado nada.
config-refused = `{ $key }` admite { $expected }, no { $found }. No se ha cambiado nada.
config-unchanged = `{ $key }` ya es { $value }.
config-all-replaced = Todos los ajustes vuelven a su valor predeterminado, así que el soporte está **desactivado**. Lo demás que había guardado no se podía leer y se ha perdido.
config-all-reset = Todos los ajustes vuelven a su valor predeterminado, así que el soporte está **desactivado**.
config-kept = Se conserva, porque no lo conozco: { $keys }
config-no-support-channel = { $channel } no es un canal de soporte.
config-not-stored = No se ha podido guardar: { $why }. No se ha cambiado nada.
config-not-pingable = ⚠️ No puedo mencionar a { $role }, así que nadie recibiría el aviso: en los ajustes del servidor, *Roles*, permite que cualquiera lo mencione.
config-title = **Cómo está configurado el soporte en este servidor**
config-change-with = Cámbialo con `/config set`, `/config channels`, `/config support-role` y `/config reset`.

expects-bool = true o false
expects-language = un código de idioma como en, de o pt-BR
expects-text = un texto
expects-channels = una lista de ID de canales
expects-role = el ID de un rol o null
expects-number = un número entero a partir de 1

meaning-off = El soporte está desactivado: aquí no respondo a nadie.
meaning-on-no-channel = El soporte está activado, pero no hay ningún canal de soporte: respondo a las menciones y a `/ask`. `/config channels add` añade uno.
meaning-on = El soporte está activado: respondo en los canales de soporte, donde me mencionen y a `/ask`.
meaning-language = Leo los documentos en este idioma; si cambia, se vuelven a indexar.
meaning-prompt = Se le dice a un modelo de lenguaje con cada pregunta; no afecta a las respuestas citadas de los documentos.
meaning-no-channel = No hay ningún canal de soporte: solo respondo a las menciones y a `/ask`.
meaning-channels-later = Responderé allí a todas las preguntas cuando el soporte esté activado: `/config set key:enabled value:true`.
meaning-channels = Respondo allí a todas las preguntas, en un hilo.
meaning-no-role = No se avisa a nadie cuando un miembro pide hablar con una persona: `/config support-role` elige a quién.
meaning-role = Recibe el aviso cuando un miembro pide hablar con una persona.
meaning-max-messages = Un miembro puede hacer { $count ->
        [one] { $count } pregunta
       *[other] { $count } preguntas
    } por hora.
meaning-max-length = Leo preguntas de hasta { $count ->
        [one] { $count } carácter
       *[other] { $count } caracteres
    }.

problem-not-in-force = ⚠️ Los ajustes no se pueden usar así: hasta que se arregle, siguen en vigor los últimos que servían.
problem = { $key } debería ser { $expected }, pero es { $found }. Para arreglarlo: { $mend }.
problem-whole = El conjunto
mend-everything = `/config reset key:everything` devuelve todos los ajustes a su valor predeterminado
mend-channels = `/config reset key:channels` y después `/config channels add`
mend-role = `/config support-role` o `/config reset key:support_role_id`
mend-key = `/config set key:{ $key }` o `/config reset key:{ $key }`

config-no-content = ⚠️ Aquí no leo los mensajes: quien me administra ha desactivado Message Content Intent. Respondo a menciones, a `/ask` y a *Preguntar a Helpline* en un mensaje; otras preguntas no las veo, tampoco en los canales de soporte.
