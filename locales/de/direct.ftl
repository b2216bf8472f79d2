## Direct messages: which server they go to, and what staff and members are told of each other.
describe-server = Wähle den Server, an den deine Direktnachrichten an mich gehen
placeholder-server = Server wählen
dm-choose = Um welchen Server geht es? Wähle ihn unten, und ich antworte dir. Ich merke mir deine Wahl; mit `/server` änderst du sie.
dm-chosen = Deine Direktnachrichten an mich gehen jetzt an **{ $server }**. Mit `/server` änderst du das.
dm-only = Deine Direktnachrichten an mich gehen an **{ $server }**: Es ist der einzige Server mit Support, auf dem wir beide sind.
dm-no-server = Ich kenne keinen Server mit eingeschaltetem Support, auf dem wir beide sind. Benutze dort einmal `/ask` und schreib mir dann hier noch einmal.
dm-no-words = Ich kann nur Worte lesen. Schreib deine Frage, und ich suche die Antwort in den Dokumenten des Servers.
dm-off = Auf dem Server, an den deine Direktnachrichten gehen, ist der Support ausgeschaltet. Mit `/server` wählst du einen anderen.
dm-refused = Das konnte ich nicht zustellen: Dieses Mitglied nimmt keine Direktnachrichten von mir an.
dm-asks-for-human = { $user } bittet in Direktnachrichten um einen Menschen. Um dort zu antworten, braucht das Team einen privaten Thread: Erlaube mir **Private Threads erstellen** in einem Support-Kanal.
dm-staff-hint = Schreibt { $user } hier: Ich gebe weiter, was ihr sagt, mit eurem Namen. Was mit // beginnt, bleibt unter euch. Wenn ich auf diesem Server keine Nachrichten lese, erwähnt mich darin.
dm-claimed = { $user } kümmert sich jetzt um deine Frage und antwortet dir hier.
dm-resolved = { $user } hat deine Frage als erledigt markiert. Wenn du mehr brauchst, schreib mir einfach wieder.
dm-handed-back = Ich antworte dir hier wieder.
