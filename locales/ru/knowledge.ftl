describe-knowledge = Документы, по которым я отвечаю: добавить, посмотреть, заменить, удалить
describe-knowledge-add = Добавить документ: файл, сообщение или текст, который вы напишете
describe-knowledge-list = Все документы
describe-knowledge-view = Посмотреть документ и получить его файлом
describe-knowledge-search = Посмотреть, что я прочитаю для ответа на вопрос
describe-knowledge-replace = Заменить документ другой версией
describe-knowledge-remove = Удалить документ
describe-knowledge-file = Файл: текст (.txt), Markdown (.md) или PDF
describe-knowledge-link = Ссылка на сообщение в этом канале, как её даёт «Копировать ссылку на сообщение»
describe-knowledge-title = Как его назвать; иначе по первому заголовку или имени файла
describe-knowledge-document = Его название
describe-knowledge-question = Так, как его задал бы участник
describe-gaps = Вопросы, на которые я не смог хорошо ответить и где поможет документ

button-document-replace = Заменить
button-document-both = Оставить оба
button-cancel = Отмена
button-document-remove = Удалить
button-document-keep = Оставить
button-page-back = ◀ Назад
button-page-next = Дальше ▶
button-gap = Ответить на { $n }
title-document = Расскажите мне что-нибудь
title-gap = Ответить на этот вопрос
label-document-title = Название (пусто: первый заголовок или строка)
label-gap-title = Вопрос (пусто: как его задали)
label-document-text = Что мне нужно знать (Markdown)

documents-unknown = Я такого не знаю. Попробуйте `/knowledge list`.
documents-no-question = Укажите вопрос, по которому нужно искать.
documents-no-file = Файл не дошёл. Прикрепите его ещё раз.
documents-no-link = Это не ссылка на сообщение. Откройте меню сообщения, выберите *Копировать ссылку на сообщение* и вставьте её.
documents-link-elsewhere = Это сообщение на другом сервере.
documents-link-channel = Используйте команду в канале этого сообщения: так я знаю, что вам можно его читать.
documents-not-here = Такого документа здесь нет (или уже нет). `/knowledge list` покажет, какие есть.
documents-choose = Выберите документ из списка, который появляется при вводе названия.
documents-kept = Ничего не удалено.
documents-draft-gone = Это уже решено или было слишком давно. Добавьте документ ещё раз.
documents-draft-dropped = Хорошо, ничего не изменено.
documents-no-text = В нём нет текста. Напишите, что мне нужно знать.
documents-busy = Сейчас читаются несколько документов этого сервера. Пришлите этот ещё раз, когда они закончатся.
documents-need-permission = Для этого нужно право **{ $permission }**.
documents-reading = 📖 Читаю { $name }…
documents-cutting = ✂️ Делю { $name } на фрагменты…
documents-that-message = это сообщение
documents-refused = Не удалось добавить { $name }: { $why }
documents-added = ✅ { $name } добавлен: { $passages ->
        [one] { $passages } фрагмент
        [few] { $passages } фрагмента
       *[other] { $passages } фрагментов
    }, поиск уже работает. `/knowledge search` покажет, что я найду.
documents-replaced = ✅ У { $name } новая версия: { $passages ->
        [one] { $passages } фрагмент
        [few] { $passages } фрагмента
       *[other] { $passages } фрагментов
    }, поиск уже работает. `/knowledge search` покажет, что я найду.
documents-gap-closed = Эти вопросы убраны из списка `/gaps`.
documents-known = Именно это я уже знаю, как { $name }. Ничего не изменено.
documents-taken = Документ { $name } уже есть, но с другим текстом. Что сделать?
documents-full = На этом сервере { $documents ->
        [one] { $documents } документ
        [few] { $documents } документа
       *[other] { $documents } документов
    }, а тариф допускает { $limit }. Удалите один через `/knowledge remove` или выберите больший тариф. Ничего не добавлено.
documents-too-much = С этими { $size } документы сервера превысят то, что допускает тариф (занято { $used } из { $limit }). Удалите что-нибудь через `/knowledge remove` или выберите больший тариф. Ничего не добавлено.

documents-none = Я пока ничего не знаю. `/knowledge add` добавит первый документ.
documents-list = **Что я знаю**: { $documents ->
        [one] { $documents } документ
        [few] { $documents } документа
       *[other] { $documents } документов
    } из { $limit } по тарифу, { $used } из { $room }
documents-page = Страница { $page } из { $pages }. `/knowledge view` покажет документ.
documents-view = { $kind } · { $size } · { $passages ->
        [one] { $passages } фрагмент
        [few] { $passages } фрагмента
       *[other] { $passages } фрагментов
    } · язык: { $language }
documents-added-by = добавил { $user } { $at }, изменён { $changed }
documents-added-at = добавлен { $at }, изменён { $changed }
documents-more-headings = и ещё заголовков: { $left }
documents-found-nothing = Об этом я ничего не нахожу. `/knowledge add` поможет мне узнать.
documents-would-answer = Я ответил бы по этому (уверенность { $percent } %). Вот что я прочитаю:
documents-would-be-unsure = Я сказал бы, что **не уверен**, и предложил бы человека (уверенность { $percent } %). Вот что я прочитаю:
documents-score = оценка { $score }
documents-really-remove = Удалить { $name }? Текст и { $passages ->
        [one] { $passages } фрагмент
        [few] { $passages } фрагмента
       *[other] { $passages } фрагментов
    } исчезнут навсегда, и я больше не буду по нему отвечать. Данные ответы останутся.
documents-and-file = Его файл тоже будет удалён.
documents-removed = { $name } удалён.

file-kinds = Я читаю текст (.txt), Markdown (.md) и PDF. Сохраните { $name } в одном из этих форматов.
file-too-large = { $name }: { $size }; я читаю до { $limit }. Разделите на несколько файлов.
file-too-long = В нём больше текста, чем вмещает один документ. Разделите его на несколько.
file-too-many-words = В нём слишком много разных слов. Разделите его на несколько документов.
file-empty = Он пуст. Добавьте в него текст.
file-no-text-file = Это не текст, который я могу прочитать. Сохраните его как текст в UTF-8.
file-other-ending = Содержимое не соответствует расширению. Укажите правильное.
file-protected = Он защищён паролем. Сохраните его без пароля и пришлите.
file-damaged = Он повреждён, или это не PDF, который я могу прочитать. Напечатайте его в новый PDF и пришлите, или пришлите текст.
file-scan = В нём нет текста, только картинки, как в скане. Пропустите его через распознавание (OCR) или пришлите текст.
file-too-many-pages = В нём больше { $limit } страниц. Разделите его на несколько файлов.
file-too-costly = Чтение требует больше времени или памяти, чем мне можно. Напечатайте его в новый PDF и пришлите, или пришлите текст.
file-gone = Его больше нет, или мне нельзя его видеть. Пришлите ещё раз.
file-later = Сейчас прочитать не удалось. Попробуйте чуть позже.
file-message-empty = В сообщении нет текста, который я вижу.

gaps-gone = Этого вопроса больше нет в списке. `/gaps` покажет, какие есть.
gaps-none = За последние { $days } дней нет вопросов без хорошего ответа. 🎉
gaps-list = **{ $questions ->
        [one] { $questions } вопрос
        [few] { $questions } вопроса
       *[other] { $questions } вопросов
    } за последние { $days } дней без хорошего ответа**
gaps-not-found = не найдено: { $count }
gaps-not-helpful = не помогло: { $count }
gaps-human = вызван человек: { $count }
gaps-how = Кнопка открывает форму; написанное станет документом и уберёт вопросы из списка.
