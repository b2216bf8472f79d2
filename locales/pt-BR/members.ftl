button-human = Falar com uma pessoa
button-helpful = Ajudou
button-unhelpful = Não ajudou
button-close = Fechar
button-part = { $number } de { $of }

answer-sources = Fontes:
answer-late = Desculpe a demora.
answer-unsure = Não encontrei a resposta nos documentos deste servidor. Você pode perguntar com outras palavras ou falar com uma pessoa pelo botão abaixo.
answer-handed-over = Essa é para uma pessoa. Avisei a equipe de suporte, que vai responder aqui.
thread-name = Pergunta

human-asked = Uma pessoa foi avisada e vai responder aqui.
human-asked-already = Uma pessoa já foi avisada e vai responder aqui.
vote-gone = Essa resposta não está mais aqui.
vote-not-yours = Só quem perguntou pode dizer se isso ajudou.
vote-thanks = Obrigado, que bom que ajudou.
vote-sorry = Obrigado por avisar. Clique em "{ button-human }" se ainda precisar de ajuda.
close-not-yours = Só quem perguntou pode fechar esta conversa.
close-done = Esta conversa está fechada. Se precisar de mais alguma coisa, é só perguntar aqui de novo.
close-already = Esta conversa já está fechada. Se precisar de mais alguma coisa, é só perguntar aqui de novo.
close-human = Uma pessoa foi avisada e fecha esta conversa quando estiver tudo resolvido.
conversation-gone = Essa conversa não está mais aqui.

ask-in-channel = Faça sua pergunta em um canal do servidor.
support-off = O suporte está desligado neste servidor. Quem gerencia o servidor pode ligá-lo.
unknown-command = Não conheço esse comando. Tente `/ask`.
need-permission = Você precisa da permissão **{ $permission }** para usar `/{ $command }`.
hint = Faça uma pergunta sobre este servidor e eu procuro nos documentos dele.
away = Desculpe, eu não estava aqui quando você perguntou. Se ainda precisar de ajuda, pergunte de novo.
limit-many = Você fez { $limit ->
        [one] uma pergunta
       *[other] { $limit } perguntas
    } em uma hora, o máximo que este servidor permite. Você pode me perguntar de novo { $again }.
limit-long = Sua pergunta tem { $length } caracteres, e neste servidor ela pode ter no máximo { $limit ->
        [one] { $limit } caractere
       *[other] { $limit } caracteres
    }. Use menos palavras, por favor.

context-ask = Perguntar ao Helpline
about-bot = Isso foi escrito por um bot: escolha a mensagem de outra pessoa.
about-no-words = Essa mensagem não tem palavras que eu possa responder.
about-here = Respondo em { $channel }.
about-answered = Isso já foi respondido, em { $channel }.

describe-privacy = O que este servidor guarda de você, e como apagar
describe-privacy-export = Receber tudo em um arquivo que só você vê
describe-privacy-delete = Apagar tudo
privacy-file = Aqui está tudo o que este servidor guarda de você: suas conversas comigo e seus votos.
privacy-sure = Isto apaga tudo o que você me disse neste servidor, e seus votos. Não dá para desfazer. Se é o que você quer, clique no botão.
button-forget = Apagar o que eu disse
privacy-forgotten = Apagado: o que você disse em { $conversations ->
        [one] { $conversations } conversa
       *[other] { $conversations } conversas
    }, e { $votes ->
        [one] { $votes } voto
       *[other] { $votes } votos
    }. O que só conta quanto foi perguntado fica. Suas mensagens no Discord você mesmo pode excluir.
privacy-nothing = Não há mais nada seu aqui para apagar.
