## Direct messages: which server they go to, and what staff and members are told of each other.
describe-server = Choisis le serveur auquel vont tes messages privés
placeholder-server = Choisis un serveur
dm-choose = De quel serveur s’agit-il ? Choisis-le ci-dessous et je te réponds. Je retiens ton choix ; `/server` le change.
dm-chosen = Tes messages privés vont maintenant à **{ $server }**. `/server` change cela.
dm-only = Tes messages privés vont à **{ $server }** : c’est le seul serveur avec support que nous partageons.
dm-no-server = Je ne connais aucun serveur que nous partageons et dont le support est activé. Utilise-y `/ask` une fois, puis écris-moi de nouveau ici.
dm-no-words = Je ne sais lire que des mots. Écris ta question et je cherche la réponse dans les documents du serveur.
dm-off = Le support est désactivé sur le serveur auquel vont tes messages privés. `/server` en choisit un autre.
dm-refused = Je n’ai pas pu le transmettre : ce membre n’accepte pas mes messages privés.
dm-asks-for-human = { $user } demande un humain en messages privés. Pour y répondre, l’équipe a besoin d’un fil privé : autorise-moi à **Créer des fils privés** dans un salon de support.
dm-staff-hint = Écrivez à { $user } ici : je transmets ce que vous dites, avec votre nom. Ce qui commence par // reste entre vous. Si je ne lis pas les messages de ce serveur, mentionnez-moi dans les vôtres.
dm-claimed = { $user } s’occupe maintenant de ta question et te répond ici.
dm-resolved = { $user } a marqué ta question comme résolue. S’il te faut autre chose, écris-moi de nouveau.
dm-handed-back = Je te réponds de nouveau ici.
