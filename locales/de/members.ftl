button-human = Einen Menschen fragen
button-helpful = Hilfreich
button-unhelpful = Nicht hilfreich
button-close = Schließen
button-part = { $number } von { $of }

answer-sources = Quellen:
answer-late = Entschuldige die Wartezeit.
answer-unsure = Dazu habe ich in den Dokumenten dieses Servers nichts gefunden. Du kannst die Frage anders stellen oder mit dem Button unten einen Menschen fragen.
answer-handed-over = Das ist etwas für einen Menschen. Ich habe das Support-Team gefragt; es antwortet dir hier.
thread-name = Frage

human-asked = Ein Mensch ist gefragt und antwortet dir hier.
human-asked-already = Ein Mensch ist schon gefragt und antwortet dir hier.
vote-gone = Diese Antwort gibt es hier nicht mehr.
vote-not-yours = Nur wer gefragt hat, kann sagen, ob das geholfen hat.
vote-thanks = Danke, schön, dass das geholfen hat.
vote-sorry = Danke für die Rückmeldung. Drücke „{ button-human }“, wenn du noch Hilfe brauchst.
close-not-yours = Nur wer gefragt hat, kann diese Unterhaltung schließen.
close-done = Diese Unterhaltung ist geschlossen. Wenn du noch etwas brauchst, frag einfach hier weiter.
close-already = Diese Unterhaltung ist schon geschlossen. Wenn du noch etwas brauchst, frag einfach hier weiter.
close-human = Ein Mensch ist gefragt und schließt diese Unterhaltung, wenn alles erledigt ist.
conversation-gone = Diese Unterhaltung gibt es hier nicht mehr.

ask-in-channel = Bitte stell deine Frage in einem Kanal des Servers.
support-off = Der Support ist auf diesem Server ausgeschaltet. Wer den Server verwaltet, kann ihn einschalten.
unknown-command = Diesen Befehl kenne ich nicht. Versuch es mit `/ask`.
need-permission = Für `/{ $command }` brauchst du die Berechtigung **{ $permission }**.
hint = Stell mir eine Frage zu diesem Server, und ich schlage in seinen Dokumenten nach.
away = Entschuldige, ich war nicht da, als du gefragt hast. Wenn du noch Hilfe brauchst, frag bitte noch einmal.
limit-many = Du hast in einer Stunde { $limit ->
        [one] eine Frage
       *[other] { $limit } Fragen
    } gestellt, mehr erlaubt dieser Server nicht. Du kannst mich { $again } wieder fragen.
limit-long = Deine Frage hat { $length } Zeichen, und auf diesem Server { $limit ->
        [one] ist { $limit } Zeichen
       *[other] sind { $limit } Zeichen
    } erlaubt. Bitte fass sie kürzer.

context-ask = Helpline fragen
about-bot = Das hat ein Bot geschrieben: Frag zu einer Nachricht von jemand anderem.
about-no-words = In dieser Nachricht stehen keine Worte, auf die ich antworten könnte.
about-here = Ich antworte in { $channel }.
about-answered = Das ist schon beantwortet, in { $channel }.

describe-privacy = Was dieser Server von dir behält, und wie du es löschen lässt
describe-privacy-export = Alles als Datei, die nur du siehst
describe-privacy-delete = Alles löschen lassen
privacy-file = Das ist alles, was dieser Server von dir behält: deine Unterhaltungen mit mir und deine Bewertungen.
privacy-sure = Damit wird alles gelöscht, was du mir auf diesem Server gesagt hast, und deine Bewertungen. Das lässt sich nicht rückgängig machen. Wenn du das möchtest, drücke den Button.
button-forget = Alles löschen
privacy-forgotten = Gelöscht: was du in { $conversations ->
        [one] { $conversations } Unterhaltung
       *[other] { $conversations } Unterhaltungen
    } gesagt hast, und { $votes ->
        [one] { $votes } Bewertung
       *[other] { $votes } Bewertungen
    }. Was nur zählt, wie viel gefragt wurde, bleibt. Deine Nachrichten auf Discord kannst du selbst löschen.
privacy-nothing = Hier ist nichts mehr von dir, was ich löschen könnte.
