describe-knowledge = Los documentos de los que respondo: añadir, ver, reemplazar y eliminar
describe-knowledge-add = Añadir un documento: un archivo, un mensaje o un texto que escribas
describe-knowledge-list = Todos los documentos
describe-knowledge-view = Ver un documento y recibirlo como archivo
describe-knowledge-search = Ver qué leería yo para una pregunta
describe-knowledge-replace = Poner otra versión en lugar de un documento
describe-knowledge-remove = Eliminar un documento
describe-knowledge-file = Un archivo de texto (.txt), Markdown (.md) o PDF
describe-knowledge-link = El enlace de un mensaje de este canal, como lo da «Copiar enlace del mensaje»
describe-knowledge-title = Cómo llamarlo; si no, como su primer título o el archivo
describe-knowledge-document = Su título
describe-knowledge-question = Como la haría un miembro
describe-gaps = Preguntas que no pude responder bien y para las que un documento ayudaría

button-document-replace = Reemplazarlo
button-document-both = Conservar ambos
button-cancel = Cancelar
button-document-remove = Eliminar
button-document-keep = Conservar
button-page-back = ◀ Atrás
button-page-next = Siguiente ▶
button-gap = Responder { $n }
title-document = Cuéntame algo
title-gap = Responder a esta pregunta
label-document-title = Título (vacío: primer título o línea)
label-gap-title = Pregunta (vacía: tal como se hizo)
label-document-text = Lo que debo saber (Markdown)

documents-unknown = No conozco eso. Prueba `/knowledge list`.
documents-no-question = Indica la pregunta que debo buscar.
documents-no-file = El archivo no llegó. Adjúntalo otra vez.
documents-no-link = Eso no es un enlace a un mensaje. Abre el menú del mensaje, elige *Copiar enlace del mensaje* y pégalo.
documents-link-elsewhere = Ese mensaje está en otro servidor.
documents-link-channel = Usa el comando en el canal de ese mensaje: así sé que puedes leerlo.
documents-not-here = No hay (o ya no hay) tal documento aquí. `/knowledge list` muestra los que hay.
documents-choose = Elige el documento de la lista que aparece al escribir su título.
documents-kept = No se eliminó nada.
documents-draft-gone = Eso ya se decidió o hace demasiado tiempo. Añade el documento otra vez.
documents-draft-dropped = De acuerdo, no se cambió nada.
documents-no-text = No contiene texto. Escribe lo que debo saber.
documents-busy = Ahora mismo se están leyendo varios documentos de este servidor. Envía este otra vez cuando terminen.
documents-need-permission = Para esto necesitas el permiso **{ $permission }**.
documents-reading = 📖 Leyendo { $name }…
documents-cutting = ✂️ Dividiendo { $name } en fragmentos…
documents-that-message = ese mensaje
documents-refused = No se pudo añadir { $name }: { $why }
documents-added = ✅ { $name } se ha añadido: { $passages ->
        [one] { $passages } fragmento
       *[other] { $passages } fragmentos
    }, ya se puede buscar. `/knowledge search` muestra lo que encontraría.
documents-replaced = ✅ { $name } tiene su nueva versión: { $passages ->
        [one] { $passages } fragmento
       *[other] { $passages } fragmentos
    }, ya se puede buscar. `/knowledge search` muestra lo que encontraría.
documents-gap-closed = Esas preguntas ya no están en la lista de `/gaps`.
documents-known = Ya sé exactamente esto, como { $name }. No se cambió nada.
documents-taken = Ya hay un documento { $name } con otro texto. ¿Qué hago?
documents-full = Este servidor tiene { $documents ->
        [one] { $documents } documento
       *[other] { $documents } documentos
    } y su plan permite { $limit }. Elimina uno con `/knowledge remove` o elige un plan mayor. No se añadió nada.
documents-too-much = Con estos { $size } los documentos de este servidor superarían lo que permite su plan (se usan { $used } de { $limit }). Elimina algunos con `/knowledge remove` o elige un plan mayor. No se añadió nada.

documents-none = Todavía no sé nada. `/knowledge add` trae un primer documento.
documents-list = **Lo que sé**: { $documents ->
        [one] { $documents } documento
       *[other] { $documents } documentos
    } de { $limit } que permite el plan, { $used } de { $room }
documents-page = Página { $page } de { $pages }. `/knowledge view` muestra un documento.
documents-view = { $kind } · { $size } · { $passages ->
        [one] { $passages } fragmento
       *[other] { $passages } fragmentos
    } · idioma: { $language }
documents-added-by = añadido { $at } por { $user }, cambiado { $changed }
documents-added-at = añadido { $at }, cambiado { $changed }
documents-more-headings = y { $left } títulos más
documents-found-nothing = No encuentro nada sobre esto. `/knowledge add` me lo puede contar.
documents-would-answer = Respondería con esto ({ $percent } % de seguridad). Esto es lo que leería:
documents-would-be-unsure = Diría que **no estoy seguro** y ofrecería a una persona ({ $percent } % de seguridad). Esto es lo que leería:
documents-score = puntuación { $score }
documents-really-remove = ¿Eliminar { $name }? Su texto y { $passages ->
        [one] { $passages } fragmento
       *[other] { $passages } fragmentos
    } se van para siempre, y ya no responderé con él. Las respuestas que he dado se quedan.
documents-and-file = Su archivo también se va.
documents-removed = { $name } se ha eliminado.

file-kinds = Leo archivos de texto (.txt), Markdown (.md) y PDF. Guarda { $name } como uno de ellos.
file-too-large = { $name } tiene { $size }; leo hasta { $limit }. Divídelo en varios archivos.
file-too-long = Tiene más texto del que cabe en un documento. Divídelo en varios.
file-too-many-words = Tiene demasiadas palabras distintas. Divídelo en varios documentos.
file-empty = Está vacío. Pon algo de texto.
file-no-text-file = No es un texto que pueda leer. Guárdalo como texto en UTF-8.
file-other-ending = Su contenido no es lo que dice su extensión. Ponle la correcta.
file-protected = Está protegido con contraseña. Guárdalo sin ella y envíalo.
file-damaged = Está dañado o no es un PDF que pueda leer. Imprímelo en un PDF nuevo y envíalo, o envía su texto.
file-scan = No tiene texto, solo imágenes, como un escaneo. Pásalo por un reconocimiento de texto (OCR) o envía su texto.
file-too-many-pages = Tiene más de { $limit } páginas. Divídelo en varios archivos.
file-too-costly = Leerlo lleva más tiempo o memoria de lo que puedo usar. Imprímelo en un PDF nuevo y envíalo, o envía su texto.
file-gone = Ya no está, o no puedo verlo. Envíalo otra vez.
file-later = No se pudo leer en este momento. Inténtalo de nuevo en un momento.
file-message-empty = El mensaje no tiene texto que yo pueda ver.

gaps-gone = Esa pregunta ya no está en la lista. `/gaps` muestra las que hay.
gaps-none = Ninguna pregunta de los últimos { $days } días quedó sin buena respuesta. 🎉
gaps-list = **{ $questions ->
        [one] { $questions } pregunta
       *[other] { $questions } preguntas
    } de los últimos { $days } días sin buena respuesta**
gaps-not-found = { $count } sin encontrar
gaps-not-helpful = { $count } sin ayudar
gaps-human = { $count } con persona llamada
gaps-how = Un botón abre un formulario; lo que escribas será un documento y quita las preguntas de la lista.
