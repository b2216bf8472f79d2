ticket-asks = { $user } зовёт человека.
ticket-asks-nothing-found = { $user } зовёт человека: в документах ничего не нашлось.
ticket-asks-not-helpful = { $user } зовёт человека: мой ответ не помог.
ticket-asks-answered = { $user } зовёт человека, уже после моего ответа.
ticket-asks-unanswered = { $user } зовёт человека, хотя я ещё не ответил.
ticket-asks-account = { $user } зовёт человека: речь об аккаунте или платеже.
ticket-asks-complaint = { $user } зовёт человека: это жалоба.
ticket-asks-safety = { $user } зовёт человека: **кто-то может быть в опасности.**
ticket-asks-other = { $user } зовёт человека: этот вопрос оставляю вам.
ticket-answered = Мой ответ:
ticket-waits = **Ждёт**, пока его кто-нибудь возьмёт.
ticket-claimed = **В работе** у { $user }.
ticket-claimed-somebody = **В работе**.
ticket-resolved = **Решено**: { $user }{ $when }.
ticket-given-back = **Возвращено** боту{ $when }.
ticket-given-back-by = **Возвращено** боту: { $user }{ $when }.

button-claim = Взять
button-resolve = Решено
button-release = Отпустить
button-hand-back = Вернуть боту
button-reopen = Открыть снова
placeholder-transfer = Передать другому сотруднику
title-notes = Решить обращение
label-notes = Заметки: что случилось и что помогло?

ticket-has-already = Это обращение уже у { $user }.
ticket-newer-open = В этом разговоре есть более новое открытое обращение.
ticket-is-unclaimed = Сейчас это обращение никто не взял.
ticket-is-claimed-by = Это обращение взял { $user }.
ticket-is-claimed = Это обращение уже в работе.
ticket-is-resolved = { $user } уже решил это обращение. Нажмите «{ button-reopen }», если осталось что-то сделать.
ticket-is-given-back = Это обращение уже вернули боту. Нажмите «{ button-reopen }», если осталось что-то сделать.
ticket-did-claim = Обращение ваше. Я молчу в разговоре, пока вы его не решите или не вернёте мне.
ticket-did-transfer = Обращение теперь у { $user }.
ticket-did-release = Обращение ждёт, пока его возьмёт кто-то другой.
ticket-did-resolve = Обращение решено.
ticket-did-hand-back = Я снова отвечаю в этом разговоре.
ticket-did-reopen = Обращение снова открыто и ждёт, пока его кто-нибудь возьмёт.
ticket-gone = Этого обращения здесь больше нет.
staff-only = С обращениями работают только те, кто управляет сервером: роли поддержки пока нет.
staff-only-role = С обращениями работают только { $role } и те, кто управляет сервером.
transfer-nobody = Выберите кого-нибудь с этого сервера.
transfer-not-staff = Обращение можно передать тому, у кого есть роль поддержки или право управлять сервером.

tickets-none = Открытых обращений нет.
tickets-open = { $total ->
        [one] { $total } открытое обращение
        [few] { $total } открытых обращения
       *[other] { $total } открытых обращений
    }, сначала старые.
tickets-claimed = **в работе** у { $user }
tickets-waits = **ждёт**
tickets-more = И ещё { $left }, пришедших позже.
