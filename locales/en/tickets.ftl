## A ticket's message
ticket-asks = { $user } asks for a human.
ticket-asks-nothing-found = { $user } asks for a human: I found nothing in the documents.
ticket-asks-not-helpful = { $user } asks for a human: my answer did not help.
ticket-asks-answered = { $user } asks for a human, after my answer.
ticket-asks-unanswered = { $user } asks for a human, before I had an answer.
ticket-asks-account = { $user } asks for a human: it is about an account or a payment.
ticket-asks-complaint = { $user } asks for a human: it is a complaint.
ticket-asks-safety = { $user } asks for a human: **somebody may be in danger.**
ticket-asks-other = { $user } asks for a human: I leave this one to you.
ticket-answered = What I answered:
ticket-waits = **Waits** for somebody to claim it.
ticket-claimed = **Claimed** by { $user }.
ticket-claimed-somebody = **Claimed** by somebody.
# $when is empty, or a time with a space before it.
ticket-resolved = **Resolved** by { $user }{ $when }.
ticket-given-back = **Given back** to me{ $when }.
ticket-given-back-by = **Given back** to me by { $user }{ $when }.

button-claim = Claim
button-resolve = Resolve
button-release = Release
button-hand-back = Back to the bot
button-reopen = Reopen
placeholder-transfer = Transfer to somebody else of the staff
title-notes = Resolve this ticket
label-notes = Notes: what was the matter, what helped?

## What a press is answered with
ticket-has-already = { $user } has this ticket already.
ticket-newer-open = This conversation has a newer ticket that is open.
ticket-is-unclaimed = Nobody has claimed this ticket now.
ticket-is-claimed-by = { $user } has claimed this ticket.
ticket-is-claimed = This ticket has been claimed.
ticket-is-resolved = { $user } has resolved this ticket already. Press "{ button-reopen }" if there is more to do.
ticket-is-given-back = This ticket went back to the bot already. Press "{ button-reopen }" if there is more to do.
ticket-did-claim = The ticket is yours. I stay silent in the conversation until you resolve it or give it back to me.
ticket-did-transfer = The ticket is { $user }'s now.
ticket-did-release = The ticket waits for somebody else to claim it.
ticket-did-resolve = The ticket is resolved.
ticket-did-hand-back = I answer in this conversation again.
ticket-did-reopen = The ticket is open again, and waits for somebody to claim it.
ticket-gone = That ticket is no longer here.
staff-only = Only who may manage the server works on tickets: there is no support role yet.
staff-only-role = Only { $role } and who may manage the server work on tickets.
transfer-nobody = Choose somebody of this server.
transfer-not-staff = A ticket goes to somebody with the support role, or who may manage the server.

## /tickets
tickets-none = No ticket is open.
tickets-open = { $total ->
        [one] { $total } ticket is
       *[other] { $total } tickets are
    } open, oldest first.
tickets-claimed = **claimed** by { $user }
tickets-waits = **waits**
tickets-more = And { $left } more, which came later.
