describe-knowledge = Os documentos de onde vêm minhas respostas: adicionar, ver, substituir e remover
describe-knowledge-add = Adicionar um documento: um arquivo, uma mensagem ou um texto que você escreve
describe-knowledge-list = Todos os documentos
describe-knowledge-view = Ver um documento e recebê-lo como arquivo
describe-knowledge-search = Ver o que eu leria para uma pergunta
describe-knowledge-replace = Colocar outra versão no lugar de um documento
describe-knowledge-remove = Remover um documento
describe-knowledge-file = Um arquivo de texto (.txt), Markdown (.md) ou PDF
describe-knowledge-link = O link de uma mensagem deste canal, como "Copiar link da mensagem" o dá
describe-knowledge-title = Como chamá-lo; senão, como o primeiro título ou o arquivo
describe-knowledge-document = O título
describe-knowledge-question = Como um membro a faria
describe-gaps = Perguntas que não consegui responder bem e que um documento ajudaria a responder

button-document-replace = Substituir
button-document-both = Manter os dois
button-cancel = Cancelar
button-document-remove = Remover
button-document-keep = Manter
button-page-back = ◀ Voltar
button-page-next = Próxima ▶
button-gap = Responder { $n }
title-document = Conte-me algo
title-gap = Responder a esta pergunta
label-document-title = Título (vazio: primeiro título ou linha)
label-gap-title = Pergunta (vazia: como foi feita)
label-document-text = O que devo saber (Markdown)

documents-unknown = Não conheço isso. Tente `/knowledge list`.
documents-no-question = Informe a pergunta que devo procurar.
documents-no-file = O arquivo não chegou. Anexe-o novamente.
documents-no-link = Isso não é um link de mensagem. Abra o menu da mensagem, escolha *Copiar link da mensagem* e cole-o.
documents-link-elsewhere = Essa mensagem está em outro servidor.
documents-link-channel = Use o comando no canal dessa mensagem: assim sei que você pode lê-la.
documents-not-here = Não há (mais) esse documento aqui. `/knowledge list` mostra os que existem.
documents-choose = Escolha o documento na lista que aparece ao digitar o título.
documents-kept = Nada foi removido.
documents-draft-gone = Isso já foi decidido ou faz muito tempo. Adicione o documento novamente.
documents-draft-dropped = Tudo bem, nada foi alterado.
documents-no-text = Não há texto. Escreva o que devo saber.
documents-busy = Vários documentos deste servidor estão sendo lidos agora. Envie este novamente quando terminarem.
documents-need-permission = Para isso você precisa da permissão **{ $permission }**.
documents-reading = 📖 Lendo { $name }…
documents-cutting = ✂️ Dividindo { $name } em trechos…
documents-that-message = essa mensagem
documents-refused = Não foi possível adicionar { $name }: { $why }
documents-added = ✅ { $name } foi adicionado: { $passages ->
        [one] { $passages } trecho
       *[other] { $passages } trechos
    }, já pesquisável. `/knowledge search` mostra o que eu encontraria.
documents-replaced = ✅ { $name } tem sua nova versão: { $passages ->
        [one] { $passages } trecho
       *[other] { $passages } trechos
    }, já pesquisável. `/knowledge search` mostra o que eu encontraria.
documents-gap-closed = Essas perguntas saíram da lista de `/gaps`.
documents-known = Já sei exatamente isso, como { $name }. Nada foi alterado.
documents-taken = Já existe um documento { $name } com outro texto. O que devo fazer?
documents-full = Este servidor tem { $documents ->
        [one] { $documents } documento
       *[other] { $documents } documentos
    }, e o plano permite { $limit }. Remova um com `/knowledge remove` ou escolha um plano maior. Nada foi adicionado.
documents-too-much = Com estes { $size }, os documentos deste servidor passariam do que o plano permite ({ $used } de { $limit } em uso). Remova alguns com `/knowledge remove` ou escolha um plano maior. Nada foi adicionado.

documents-none = Ainda não sei nada. `/knowledge add` traz um primeiro documento.
documents-list = **O que sei**: { $documents ->
        [one] { $documents } documento
       *[other] { $documents } documentos
    } de { $limit } que o plano permite, { $used } de { $room }
documents-page = Página { $page } de { $pages }. `/knowledge view` mostra um documento.
documents-view = { $kind } · { $size } · { $passages ->
        [one] { $passages } trecho
       *[other] { $passages } trechos
    } · idioma: { $language }
documents-added-by = adicionado { $at } por { $user }, alterado { $changed }
documents-added-at = adicionado { $at }, alterado { $changed }
documents-more-headings = e mais { $left } títulos
documents-found-nothing = Não encontro nada sobre isso. `/knowledge add` pode me contar.
documents-would-answer = Eu responderia com isto ({ $percent } % de certeza). Isto é o que eu leria:
documents-would-be-unsure = Eu diria que **não tenho certeza** e ofereceria uma pessoa ({ $percent } % de certeza). Isto é o que eu leria:
documents-score = pontuação { $score }
documents-really-remove = Remover { $name }? O texto e { $passages ->
        [one] { $passages } trecho
       *[other] { $passages } trechos
    } somem para sempre, e não responderei mais com ele. As respostas que já dei ficam.
documents-and-file = O arquivo também some.
documents-removed = { $name } foi removido.

file-kinds = Leio arquivos de texto (.txt), Markdown (.md) e PDF. Salve { $name } como um deles.
file-too-large = { $name } tem { $size }; leio até { $limit }. Divida-o em vários arquivos.
file-too-long = Tem mais texto do que um documento pode ter. Divida-o em vários.
file-too-many-words = Tem palavras diferentes demais. Divida-o em vários documentos.
file-empty = Está vazio. Coloque algum texto.
file-no-text-file = Não é um texto que eu consiga ler. Salve-o como texto em UTF-8.
file-other-ending = O conteúdo não é o que a extensão diz. Coloque a correta.
file-protected = Está protegido por senha. Salve-o sem senha e envie.
file-damaged = Está danificado ou não é um PDF que eu consiga ler. Imprima-o em um novo PDF e envie, ou envie o texto.
file-scan = Não tem texto, só imagens, como uma digitalização. Passe-o por reconhecimento de texto (OCR) ou envie o texto.
file-too-many-pages = Tem mais de { $limit } páginas. Divida-o em vários arquivos.
file-too-costly = Ler isso exige mais tempo ou memória do que posso usar. Imprima-o em um novo PDF e envie, ou envie o texto.
file-gone = Não está mais lá, ou não posso vê-lo. Envie novamente.
file-later = Não foi possível ler agora. Tente de novo em instantes.
file-message-empty = A mensagem não tem texto que eu possa ver.

gaps-gone = Essa pergunta não está mais na lista. `/gaps` mostra as que estão.
gaps-none = Nenhuma pergunta dos últimos { $days } dias ficou sem boa resposta. 🎉
gaps-list = **{ $questions ->
        [one] { $questions } pergunta
       *[other] { $questions } perguntas
    } dos últimos { $days } dias sem boa resposta**
gaps-not-found = { $count } não encontrado
gaps-not-helpful = { $count } não ajudou
gaps-human = { $count } pessoa chamada
gaps-how = Um botão abre um formulário; o que você escrever vira um documento e tira as perguntas da lista.
