## Commands
describe-reply = Para a equipe: textos prontos que eu digo por você
describe-reply-name = Qual resposta
describe-reply-use = Dizê-la aqui, no tópico de uma conversa, com o seu nome
describe-reply-add = Preparar uma nova
describe-reply-list = Todas as que estão prontas
describe-reply-remove = Remover uma
describe-setup = Configurar o suporte deste servidor, passo a passo
describe-stats = Para a equipe: perguntas, respostas e tickets dos últimos 7, 30 e 90 dias
choice-auto-close = auto_close_hours: silêncio após o qual fecho uma conversa
choice-close-warning = close_warning_hours: quanto tempo antes eu aviso
choice-auto-resolve = ticket_auto_resolve_hours: silêncio após o qual um ticket é resolvido

## Settings
expects-hours = um número inteiro de horas até 8760; 0 para nunca
meaning-never-closed = Uma conversa fica aberta até que quem perguntou a feche.
meaning-auto-close = Fecho uma conversa quando quem perguntou fica em silêncio por { $count ->
        [one] { $count } hora
       *[other] { $count } horas
    }, após um aviso. Se escreverem de novo, ela continua.
meaning-close-warning = Aviso { $count ->
        [one] { $count } hora
       *[other] { $count } horas
    } antes de fechar, ou metade do tempo.
meaning-never-resolved = Um ticket fica aberto até que a equipe o resolva.
meaning-auto-resolve = Resolvo um ticket quando a equipe escreveu e quem perguntou fica em silêncio por { $count ->
        [one] { $count } hora
       *[other] { $count } horas
    }, após um aviso.

## When nobody writes any more
silence-warning = { $user }, está resolvido? Fecho esta conversa { $when }, a menos que você escreva aqui.
silence-closed = Fechei esta conversa porque ninguém escreveu aqui por um tempo. Escreva aqui e ela continua.
silence-notes = Resolvido por si só: quem perguntou não escreveu mais.
button-still-open = Ainda preciso de ajuda
button-solved = Está resolvido

## What staff are shown and let me say
button-suggest = Sugerir uma resposta
button-transcript = Transcrição
button-send = Enviar
spoken-done = Eu disse isso aqui.
spoken-from = De { $user }
suggest-head = **Eu responderia isto.** Só você vê; "{ button-send }" diz isso na conversa, com o seu nome.
suggest-nothing = Não encontro nada nos documentos que responda a isso. `/reply use` diz o que vocês deixaram pronto.
suggest-unasked = Ninguém perguntou nada aqui ainda.
suggest-gone = Essa sugestão já foi enviada, ou há uma mais nova. Nada foi dito.
transcript-files = A conversa em arquivos. Só você os vê.

## /reply
title-new-reply = Uma resposta pronta
label-reply-name = Nome pelo qual a equipe a encontra
label-reply-text = Texto; @member vira quem perguntou
reply-unknown-subcommand = Não conheço isso. Tente `/reply list`.
reply-no-thread = Use isso no tópico de uma conversa: lá eu digo a quem perguntou. Nada foi dito.
reply-too-many = Este servidor tem { $count } respostas prontas, o máximo. `/reply remove` abre espaço. Nada foi salvo.
reply-no-name = Uma resposta precisa de um nome que se possa ler e digitar. Nada foi salvo.
reply-no-text = Uma resposta precisa de um texto que se possa ler. Nada foi salvo.
reply-name-long = Um nome tem no máximo { $count } caracteres. Nada foi salvo.
reply-text-long = Uma resposta tem no máximo { $count } caracteres. Nada foi salvo.
reply-unknown = Não há resposta { $name }. `/reply list` mostra todas.
reply-stored = { $name } está pronta. `/reply use` a diz no tópico de uma conversa.
reply-changed = { $name } foi alterada. `/reply use` a diz no tópico de uma conversa.
reply-removed = { $name } foi removida. Dizia:
reply-none = Nenhuma resposta está pronta. `/reply add` prepara uma.
reply-kept = { $count ->
        [one] { $count } resposta pronta.
       *[other] { $count } respostas prontas.
    }
reply-more = E mais { $count }.

## /stats
stats-none = Ninguém perguntou nada nos últimos 90 dias. Quando alguém perguntar, os números estarão aqui.
stats-days = dias
stats-questions = perguntas
stats-resolved = resolvidas
stats-confirmed = confirmadas
stats-assumed = presumidas
stats-forwarded = para a equipe
stats-time = até a resposta
stats-note = Confirmadas: quem perguntou ou a equipe disse. Presumidas: quem perguntou teve resposta e não escreveu mais. Os dias são em UTC.

## /setup
setup-title = **Configurar o suporte** · cada escolha é salva na hora
setup-done = **O suporte ficou assim:**
setup-channels = Onde respondo a tudo: { $channels }
setup-role = Quem é chamado: { $role }
setup-language = Idioma: { $language }
setup-knowledge = O que eu sei: { $documents }
setup-documents = { $count ->
        [one] { $count } documento
       *[other] { $count } documentos
    }
setup-none-yet = ainda nenhum
setup-is-on = O suporte está **ligado**
setup-is-off = O suporte está **desligado**
setup-next = A seguir: { $step }
setup-next-knowledge = me dê algo com que responder: `/knowledge add`.
setup-next-on = aperte **{ button-on }**, aqui ou com `/setup`.
setup-next-role = escolha quem é chamado.
setup-next-ask = pergunte-me algo em { $channel }. `/config show` tem todas as configurações.
setup-next-ask-anywhere = pergunte-me algo com `/ask`, ou escolha um canal em que eu responda a tudo.
setup-channels-fine = ✅ Lá posso fazer tudo de que preciso.
setup-lacks = ⚠️ { $channel } não foi salvo: lá me falta { $permissions }. Dê isso ao meu cargo nas configurações do canal, *Permissões*, e escolha de novo.
setup-not-seen = { $channel } foi salvo; não consegui ver o que posso fazer lá.
setup-role-called = ✅ { $role } é chamado.
setup-nobody-called = ✅ Ninguém é chamado.
setup-language-stored = ✅ O idioma foi salvo.
placeholder-setup-channels = 1. Canais em que respondo a tudo
placeholder-setup-role = 2. Quem chamar quando alguém pedir uma pessoa
placeholder-setup-language = 3. Idioma dos documentos e respostas
button-on = Ligar o suporte
button-off = Desligar o suporte
button-done = Pronto
button-reset = Restaurar tudo ao padrão

## A config that cannot be read
report-daily = Digo isso uma vez por dia, até que seja corrigido.
