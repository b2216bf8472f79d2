ticket-asks = { $user } souhaite parler à un humain.
ticket-asks-nothing-found = { $user } souhaite parler à un humain : je n'ai rien trouvé dans les documents.
ticket-asks-not-helpful = { $user } souhaite parler à un humain : ma réponse n'a pas aidé.
ticket-asks-answered = { $user } souhaite parler à un humain, après ma réponse.
ticket-asks-unanswered = { $user } souhaite parler à un humain, avant que j'aie une réponse.
ticket-asks-account = { $user } souhaite parler à un humain : il s'agit d'un compte ou d'un paiement.
ticket-asks-complaint = { $user } souhaite parler à un humain : c'est une réclamation.
ticket-asks-safety = { $user } souhaite parler à un humain : **quelqu'un est peut-être en danger.**
ticket-asks-other = { $user } souhaite parler à un humain : je vous laisse cette question.
ticket-answered = Ce que j'ai répondu :
ticket-waits = **En attente** de prise en charge.
ticket-claimed = **Pris en charge** par { $user }.
ticket-claimed-somebody = **Pris en charge** par quelqu'un.
ticket-resolved = **Résolu** par { $user }{ $when }.
ticket-given-back = **Rendu** au bot{ $when }.
ticket-given-back-by = **Rendu** au bot par { $user }{ $when }.

button-claim = Prendre en charge
button-resolve = Résoudre
button-release = Libérer
button-hand-back = Rendre au bot
button-reopen = Rouvrir
placeholder-transfer = Confier à une autre personne de l'équipe
title-notes = Résoudre ce ticket
label-notes = Notes : le problème et ce qui a aidé

ticket-has-already = { $user } a déjà ce ticket.
ticket-newer-open = Cette conversation a un ticket plus récent, encore ouvert.
ticket-is-unclaimed = Personne ne s'occupe de ce ticket pour l'instant.
ticket-is-claimed-by = { $user } s'occupe de ce ticket.
ticket-is-claimed = Ce ticket est pris en charge.
ticket-is-resolved = { $user } a déjà résolu ce ticket. Appuyez sur « { button-reopen } » s'il reste quelque chose à faire.
ticket-is-given-back = Ce ticket a déjà été rendu au bot. Appuyez sur « { button-reopen } » s'il reste quelque chose à faire.
ticket-did-claim = Le ticket est à vous. Je me tais dans la conversation jusqu'à ce que vous le résolviez ou me le rendiez.
ticket-did-transfer = Le ticket est maintenant à { $user }.
ticket-did-release = Le ticket attend qu'une autre personne le prenne en charge.
ticket-did-resolve = Le ticket est résolu.
ticket-did-hand-back = Je réponds de nouveau dans cette conversation.
ticket-did-reopen = Le ticket est rouvert et attend d'être pris en charge.
ticket-gone = Ce ticket n'est plus là.
staff-only = Seules les personnes qui peuvent gérer le serveur traitent les tickets : il n'y a pas encore de rôle de support.
staff-only-role = Seuls { $role } et les personnes qui peuvent gérer le serveur traitent les tickets.
transfer-nobody = Choisissez quelqu'un de ce serveur.
transfer-not-staff = Un ticket va à quelqu'un qui a le rôle de support ou qui peut gérer le serveur.

tickets-none = Aucun ticket n'est ouvert.
tickets-open = { $total ->
        [one] { $total } ticket ouvert.
       *[other] { $total } tickets ouverts, du plus ancien au plus récent.
    }
tickets-claimed = **pris en charge** par { $user }
tickets-waits = **en attente**
tickets-more = Et { $left } de plus, arrivés après.
