## Direct messages: which server they go to, and what staff and members are told of each other.
describe-server = Elige el servidor al que van tus mensajes directos para mí
placeholder-server = Elige un servidor
dm-choose = ¿De qué servidor se trata? Elígelo abajo y te respondo. Recuerdo tu elección; con `/server` la cambias.
dm-chosen = Tus mensajes directos para mí van ahora a **{ $server }**. Con `/server` lo cambias.
dm-only = Tus mensajes directos para mí van a **{ $server }**: es el único servidor con soporte que compartimos.
dm-no-server = No conozco ningún servidor que compartamos y que tenga el soporte activado. Usa `/ask` allí una vez y luego escríbeme aquí de nuevo.
dm-no-words = Solo puedo leer palabras. Escribe tu pregunta y busco la respuesta en los documentos del servidor.
dm-off = El soporte está desactivado en el servidor al que van tus mensajes directos. Con `/server` eliges otro.
dm-refused = No he podido entregarlo: este miembro no acepta mensajes directos de mí.
dm-asks-for-human = { $user } pide una persona por mensajes directos. Para responder allí, el equipo necesita un hilo privado: permíteme **Crear hilos privados** en un canal de soporte.
dm-staff-hint = Escribid a { $user } aquí: transmito lo que decís, con vuestro nombre. Lo que empieza por // queda entre vosotros. Si no leo mensajes en este servidor, mencionadme en los vuestros.
dm-claimed = { $user } se ocupa ahora de tu pregunta y te responde aquí.
dm-resolved = { $user } ha marcado tu pregunta como resuelta. Si necesitas algo más, escríbeme de nuevo.
dm-handed-back = Vuelvo a responderte aquí.
