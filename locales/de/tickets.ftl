ticket-asks = { $user } möchte mit einem Menschen sprechen.
ticket-asks-nothing-found = { $user } möchte mit einem Menschen sprechen: In den Dokumenten habe ich nichts gefunden.
ticket-asks-not-helpful = { $user } möchte mit einem Menschen sprechen: Meine Antwort hat nicht geholfen.
ticket-asks-answered = { $user } möchte nach meiner Antwort mit einem Menschen sprechen.
ticket-asks-unanswered = { $user } möchte mit einem Menschen sprechen, noch bevor ich eine Antwort hatte.
ticket-asks-account = { $user } möchte mit einem Menschen sprechen: Es geht um ein Konto oder eine Zahlung.
ticket-asks-complaint = { $user } möchte mit einem Menschen sprechen: Es ist eine Beschwerde.
ticket-asks-safety = { $user } möchte mit einem Menschen sprechen: **Jemand ist vielleicht in Gefahr.**
ticket-asks-other = { $user } möchte mit einem Menschen sprechen: Das überlasse ich euch.
ticket-answered = Meine Antwort war:
ticket-waits = **Wartet** darauf, dass es jemand übernimmt.
ticket-claimed = **Übernommen** von { $user }.
ticket-claimed-somebody = **Übernommen** von jemandem.
ticket-resolved = **Gelöst** von { $user }{ $when }.
ticket-given-back = **Zurückgegeben** an mich{ $when }.
ticket-given-back-by = **Zurückgegeben** an mich von { $user }{ $when }.

button-claim = Übernehmen
button-resolve = Lösen
button-release = Freigeben
button-hand-back = Zurück an den Bot
button-reopen = Wieder öffnen
placeholder-transfer = An jemand anderen aus dem Team übergeben
title-notes = Ticket lösen
label-notes = Notizen: Was war los, was hat geholfen?

ticket-has-already = { $user } hat dieses Ticket schon.
ticket-newer-open = Diese Unterhaltung hat ein neueres Ticket, das noch offen ist.
ticket-is-unclaimed = Dieses Ticket hat gerade niemand übernommen.
ticket-is-claimed-by = { $user } hat dieses Ticket übernommen.
ticket-is-claimed = Dieses Ticket ist übernommen.
ticket-is-resolved = { $user } hat dieses Ticket schon gelöst. Drücke „{ button-reopen }“, wenn noch etwas zu tun ist.
ticket-is-given-back = Dieses Ticket ging schon an den Bot zurück. Drücke „{ button-reopen }“, wenn noch etwas zu tun ist.
ticket-did-claim = Das Ticket gehört dir. Ich halte mich in der Unterhaltung zurück, bis du es löst oder an mich zurückgibst.
ticket-did-transfer = Das Ticket gehört jetzt { $user }.
ticket-did-release = Das Ticket wartet darauf, dass es jemand anders übernimmt.
ticket-did-resolve = Das Ticket ist gelöst.
ticket-did-hand-back = Ich antworte in dieser Unterhaltung wieder.
ticket-did-reopen = Das Ticket ist wieder offen und wartet darauf, dass es jemand übernimmt.
ticket-gone = Dieses Ticket gibt es hier nicht mehr.
staff-only = Nur wer den Server verwalten darf, bearbeitet Tickets: Es gibt noch keine Support-Rolle.
staff-only-role = Nur { $role } und wer den Server verwalten darf, bearbeiten Tickets.
transfer-nobody = Wähle jemanden von diesem Server.
transfer-not-staff = Ein Ticket geht an jemanden mit der Support-Rolle oder an jemanden, der den Server verwalten darf.

tickets-none = Es ist kein Ticket offen.
tickets-open = { $total ->
        [one] { $total } Ticket ist
       *[other] { $total } Tickets sind
    } offen, das älteste zuerst.
tickets-claimed = **übernommen** von { $user }
tickets-waits = **wartet**
tickets-more = Und { $left } weitere, die später kamen.
