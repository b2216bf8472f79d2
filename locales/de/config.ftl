permission-manage-server = Server verwalten
permission-view-channel = Kanal anzeigen
permission-send-messages = Nachrichten senden
permission-read-history = Nachrichtenverlauf anzeigen
permission-create-threads = Öffentliche Threads erstellen
permission-send-in-threads = Nachrichten in Threads senden

describe-ask = Stell eine Frage; die Antwort kommt aus dem Wissen dieses Servers
describe-ask-question = Was möchtest du wissen?
describe-tickets = Für das Team: offene und übernommene Tickets, das älteste zuerst
describe-config = Ansehen und ändern, wie der Support auf diesem Server arbeitet
describe-config-show = Was eingestellt ist, was es bedeutet und was daran nicht stimmt
describe-config-set = Eine Einstellung ändern
describe-config-key = Welche Einstellung
describe-config-value = Der neue Wert
describe-config-reset = Eine Einstellung auf ihren Standard zurücksetzen
describe-config-channels = Die Kanäle, in denen jede Frage beantwortet wird
describe-config-channels-add = In einem Kanal jede Frage beantworten
describe-config-channels-remove = In einem Kanal nur antworten, wenn ich erwähnt werde
describe-config-channel = Der Kanal
describe-config-support-role = Wer gerufen wird, wenn ein Mitglied einen Menschen möchte
describe-config-role = Die Rolle
choice-enabled = enabled: ob der Support an ist
choice-language = language: der Dokumente und Antworten
choice-system-prompt = system_prompt: was einem Sprachmodell gesagt wird
choice-max-messages = max_messages_per_user: Fragen eines Mitglieds pro Stunde
choice-max-length = max_text_length: längste Frage, in Zeichen
choice-channels = channels: wo jede Frage beantwortet wird
choice-support-role = support_role_id: wer gerufen wird
choice-everything = everything: alle Einstellungen
choice-true = true: Support ist an
choice-false = false: Support ist aus

config-now = (jetzt)
config-default = (Standard)
config-none = keine
config-empty = leer
config-more = und { $count } weitere
config-unknown = Das kenne ich nicht. Versuch es mit `/config show`.
config-not-here = Das gibt es auf diesem Server nicht, oder ich kann es nicht sehen. Nichts wurde geändert.
config-no-text-channel = Nur Textkanäle und Foren können Support-Kanäle sein. Nichts wurde geändert; erwähnen kann man mich überall.
config-everyone = Diese Rolle haben alle: Der ganze Server würde gerufen. Wähle eine Rolle, die dein Support-Team hat. Nichts wurde geändert.
config-use-channels = Nimm dafür `/config channels add` und `/config channels remove`.
config-use-support-role = Nimm dafür `/config support-role`.
config-no-setting = Die Einstellung { $key } gibt es nicht. `/config show` zeigt alle.
config-missing = In { $channel } könnte ich nicht antworten: Dort fehlt mir { $permissions }. Gib meiner Rolle das in den Kanaleinstellungen unter *Berechtigungen* und versuch es noch einmal. Nichts wurde geändert.
config-refused = `{ $key }` erwartet { $expected }, nicht { $found }. Nichts wurde geändert.
config-unchanged = `{ $key }` ist schon { $value }.
config-all-replaced = Alle Einstellungen stehen wieder auf ihrem Standard, der Support ist also **aus**. Was sonst gespeichert war, ließ sich nicht lesen und ist weg.
config-all-reset = Alle Einstellungen stehen wieder auf ihrem Standard, der Support ist also **aus**.
config-kept = Behalten, weil ich es nicht kenne: { $keys }
config-no-support-channel = { $channel } ist kein Support-Kanal.
config-not-stored = Das ließ sich nicht speichern: { $why }. Nichts wurde geändert.
config-not-pingable = ⚠️ Ich darf { $role } nicht erwähnen, also würde niemand benachrichtigt: Erlaube in den Servereinstellungen unter *Rollen* allen, sie zu erwähnen.
config-title = **So ist der Support auf diesem Server eingerichtet**
config-change-with = Ändern kannst du das mit `/config set`, `/config channels`, `/config support-role` und `/config reset`.

expects-bool = true oder false
expects-language = ein Sprachkürzel wie en, de oder pt-BR
expects-text = einen Text
expects-channels = eine Liste von Kanal-IDs
expects-role = eine Rollen-ID oder null
expects-number = eine ganze Zahl ab 1

meaning-off = Der Support ist aus: Ich antworte hier niemandem.
meaning-on-no-channel = Der Support ist an, aber es gibt keinen Support-Kanal: Ich antworte auf Erwähnungen und `/ask`. `/config channels add` fügt einen hinzu.
meaning-on = Der Support ist an: Ich antworte in den Support-Kanälen, überall, wo ich erwähnt werde, und auf `/ask`.
meaning-language = In dieser Sprache lese ich die Dokumente; nach einer Änderung werden sie neu eingelesen.
meaning-prompt = Das wird einem Sprachmodell mit jeder Frage gesagt; Zitate aus den Dokumenten sind davon nicht betroffen.
meaning-no-channel = Es gibt keinen Support-Kanal: Ich antworte nur auf Erwähnungen und `/ask`.
meaning-channels-later = Dort beantworte ich jede Frage, sobald der Support an ist: `/config set key:enabled value:true`.
meaning-channels = Dort beantworte ich jede Frage, in einem Thread.
meaning-no-role = Niemand wird gerufen, wenn ein Mitglied einen Menschen möchte: `/config support-role` legt fest, wer.
meaning-role = Wird gerufen, wenn ein Mitglied einen Menschen möchte.
meaning-max-messages = Ein Mitglied darf { $count ->
        [one] { $count } Frage
       *[other] { $count } Fragen
    } pro Stunde stellen.
meaning-max-length = Ich lese Fragen mit bis zu { $count } Zeichen.

problem-not-in-force = ⚠️ Die Einstellungen sind so nicht brauchbar: Bis das behoben ist, gelten die letzten brauchbaren weiter.
problem = { $key } erwartet { $expected }, ist aber { $found }. So behebst du es: { $mend }.
problem-whole = Das Ganze
mend-everything = `/config reset key:everything` setzt alle Einstellungen auf ihren Standard zurück
mend-channels = `/config reset key:channels`, dann `/config channels add`
mend-role = `/config support-role` oder `/config reset key:support_role_id`
mend-key = `/config set key:{ $key }` oder `/config reset key:{ $key }`

config-no-content = ⚠️ Ich lese hier keine Nachrichten: Wer mich betreibt, hat den Message Content Intent ausgeschaltet. Ich antworte auf Erwähnungen, `/ask` und *Helpline fragen* an einer Nachricht; andere Fragen sehe ich nicht, auch nicht in Support-Kanälen.
