ticket-asks = { $user } quer falar com uma pessoa.
ticket-asks-nothing-found = { $user } quer falar com uma pessoa: não encontrei nada nos documentos.
ticket-asks-not-helpful = { $user } quer falar com uma pessoa: minha resposta não ajudou.
ticket-asks-answered = { $user } quer falar com uma pessoa, depois da minha resposta.
ticket-asks-unanswered = { $user } quer falar com uma pessoa, antes de eu ter uma resposta.
ticket-asks-account = { $user } quer falar com uma pessoa: é sobre uma conta ou um pagamento.
ticket-asks-complaint = { $user } quer falar com uma pessoa: é uma reclamação.
ticket-asks-safety = { $user } quer falar com uma pessoa: **alguém pode estar em perigo.**
ticket-asks-other = { $user } quer falar com uma pessoa: deixo esta com vocês.
ticket-answered = O que eu respondi:
ticket-waits = **Esperando** alguém assumir.
ticket-claimed = **Assumido** por { $user }.
ticket-claimed-somebody = **Assumido** por alguém.
ticket-resolved = **Resolvido** por { $user }{ $when }.
ticket-given-back = **Devolvido** ao bot{ $when }.
ticket-given-back-by = **Devolvido** ao bot por { $user }{ $when }.

button-claim = Assumir
button-resolve = Resolver
button-release = Liberar
button-hand-back = Devolver ao bot
button-reopen = Reabrir
placeholder-transfer = Passar para outra pessoa da equipe
title-notes = Resolver este ticket
label-notes = Notas: o que houve e o que ajudou?

ticket-has-already = { $user } já está com este ticket.
ticket-newer-open = Esta conversa tem um ticket mais novo que está aberto.
ticket-is-unclaimed = Ninguém assumiu este ticket agora.
ticket-is-claimed-by = { $user } assumiu este ticket.
ticket-is-claimed = Este ticket já foi assumido.
ticket-is-resolved = { $user } já resolveu este ticket. Clique em "{ button-reopen }" se ainda houver algo a fazer.
ticket-is-given-back = Este ticket já voltou para o bot. Clique em "{ button-reopen }" se ainda houver algo a fazer.
ticket-did-claim = O ticket é seu. Fico em silêncio na conversa até você resolver ou devolver para mim.
ticket-did-transfer = O ticket agora é de { $user }.
ticket-did-release = O ticket espera outra pessoa assumir.
ticket-did-resolve = O ticket está resolvido.
ticket-did-hand-back = Volto a responder nesta conversa.
ticket-did-reopen = O ticket está aberto de novo e espera alguém assumir.
ticket-gone = Esse ticket não está mais aqui.
staff-only = Só quem pode gerenciar o servidor cuida dos tickets: ainda não há um cargo de suporte.
staff-only-role = Só { $role } e quem pode gerenciar o servidor cuidam dos tickets.
transfer-nobody = Escolha alguém deste servidor.
transfer-not-staff = Um ticket só vai para alguém com o cargo de suporte ou que possa gerenciar o servidor.

tickets-none = Nenhum ticket está aberto.
tickets-open = { $total ->
        [one] { $total } ticket aberto.
       *[other] { $total } tickets abertos, os mais antigos primeiro.
    }
tickets-claimed = **com** { $user }
tickets-waits = **esperando**
tickets-more = E mais { $left }, que chegaram depois.
