## Commands
describe-reply = Für das Team: Texte, die bereitliegen und die ich für euch sage
describe-reply-name = Welche Antwort
describe-reply-use = Sage sie hier, im Thread eines Gesprächs, mit deinem Namen
describe-reply-add = Eine neue bereitlegen
describe-reply-list = Alle, die bereitliegen
describe-reply-remove = Eine nicht mehr bereithalten
describe-setup = Support auf diesem Server einrichten, Schritt für Schritt
describe-stats = Für das Team: Fragen, Antworten und Tickets der letzten 7, 30 und 90 Tage
choice-auto-close = auto_close_hours: Stille, nach der ich ein Gespräch schließe
choice-close-warning = close_warning_hours: wie lange davor ich warne
choice-auto-resolve = ticket_auto_resolve_hours: Stille, nach der ein Ticket gelöst ist

## Settings
expects-hours = eine ganze Zahl von Stunden bis 8760; 0 für nie
meaning-never-closed = Ein Gespräch bleibt offen, bis der Fragende es schließt.
meaning-auto-close = Ich schließe ein Gespräch, dessen Fragender { $count ->
        [one] { $count } Stunde
       *[other] { $count } Stunden
    } schwieg, nach einer Warnung. Wird dort wieder geschrieben, geht es weiter.
meaning-close-warning = Ich warne { $count ->
        [one] { $count } Stunde
       *[other] { $count } Stunden
    } vor dem Schließen, höchstens die halbe Zeit vorher.
meaning-never-resolved = Ein Ticket bleibt offen, bis das Team es löst.
meaning-auto-resolve = Ich löse ein Ticket, wenn das Team schrieb und der Fragende { $count ->
        [one] { $count } Stunde
       *[other] { $count } Stunden
    } schwieg, nach einer Warnung.

## When nobody writes any more
silence-warning = { $user }, ist das gelöst? Ich schließe dieses Gespräch { $when }, wenn du hier nichts schreibst.
silence-closed = Ich habe dieses Gespräch geschlossen, weil hier länger niemand schrieb. Schreib hier, und es geht weiter.
silence-notes = Von selbst gelöst: Der Fragende schrieb nicht mehr.
button-still-open = Ich brauche noch Hilfe
button-solved = Es ist gelöst

## What staff are shown and let me say
button-suggest = Antwort vorschlagen
button-transcript = Protokoll
button-send = Senden
spoken-done = Das habe ich hier gesagt.
spoken-from = Von { $user }
suggest-head = **Das würde ich antworten.** Nur du siehst das; „{ button-send }“ sagt es im Gespräch, mit deinem Namen.
suggest-nothing = Ich finde nichts in den Dokumenten, das dies beantwortet. `/reply use` sagt, was ihr bereithaltet.
suggest-unasked = Hier hat noch niemand etwas gefragt.
suggest-gone = Dieser Vorschlag wurde schon gesendet, oder es gibt einen neueren. Es wurde nichts gesagt.
transcript-files = Das Gespräch als Dateien. Nur du siehst sie.

## /reply
title-new-reply = Eine Antwort bereitlegen
label-reply-name = Name, unter dem das Team sie findet
label-reply-text = Text; @member wird zum Fragenden
reply-unknown-subcommand = Das kenne ich nicht. Versuche `/reply list`.
reply-no-thread = Benutze das im Thread eines Gesprächs: Dort sage ich es dem Fragenden. Es wurde nichts gesagt.
reply-too-many = Dieser Server hält { $count } Antworten bereit, mehr geht nicht. `/reply remove` schafft Platz. Es wurde nichts gespeichert.
reply-no-name = Eine Antwort braucht einen Namen, den man lesen und tippen kann. Es wurde nichts gespeichert.
reply-no-text = Eine Antwort braucht einen Text, den man lesen kann. Es wurde nichts gespeichert.
reply-name-long = Ein Name hat höchstens { $count } Zeichen. Es wurde nichts gespeichert.
reply-text-long = Eine Antwort hat höchstens { $count } Zeichen. Es wurde nichts gespeichert.
reply-unknown = Es gibt keine Antwort { $name }. `/reply list` zeigt alle.
reply-stored = { $name } liegt bereit. `/reply use` sagt sie im Thread eines Gesprächs.
reply-changed = { $name } ist geändert. `/reply use` sagt sie im Thread eines Gesprächs.
reply-removed = { $name } ist entfernt. Der Text war:
reply-none = Es liegt keine Antwort bereit. `/reply add` legt eine bereit.
reply-kept = { $count ->
        [one] { $count } Antwort liegt bereit.
       *[other] { $count } Antworten liegen bereit.
    }
reply-more = Und { $count } weitere.

## /stats
stats-none = In den letzten 90 Tagen hat niemand etwas gefragt. Sobald es jemand tut, stehen die Zahlen hier.
stats-days = Tage
stats-questions = Fragen
stats-resolved = gelöst
stats-confirmed = bestätigt
stats-assumed = angenommen
stats-forwarded = ans Team
stats-time = bis zur Antwort
stats-note = Bestätigt: Der Fragende oder das Team hat es gesagt. Angenommen: Der Fragende hatte eine Antwort und schrieb nicht mehr. Tage sind solche in UTC.

## /setup
setup-title = **Support einrichten** · jede Wahl wird sofort gespeichert
setup-done = **So ist der Support eingerichtet:**
setup-channels = Wo ich jede Frage beantworte: { $channels }
setup-role = Wer gerufen wird: { $role }
setup-language = Sprache: { $language }
setup-knowledge = Was ich weiß: { $documents }
setup-documents = { $count ->
        [one] { $count } Dokument
       *[other] { $count } Dokumente
    }
setup-none-yet = noch keine
setup-is-on = Support ist **an**
setup-is-off = Support ist **aus**
setup-next = Als Nächstes: { $step }
setup-next-knowledge = gib mir etwas, woraus ich antworten kann: `/knowledge add`.
setup-next-on = drücke **{ button-on }**, hier oder mit `/setup`.
setup-next-role = wähle, wer gerufen wird.
setup-next-ask = frag mich etwas in { $channel }. `/config show` zeigt alle Einstellungen.
setup-next-ask-anywhere = frag mich etwas mit `/ask`, oder wähle einen Kanal, in dem ich alles beantworte.
setup-channels-fine = ✅ Ich darf dort alles, was ich brauche.
setup-lacks = ⚠️ { $channel } ist nicht gespeichert: Mir fehlt dort { $permissions }. Gib das meiner Rolle in den Kanaleinstellungen, *Berechtigungen*, und wähle noch einmal.
setup-not-seen = { $channel } ist gespeichert; ich konnte nicht sehen, was ich dort darf.
setup-role-called = ✅ { $role } wird gerufen.
setup-nobody-called = ✅ Niemand wird gerufen.
setup-language-stored = ✅ Die Sprache ist gespeichert.
placeholder-setup-channels = 1. Kanäle, in denen ich jede Frage beantworte
placeholder-setup-role = 2. Wen ich rufe, wenn jemand einen Menschen möchte
placeholder-setup-language = 3. Sprache der Dokumente und Antworten
button-on = Support einschalten
button-off = Support ausschalten
button-done = Fertig
button-reset = Alles auf Standard zurücksetzen

## A config that cannot be read
report-daily = Ich sage das einmal am Tag, bis es behoben ist.
