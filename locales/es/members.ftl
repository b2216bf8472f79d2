button-human = Preguntar a una persona
button-helpful = Útil
button-unhelpful = No es útil
button-close = Cerrar
button-part = { $number } de { $of }

answer-sources = Fuentes:
answer-late = Perdona la espera.
answer-unsure = No he encontrado la respuesta en los documentos de este servidor. Puedes hacer la pregunta con otras palabras o preguntar a una persona con el botón de abajo.
answer-handed-over = Esto es para una persona. He avisado al equipo de soporte; te responderá aquí.
thread-name = Pregunta

human-asked = Hemos avisado a una persona. Te responderá aquí.
human-asked-already = Ya hemos avisado a una persona. Te responderá aquí.
vote-gone = Esa respuesta ya no está aquí.
vote-not-yours = Solo quien hizo la pregunta puede decir si esto ayudó.
vote-thanks = Gracias, me alegra que te haya servido.
vote-sorry = Gracias por decírmelo. Pulsa «{ button-human }» si aún necesitas ayuda.
close-not-yours = Solo quien hizo la pregunta puede cerrar esta conversación.
close-done = Esta conversación está cerrada. Si necesitas algo más, vuelve a preguntar aquí.
close-already = Esta conversación ya está cerrada. Si necesitas algo más, vuelve a preguntar aquí.
close-human = Hemos avisado a una persona; cerrará esta conversación cuando esté resuelto.
conversation-gone = Esa conversación ya no está aquí.

ask-in-channel = Haz tu pregunta en un canal del servidor.
support-off = El soporte está desactivado en este servidor. Quien gestiona el servidor puede activarlo.
unknown-command = No conozco ese comando. Prueba con `/ask`.
need-permission = Necesitas el permiso **{ $permission }** para usar `/{ $command }`.
hint = Hazme una pregunta sobre este servidor y la busco en sus documentos.
away = Perdona, no estaba cuando preguntaste. Si aún necesitas ayuda, vuelve a preguntar.
limit-many = Has hecho { $limit ->
        [one] una pregunta
       *[other] { $limit } preguntas
    } en una hora, el máximo que permite este servidor. Puedes volver a preguntarme { $again }.
limit-long = Tu pregunta tiene { $length } caracteres, y en este servidor puede tener como máximo { $limit ->
        [one] { $limit } carácter
       *[other] { $limit } caracteres
    }. Hazla con menos palabras.

context-ask = Preguntar a Helpline
about-bot = Eso lo escribió un bot: pregunta sobre un mensaje de otra persona.
about-no-words = Ese mensaje no tiene palabras a las que pueda responder.
about-here = Respondo en { $channel }.
about-answered = Eso ya está respondido, en { $channel }.

describe-privacy = Lo que este servidor guarda de ti, y cómo borrarlo
describe-privacy-export = Recibir todo en un archivo que solo tú ves
describe-privacy-delete = Borrarlo todo
privacy-file = Aquí tienes todo lo que este servidor guarda de ti: tus conversaciones conmigo y tus votos.
privacy-sure = Esto borra todo lo que me has dicho en este servidor, y tus votos. No se puede deshacer. Si es lo que quieres, pulsa el botón.
button-forget = Borrar lo que dije
privacy-forgotten = Borrado: lo que dijiste en { $conversations ->
        [one] { $conversations } conversación
       *[other] { $conversations } conversaciones
    }, y { $votes ->
        [one] { $votes } voto
       *[other] { $votes } votos
    }. Lo que solo cuenta cuánto se preguntó se queda. Tus mensajes en Discord los puedes borrar tú.
privacy-nothing = Aquí ya no queda nada tuyo que borrar.
