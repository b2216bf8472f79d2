## Commands
describe-reply = Для команды: готовые тексты, которые я говорю за вас
describe-reply-name = Какой ответ
describe-reply-use = Сказать здесь, в ветке разговора, с вашим именем
describe-reply-add = Подготовить новый
describe-reply-list = Все готовые ответы
describe-reply-remove = Убрать один
describe-setup = Настроить поддержку на этом сервере, шаг за шагом
describe-stats = Для команды: вопросы, ответы и тикеты за последние 7, 30 и 90 дней
choice-auto-close = auto_close_hours: тишина, после которой я закрываю разговор
choice-close-warning = close_warning_hours: за сколько до этого я предупреждаю
choice-auto-resolve = ticket_auto_resolve_hours: тишина, после которой тикет считается решённым

## Settings
expects-hours = целое число часов до 8760; 0 — никогда
meaning-never-closed = Разговор остаётся открытым, пока его не закроет тот, кто спросил.
meaning-auto-close = Я закрываю разговор, если спросивший молчит { $count ->
        [one] { $count } час
        [few] { $count } часа
       *[many] { $count } часов
    }, после предупреждения. Если в нём снова напишут, он продолжится.
meaning-close-warning = Я предупреждаю за { $count ->
        [one] { $count } час
        [few] { $count } часа
       *[many] { $count } часов
    } до закрытия или за половину срока.
meaning-never-resolved = Тикет остаётся открытым, пока его не решит команда.
meaning-auto-resolve = Я закрываю тикет, если команда написала, а спросивший молчит { $count ->
        [one] { $count } час
        [few] { $count } часа
       *[many] { $count } часов
    }, после предупреждения.

## When nobody writes any more
silence-warning = { $user }, вопрос решён? Я закрою этот разговор { $when }, если вы здесь ничего не напишете.
silence-closed = Я закрыл этот разговор, потому что здесь давно никто не писал. Напишите здесь, и он продолжится.
silence-notes = Решено само собой: спросивший больше не писал.
button-still-open = Мне ещё нужна помощь
button-solved = Всё решено

## What staff are shown and let me say
button-suggest = Предложить ответ
button-transcript = Протокол
button-send = Отправить
spoken-done = Я сказал это здесь.
spoken-from = От { $user }
suggest-head = **Вот что я бы ответил.** Это видите только вы; «{ button-send }» скажет это в разговоре с вашим именем.
suggest-nothing = Я не нахожу в документах ответа на это. `/reply use` скажет то, что у вас готово.
suggest-unasked = Здесь ещё никто ничего не спросил.
suggest-gone = Это предложение уже отправлено, или есть более новое. Ничего не сказано.
transcript-files = Разговор в виде файлов. Их видите только вы.

## /reply
title-new-reply = Готовый ответ
label-reply-name = Имя, по которому его находит команда
label-reply-text = Текст; @member — тот, кто спросил
reply-unknown-subcommand = Я этого не знаю. Попробуйте `/reply list`.
reply-no-thread = Используйте это в ветке разговора: там я скажу это тому, кто спросил. Ничего не сказано.
reply-too-many = На этом сервере готовых ответов: { $count }, больше нельзя. `/reply remove` освободит место. Ничего не сохранено.
reply-no-name = Ответу нужно имя, которое можно прочитать и набрать. Ничего не сохранено.
reply-no-text = Ответу нужен текст, который можно прочитать. Ничего не сохранено.
reply-name-long = В имени не больше { $count } знаков. Ничего не сохранено.
reply-text-long = В ответе не больше { $count } знаков. Ничего не сохранено.
reply-unknown = Нет ответа { $name }. `/reply list` покажет все.
reply-stored = { $name } — готово. `/reply use` скажет это в ветке разговора.
reply-changed = { $name } — изменено. `/reply use` скажет это в ветке разговора.
reply-removed = { $name } — убрано. Там было:
reply-none = Готовых ответов нет. `/reply add` подготовит один.
reply-kept = { $count ->
        [one] { $count } готовый ответ.
        [few] { $count } готовых ответа.
       *[many] { $count } готовых ответов.
    }
reply-more = И ещё { $count }.

## /stats
stats-none = За последние 90 дней никто ничего не спросил. Как только кто-то спросит, цифры будут здесь.
stats-days = дней
stats-questions = вопросов
stats-resolved = решено
stats-confirmed = подтверждено
stats-assumed = предположительно
stats-forwarded = команде
stats-time = до ответа
stats-note = Подтверждено: так сказал спросивший или команда. Предположительно: спросивший получил ответ и больше не писал. Дни — по UTC.

## /setup
setup-title = **Настройка поддержки** · каждый выбор сохраняется сразу
setup-done = **Поддержка настроена так:**
setup-channels = Где я отвечаю на все вопросы: { $channels }
setup-role = Кого зовут: { $role }
setup-language = Язык: { $language }
setup-knowledge = Что я знаю: { $documents }
setup-documents = { $count ->
        [one] { $count } документ
        [few] { $count } документа
       *[many] { $count } документов
    }
setup-none-yet = пока нет
setup-is-on = Поддержка **включена**
setup-is-off = Поддержка **выключена**
setup-next = Дальше: { $step }
setup-next-knowledge = дайте мне, из чего отвечать: `/knowledge add`.
setup-next-on = нажмите **{ button-on }**, здесь или через `/setup`.
setup-next-role = выберите, кого звать.
setup-next-ask = спросите меня о чём-нибудь в { $channel }. `/config show` покажет все настройки.
setup-next-ask-anywhere = спросите меня через `/ask` или выберите канал, где я отвечаю на всё.
setup-channels-fine = ✅ Там мне можно всё, что нужно.
setup-lacks = ⚠️ { $channel } не сохранён: там мне не хватает { $permissions }. Дайте это моей роли в настройках канала, *Права доступа*, и выберите снова.
setup-not-seen = { $channel } сохранён; я не смог увидеть, что мне там можно.
setup-role-called = ✅ Зовут { $role }.
setup-nobody-called = ✅ Никого не зовут.
setup-language-stored = ✅ Язык сохранён.
placeholder-setup-channels = 1. Каналы, где я отвечаю на все вопросы
placeholder-setup-role = 2. Кого звать, если участник просит человека
placeholder-setup-language = 3. Язык документов и ответов
button-on = Включить поддержку
button-off = Выключить поддержку
button-done = Готово
button-reset = Вернуть всё по умолчанию

## A config that cannot be read
report-daily = Я говорю это раз в день, пока это не исправят.
