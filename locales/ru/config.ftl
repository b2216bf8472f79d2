permission-manage-server = Управлять сервером
permission-view-channel = Просматривать канал
permission-send-messages = Отправлять сообщения
permission-read-history = Читать историю сообщений
permission-create-threads = Создавать публичные ветки
permission-send-in-threads = Отправлять сообщения в ветках

describe-ask = Задайте вопрос; ответ найдётся в знаниях этого сервера
describe-ask-question = Что вы хотите узнать?
describe-tickets = Для поддержки: обращения, которые ждут или уже в работе, сначала старые
describe-config = Посмотреть и изменить, как работает поддержка на этом сервере
describe-config-show = Что настроено, что это значит и что не так
describe-config-set = Изменить настройку
describe-config-key = Какая настройка
describe-config-value = Новое значение
describe-config-reset = Вернуть настройке значение по умолчанию
describe-config-channels = Каналы, в которых отвечаю на каждый вопрос
describe-config-channels-add = Отвечать в канале на каждый вопрос
describe-config-channels-remove = Отвечать в канале, только когда меня упомянули
describe-config-channel = Канал
describe-config-support-role = Кого звать, когда участнику нужен человек
describe-config-role = Роль
choice-enabled = enabled: включена ли поддержка
choice-language = language: язык документов и ответов
choice-system-prompt = system_prompt: что сказать языковой модели
choice-max-messages = max_messages_per_user: вопросов участника в час
choice-max-length = max_text_length: самый длинный вопрос, в символах
choice-channels = channels: где отвечаю на каждый вопрос
choice-support-role = support_role_id: кого звать
choice-everything = everything: все настройки
choice-true = true: поддержка включена
choice-false = false: поддержка выключена

config-now = (сейчас)
config-default = (по умолчанию)
config-none = нет
config-empty = пусто
config-more = и ещё { $count }
config-unknown = Я этого не знаю. Попробуйте `/config show`.
config-not-here = Этого нет на сервере, или я этого не вижу. Ничего не изменено.
config-no-text-channel = Каналом поддержки может быть только текстовый канал или форум. Ничего не изменено; упомянуть меня можно где угодно.
config-everyone = Эта роль есть у всех: пришлось бы звать весь сервер. Выберите роль вашей команды поддержки. Ничего не изменено.
config-use-channels = Для этого есть `/config channels add` и `/config channels remove`.
config-use-support-role = Для этого есть `/config support-role`.
config-no-setting = Настройки { $key } нет. Все настройки показывает `/config show`.
config-missing = Я не смог бы отвечать в { $channel }: там мне не хватает прав: { $permissions }. Дайте их моей роли в настройках канала, *Права доступа*, и попробуйте снова. Ничего не изменено.
config-refused = Для `{ $key }` нужно { $expected }, а не { $found }. Ничего не изменено.
config-unchanged = `{ $key }` и так { $value }.
config-all-replaced = У всех настроек снова значения по умолчанию, поэтому поддержка **выключена**. Остальное, что было сохранено, прочитать не удалось, и оно удалено.
config-all-reset = У всех настроек снова значения по умолчанию, поэтому поддержка **выключена**.
config-kept = Оставлено, потому что мне это неизвестно: { $keys }
config-no-support-channel = { $channel } — не канал поддержки.
config-not-stored = Сохранить не удалось: { $why }. Ничего не изменено.
config-not-pingable = ⚠️ Мне нельзя упоминать { $role }, поэтому никто не получил бы уведомления: в настройках сервера, *Роли*, разрешите всем упоминать эту роль.
config-title = **Как настроена поддержка на этом сервере**
config-change-with = Изменить можно командами `/config set`, `/config channels`, `/config support-role` и `/config reset`.

expects-bool = true или false
expects-language = код языка, например en, de или pt-BR
expects-text = текст
expects-channels = список ID каналов
expects-role = ID роли или null
expects-number = целое число не меньше 1

meaning-off = Поддержка выключена: я здесь никому не отвечаю.
meaning-on-no-channel = Поддержка включена, но каналов поддержки нет: я отвечаю на упоминания и `/ask`. Добавить канал: `/config channels add`.
meaning-on = Поддержка включена: я отвечаю в каналах поддержки, везде, где меня упомянули, и на `/ask`.
meaning-language = На этом языке я читаю документы; после изменения они индексируются заново.
meaning-prompt = Это сообщается языковой модели с каждым вопросом; на цитаты из документов не влияет.
meaning-no-channel = Каналов поддержки нет: я отвечаю только на упоминания и `/ask`.
meaning-channels-later = Буду отвечать там на каждый вопрос, когда поддержка включена: `/config set key:enabled value:true`.
meaning-channels = Отвечаю там на каждый вопрос, в ветке.
meaning-no-role = Когда участнику нужен человек, никого не зовут: выберите кого через `/config support-role`.
meaning-role = Эту роль зовут, когда участнику нужен человек.
meaning-max-messages = Участник может задать { $count ->
        [one] { $count } вопрос
        [few] { $count } вопроса
       *[other] { $count } вопросов
    } в час.
meaning-max-length = Читаю вопросы длиной до { $count ->
        [one] { $count } символа
       *[other] { $count } символов
    }.

problem-not-in-force = ⚠️ В таком виде настройки использовать нельзя: пока это не исправлено, действуют последние пригодные.
problem = { $key }: нужно { $expected }, а стоит { $found }. Как исправить: { $mend }.
problem-whole = Всё целиком
mend-everything = `/config reset key:everything` вернёт всем настройкам значения по умолчанию
mend-channels = `/config reset key:channels`, затем `/config channels add`
mend-role = `/config support-role` или `/config reset key:support_role_id`
mend-key = `/config set key:{ $key }` или `/config reset key:{ $key }`

config-no-content = ⚠️ Я не читаю здесь сообщений: тот, кто меня запустил, выключил Message Content Intent. Отвечаю на упоминания, `/ask` и *Спросить Helpline* на сообщении; других вопросов не вижу, даже в каналах поддержки.
