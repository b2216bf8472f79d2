## Direct messages: which server they go to, and what staff and members are told of each other.
describe-server = Escolha o servidor para o qual vão suas mensagens diretas
placeholder-server = Escolha um servidor
dm-choose = De qual servidor se trata? Escolha abaixo e eu respondo. Eu me lembro da sua escolha; `/server` a altera.
dm-chosen = Suas mensagens diretas para mim agora vão para **{ $server }**. `/server` altera isso.
dm-only = Suas mensagens diretas para mim vão para **{ $server }**: é o único servidor com suporte que temos em comum.
dm-no-server = Não conheço nenhum servidor em comum com o suporte ativado. Use `/ask` lá uma vez e depois escreva para mim aqui de novo.
dm-no-words = Só consigo ler palavras. Escreva sua pergunta e eu procuro a resposta nos documentos do servidor.
dm-off = O suporte está desativado no servidor para o qual vão suas mensagens diretas. `/server` escolhe outro.
dm-refused = Não consegui entregar isso: este membro não aceita minhas mensagens diretas.
dm-asks-for-human = { $user } pede um humano por mensagens diretas. Para responder lá, a equipe precisa de um tópico privado: permita que eu possa **Criar tópicos privados** em um canal de suporte.
dm-staff-hint = Escrevam para { $user } aqui: eu repasso o que vocês disserem, com o seu nome. O que começa com // fica entre vocês. Se eu não leio mensagens neste servidor, mencionem-me nas suas.
dm-claimed = { $user } está cuidando da sua pergunta agora e responde aqui.
dm-resolved = { $user } marcou sua pergunta como resolvida. Se precisar de mais, é só me escrever de novo.
dm-handed-back = Volto a responder aqui.
