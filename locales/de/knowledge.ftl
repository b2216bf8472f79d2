describe-knowledge = Die Dokumente, aus denen ich antworte: hinzufügen, ansehen, ersetzen und entfernen
describe-knowledge-add = Ein Dokument hinzufügen: eine Datei, eine Nachricht oder ein Text, den du schreibst
describe-knowledge-list = Alle Dokumente
describe-knowledge-view = Ein Dokument ansehen und als Datei bekommen
describe-knowledge-search = Sehen, was ich zu einer Frage lesen würde
describe-knowledge-replace = Ein Dokument durch eine andere Fassung ersetzen
describe-knowledge-remove = Ein Dokument entfernen
describe-knowledge-file = Eine Text- (.txt), Markdown- (.md) oder PDF-Datei
describe-knowledge-link = Der Link einer Nachricht in diesem Kanal, wie „Nachrichtenlink kopieren“ ihn gibt
describe-knowledge-title = Wie es heißen soll; sonst wie die erste Überschrift oder die Datei
describe-knowledge-document = Sein Titel
describe-knowledge-question = So wie ein Mitglied sie stellen würde
describe-gaps = Fragen, die ich nicht gut beantworten konnte und bei denen ein Dokument helfen würde

button-document-replace = Ersetzen
button-document-both = Beide behalten
button-cancel = Abbrechen
button-document-remove = Entfernen
button-document-keep = Behalten
button-page-back = ◀ Zurück
button-page-next = Weiter ▶
button-gap = { $n } beantworten
title-document = Erzähl mir etwas
title-gap = Diese Frage beantworten
label-document-title = Titel (leer: erste Überschrift oder Zeile)
label-gap-title = Frage (leer: so wie gestellt)
label-document-text = Was ich wissen soll (Markdown)

documents-unknown = Das kenne ich nicht. Versuch es mit `/knowledge list`.
documents-no-question = Bitte gib die Frage an, nach der ich suchen soll.
documents-no-file = Die Datei ist nicht angekommen. Bitte häng sie noch einmal an.
documents-no-link = Das ist kein Link zu einer Nachricht. Öffne das Menü der Nachricht, wähle *Nachrichtenlink kopieren* und füge ihn ein.
documents-link-elsewhere = Diese Nachricht steht auf einem anderen Server.
documents-link-channel = Bitte benutze den Befehl im Kanal dieser Nachricht: So weiß ich, dass du sie lesen darfst.
documents-not-here = So ein Dokument gibt es hier nicht (mehr). `/knowledge list` zeigt, welche es gibt.
documents-choose = Bitte wähle das Dokument aus der Liste, die beim Tippen des Titels erscheint.
documents-kept = Nichts wurde entfernt.
documents-draft-gone = Das ist schon entschieden oder zu lange her. Bitte füge das Dokument noch einmal hinzu.
documents-draft-dropped = In Ordnung, nichts wurde geändert.
documents-no-text = Darin steht kein Text. Bitte schreib, was ich wissen soll.
documents-busy = Gerade werden mehrere Dokumente dieses Servers gelesen. Bitte schick dieses noch einmal, wenn sie fertig sind.
documents-need-permission = Dafür brauchst du die Berechtigung **{ $permission }**.
documents-reading = 📖 Ich lese { $name }…
documents-cutting = ✂️ Ich teile { $name } in Abschnitte…
documents-that-message = diese Nachricht
documents-refused = { $name } konnte nicht hinzugefügt werden: { $why }
documents-added = ✅ { $name } ist hinzugefügt: { $passages ->
        [one] { $passages } Abschnitt
       *[other] { $passages } Abschnitte
    }, ab jetzt durchsuchbar. `/knowledge search` zeigt, was ich finde.
documents-replaced = ✅ { $name } hat seine neue Fassung: { $passages ->
        [one] { $passages } Abschnitt
       *[other] { $passages } Abschnitte
    }, ab jetzt durchsuchbar. `/knowledge search` zeigt, was ich finde.
documents-gap-closed = Diese Fragen stehen nicht mehr auf der Liste von `/gaps`.
documents-known = Genau das kenne ich schon, als { $name }. Nichts wurde geändert.
documents-taken = Es gibt schon ein Dokument { $name } mit anderem Text. Was soll ich tun?
documents-full = Dieser Server hat { $documents ->
        [one] { $documents } Dokument
       *[other] { $documents } Dokumente
    }, sein Tarif erlaubt { $limit }. Entferne eines mit `/knowledge remove` oder wähle einen größeren Tarif. Nichts wurde hinzugefügt.
documents-too-much = Mit diesen { $size } wären die Dokumente dieses Servers größer, als sein Tarif erlaubt ({ $used } von { $limit } sind belegt). Entferne welche mit `/knowledge remove` oder wähle einen größeren Tarif. Nichts wurde hinzugefügt.

documents-none = Ich weiß noch nichts. `/knowledge add` bringt ein erstes Dokument hinein.
documents-list = **Was ich weiß**: { $documents ->
        [one] { $documents } Dokument
       *[other] { $documents } Dokumente
    } von { $limit }, die der Tarif erlaubt, { $used } von { $room }
documents-page = Seite { $page } von { $pages }. `/knowledge view` zeigt ein Dokument.
documents-view = { $kind } · { $size } · { $passages ->
        [one] { $passages } Abschnitt
       *[other] { $passages } Abschnitte
    } · Sprache: { $language }
documents-added-by = hinzugefügt { $at } von { $user }, geändert { $changed }
documents-added-at = hinzugefügt { $at }, geändert { $changed }
documents-more-headings = und { $left } weitere Überschriften
documents-found-nothing = Dazu finde ich nichts. Mit `/knowledge add` kannst du es mir sagen.
documents-would-answer = Daraus würde ich antworten ({ $percent } % sicher). Das würde ich lesen:
documents-would-be-unsure = Ich würde sagen, dass ich **nicht sicher** bin, und einen Menschen anbieten ({ $percent } % sicher). Das würde ich lesen:
documents-score = Wert { $score }
documents-really-remove = { $name } entfernen? Text und { $passages ->
        [one] { $passages } Abschnitt
       *[other] { $passages } Abschnitte
    } sind dann endgültig weg, und ich antworte nicht mehr daraus. Antworten, die ich gegeben habe, bleiben.
documents-and-file = Seine Datei wird auch entfernt.
documents-removed = { $name } ist entfernt.

file-kinds = Ich lese Text- (.txt), Markdown- (.md) und PDF-Dateien. Bitte speichere { $name } als eine davon.
file-too-large = { $name } hat { $size }; ich lese bis zu { $limit }. Bitte teile sie in mehrere Dateien.
file-too-long = Darin steht mehr Text, als ein Dokument haben kann. Bitte teile es in mehrere.
file-too-many-words = Darin stehen zu viele verschiedene Wörter. Bitte teile es in mehrere Dokumente.
file-empty = Es ist leer. Bitte schreib Text hinein.
file-no-text-file = Das ist kein Text, den ich lesen kann. Bitte speichere ihn als Text in UTF-8.
file-other-ending = Der Inhalt passt nicht zur Endung. Bitte gib ihr die richtige.
file-protected = Sie ist mit einem Passwort geschützt. Bitte speichere sie ohne und schick mir das.
file-damaged = Sie ist beschädigt oder kein PDF, das ich lesen kann. Bitte druck sie in ein neues PDF und schick das, oder den Text.
file-scan = Sie hat keinen Text, nur Bilder, wie ein Scan. Bitte lass eine Texterkennung (OCR) darüberlaufen oder schick den Text.
file-too-many-pages = Sie hat mehr als { $limit } Seiten. Bitte teile sie in mehrere Dateien.
file-too-costly = Sie zu lesen braucht mehr Zeit oder Speicher, als ich darf. Bitte druck sie in ein neues PDF und schick das, oder den Text.
file-gone = Sie ist nicht mehr da, oder ich darf sie nicht sehen. Bitte schick sie noch einmal.
file-later = Das ging gerade nicht. Bitte versuch es gleich noch einmal.
file-message-empty = Die Nachricht hat keinen Text, den ich sehen kann.

gaps-gone = Diese Frage steht nicht mehr auf der Liste. `/gaps` zeigt, welche es sind.
gaps-none = Keine Frage der letzten { $days } Tage ist ohne gute Antwort. 🎉
gaps-list = **{ $questions ->
        [one] { $questions } Frage
       *[other] { $questions } Fragen
    } der letzten { $days } Tage ohne gute Antwort**
gaps-not-found = { $count } nicht gefunden
gaps-not-helpful = { $count } nicht hilfreich
gaps-human = { $count } Mensch gerufen
gaps-how = Ein Knopf öffnet ein Formular; was du schreibst, wird ein Dokument und nimmt die Fragen von der Liste.
