permission-manage-server = Gerenciar servidor
permission-view-channel = Ver canal
permission-send-messages = Enviar mensagens
permission-read-history = Ver histórico de mensagens
permission-create-threads = Criar tópicos públicos
permission-send-in-threads = Enviar mensagens em tópicos

describe-ask = Faça uma pergunta; a resposta vem do conhecimento deste servidor
describe-ask-question = O que você quer saber?
describe-tickets = Para a equipe: os tickets em espera ou já assumidos, os mais antigos primeiro
describe-config = Ver e mudar como o suporte funciona neste servidor
describe-config-show = O que está configurado, o que significa e o que está errado
describe-config-set = Mudar uma configuração
describe-config-key = Qual configuração
describe-config-value = O novo valor
describe-config-reset = Voltar uma configuração ao padrão
describe-config-channels = Os canais em que toda pergunta é respondida
describe-config-channels-add = Responder a toda pergunta em um canal
describe-config-channels-remove = Responder em um canal só quando me mencionam
describe-config-channel = O canal
describe-config-support-role = Quem chamar quando um membro quer falar com uma pessoa
describe-config-role = O cargo
choice-enabled = enabled: se o suporte está ligado
choice-language = language: dos documentos e respostas
choice-system-prompt = system_prompt: o que é dito a um modelo de linguagem
choice-max-messages = max_messages_per_user: perguntas de um membro por hora
choice-max-length = max_text_length: maior pergunta, em caracteres
choice-channels = channels: onde toda pergunta é respondida
choice-support-role = support_role_id: quem é chamado
choice-everything = everything: todas as configurações
choice-true = true: o suporte está ligado
choice-false = false: o suporte está desligado

config-now = (agora)
config-default = (padrão)
config-none = nenhum
config-empty = vazio
config-more = e mais { $count }
config-unknown = Não conheço isso. Tente `/config show`.
config-not-here = Isso não está neste servidor, ou não consigo ver. Nada foi alterado.
config-no-text-channel = Só canais de texto e fóruns podem ser canais de suporte. Nada foi alterado; podem me mencionar em qualquer lugar.
config-everyone = Todo mundo tem esse cargo: o servidor inteiro seria chamado. Escolha um cargo da sua equipe de suporte. Nada foi alterado.
config-use-channels = Use `/config channels add` e `/config channels remove`.
config-use-support-role = Use `/config support-role`.
config-no-setting = Não existe a configuração { $key }. `/config show` mostra todas.
config-missing = Eu não conseguiria responder em { $channel }: lá me falta { $permissions }. Dê isso ao meu cargo nas configurações do canal, *Permissões*, e tente de novo. Nada foi alterado.
config-refused = `{ $key }` aceita { $expected }, não { $found }. Nada foi alterado.
config-unchanged = `{ $key }` já é { $value }.
config-all-replaced = Todas as configurações voltaram ao padrão, então o suporte está **desligado**. O resto do que estava guardado não podia ser lido e se perdeu.
config-all-reset = Todas as configurações voltaram ao padrão, então o suporte está **desligado**.
config-kept = Mantido, porque não conheço: { $keys }
config-no-support-channel = { $channel } não é um canal de suporte.
config-not-stored = Não foi possível salvar: { $why }. Nada foi alterado.
config-not-pingable = ⚠️ Não posso mencionar { $role }, então ninguém seria notificado: nas configurações do servidor, *Cargos*, permita que qualquer um mencione esse cargo.
config-title = **Como o suporte está configurado neste servidor**
config-change-with = Para mudar, use `/config set`, `/config channels`, `/config support-role` e `/config reset`.

expects-bool = true ou false
expects-language = um código de idioma como en, de ou pt-BR
expects-text = um texto
expects-channels = uma lista de IDs de canais
expects-role = o ID de um cargo ou null
expects-number = um número inteiro a partir de 1

meaning-off = O suporte está desligado: não respondo a ninguém aqui.
meaning-on-no-channel = O suporte está ligado, mas não há canal de suporte: respondo a menções e a `/ask`. `/config channels add` adiciona um.
meaning-on = O suporte está ligado: respondo nos canais de suporte, onde me mencionarem e a `/ask`.
meaning-language = Leio os documentos neste idioma; se mudar, eles são indexados de novo.
meaning-prompt = Um modelo de linguagem recebe isto com cada pergunta; respostas citadas dos documentos não são afetadas.
meaning-no-channel = Não há canal de suporte: só respondo a menções e a `/ask`.
meaning-channels-later = Vou responder a toda pergunta lá, quando o suporte estiver ligado: `/config set key:enabled value:true`.
meaning-channels = Respondo a toda pergunta lá, em um tópico.
meaning-no-role = Ninguém é chamado quando um membro quer falar com uma pessoa: `/config support-role` escolhe quem.
meaning-role = É chamado quando um membro quer falar com uma pessoa.
meaning-max-messages = Um membro pode fazer { $count ->
        [one] { $count } pergunta
       *[other] { $count } perguntas
    } por hora.
meaning-max-length = Leio perguntas de até { $count ->
        [one] { $count } caractere
       *[other] { $count } caracteres
    }.

problem-not-in-force = ⚠️ As configurações não podem ser usadas assim: até que isso seja corrigido, valem as últimas que serviam.
problem = { $key } deveria ser { $expected }, mas é { $found }. Para corrigir: { $mend }.
problem-whole = O conjunto
mend-everything = `/config reset key:everything` volta todas as configurações ao padrão
mend-channels = `/config reset key:channels` e depois `/config channels add`
mend-role = `/config support-role` ou `/config reset key:support_role_id`
mend-key = `/config set key:{ $key }` ou `/config reset key:{ $key }`

config-no-content = ⚠️ Não leio mensagens aqui: quem me mantém desligou o Message Content Intent. Respondo a menções, a `/ask` e a *Perguntar ao Helpline* em uma mensagem; outras perguntas eu não vejo, nem nos canais de suporte.
