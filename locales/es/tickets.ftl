ticket-asks = { $user } pide hablar con una persona.
ticket-asks-nothing-found = { $user } pide hablar con una persona: no encontré nada en los documentos.
ticket-asks-not-helpful = { $user } pide hablar con una persona: mi respuesta no le sirvió.
ticket-asks-answered = { $user } pide hablar con una persona, después de mi respuesta.
ticket-asks-unanswered = { $user } pide hablar con una persona, antes de que yo tuviera una respuesta.
ticket-asks-account = { $user } pide hablar con una persona: se trata de una cuenta o de un pago.
ticket-asks-complaint = { $user } pide hablar con una persona: es una queja.
ticket-asks-safety = { $user } pide hablar con una persona: **puede que alguien esté en peligro.**
ticket-asks-other = { $user } pide hablar con una persona: esta pregunta se la dejo al equipo.
ticket-answered = Lo que respondí:
ticket-waits = **Espera** a que alguien se haga cargo.
ticket-claimed = **A cargo** de { $user }.
ticket-claimed-somebody = **A cargo** de alguien.
ticket-resolved = **Resuelto** por { $user }{ $when }.
ticket-given-back = **Devuelto** al bot{ $when }.
ticket-given-back-by = **Devuelto** al bot por { $user }{ $when }.

button-claim = Hacerme cargo
button-resolve = Resolver
button-release = Liberar
button-hand-back = Devolver al bot
button-reopen = Reabrir
placeholder-transfer = Pasar a otra persona del equipo
title-notes = Resolver este ticket
label-notes = Notas: ¿qué pasó y qué ayudó?

ticket-has-already = { $user } ya tiene este ticket.
ticket-newer-open = Esta conversación tiene un ticket más reciente que sigue abierto.
ticket-is-unclaimed = Ahora nadie está a cargo de este ticket.
ticket-is-claimed-by = { $user } está a cargo de este ticket.
ticket-is-claimed = Ya hay alguien a cargo de este ticket.
ticket-is-resolved = { $user } ya ha resuelto este ticket. Pulsa «{ button-reopen }» si queda algo por hacer.
ticket-is-given-back = Este ticket ya volvió al bot. Pulsa «{ button-reopen }» si queda algo por hacer.
ticket-did-claim = El ticket es tuyo. No diré nada en la conversación hasta que lo resuelvas o me lo devuelvas.
ticket-did-transfer = El ticket es ahora de { $user }.
ticket-did-release = El ticket espera a que otra persona se haga cargo.
ticket-did-resolve = El ticket está resuelto.
ticket-did-hand-back = Vuelvo a responder en esta conversación.
ticket-did-reopen = El ticket está abierto otra vez y espera a que alguien se haga cargo.
ticket-gone = Ese ticket ya no está aquí.
staff-only = Solo quien puede gestionar el servidor atiende tickets: todavía no hay un rol de soporte.
staff-only-role = Solo { $role } y quien puede gestionar el servidor atienden tickets.
transfer-nobody = Elige a alguien de este servidor.
transfer-not-staff = Un ticket solo puede pasar a alguien con el rol de soporte o que pueda gestionar el servidor.

tickets-none = No hay tickets abiertos.
tickets-open = { $total ->
        [one] { $total } ticket abierto.
       *[other] { $total } tickets abiertos, primero los más antiguos.
    }
tickets-claimed = **a cargo** de { $user }
tickets-waits = **en espera**
tickets-more = Y { $left } más, que llegaron después.
