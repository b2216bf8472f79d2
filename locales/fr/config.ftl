permission-manage-server = Gérer le serveur
permission-view-channel = Voir le salon
permission-send-messages = Envoyer des messages
permission-read-history = Voir les anciens messages
permission-create-threads = Créer des fils publics
permission-send-in-threads = Envoyer des messages dans les fils

describe-ask = Posez une question ; la réponse vient des connaissances de ce serveur
describe-ask-question = Que voulez-vous savoir ?
describe-tickets = Pour l'équipe : les tickets en attente ou pris en charge, du plus ancien au plus récent
describe-config = Voir et changer le fonctionnement du support sur ce serveur
describe-config-show = Ce qui est réglé, ce que cela signifie et ce qui ne va pas
describe-config-set = Changer un réglage
describe-config-key = Quel réglage
describe-config-value = La nouvelle valeur
describe-config-reset = Remettre un réglage à sa valeur par défaut
describe-config-channels = Les salons où chaque question reçoit une réponse
describe-config-channels-add = Répondre à chaque question dans un salon
describe-config-channels-remove = Ne répondre dans un salon que si l'on me mentionne
describe-config-channel = Le salon
describe-config-support-role = Qui appeler quand un membre demande un humain
describe-config-role = Le rôle
choice-enabled = enabled : si le support est activé
choice-language = language : celle des documents et des réponses
choice-system-prompt = system_prompt : ce qu'on dit à un modèle de langage
choice-max-messages = max_messages_per_user : questions d'un membre par heure
choice-max-length = max_text_length : question la plus longue, en caractères
choice-channels = channels : où chaque question reçoit une réponse
choice-support-role = support_role_id : qui est appelé
choice-everything = everything : tous les réglages
choice-true = true : le support est activé
choice-false = false : le support est désactivé

config-now = (actuel)
config-default = (par défaut)
config-none = aucun
config-empty = vide
config-more = et { $count } de plus
config-unknown = Je ne connais pas cela. Essayez `/config show`.
config-not-here = Cela n'est pas sur ce serveur, ou je ne peux pas le voir. Rien n'a été changé.
config-no-text-channel = Seuls les salons textuels et les forums peuvent être des salons de support. Rien n'a été changé ; on peut me mentionner partout.
config-everyone = Tout le monde a ce rôle : tout le serveur serait appelé. Choisissez un rôle de votre équipe de support. Rien n'a été changé.
config-use-channels = Utilisez `/config channels add` et `/config channels remove`.
config-use-support-role = Utilisez `/config support-role`.
config-no-setting = Le réglage { $key } n'existe pas. `/config show` les montre tous.
config-missing = Je ne pourrais pas répondre dans { $channel } : il m'y manque { $permissions }. Donnez cela à mon rôle dans les paramètres du salon, *Permissions*, et réessayez. Rien n'a été changé.
config-refused = `{ $key }` attend { $expected }, pas { $found }. Rien n'a été changé.
config-unchanged = `{ $key }` vaut déjà { $value }.
config-all-replaced = Tous les réglages ont de nouveau leur valeur par défaut : le support est donc **désactivé**. Le reste de ce qui était enregistré n'était pas lisible et a disparu.
config-all-reset = Tous les réglages ont de nouveau leur valeur par défaut : le support est donc **désactivé**.
config-kept = Gardé, car je ne le connais pas : { $keys }
config-no-support-channel = { $channel } n'est pas un salon de support.
config-not-stored = Impossible d'enregistrer cela : { $why }. Rien n'a été changé.
config-not-pingable = ⚠️ Je ne peux pas mentionner { $role }, donc personne ne serait prévenu : dans les paramètres du serveur, *Rôles*, autorisez tout le monde à le mentionner.
config-title = **Le support sur ce serveur**
config-change-with = Pour changer : `/config set`, `/config channels`, `/config support-role` et `/config reset`.

expects-bool = true ou false
expects-language = un code de langue comme en, de ou pt-BR
expects-text = un texte
expects-channels = une liste d'identifiants de salons
expects-role = l'identifiant d'un rôle ou null
expects-number = un nombre entier d'au moins 1

meaning-off = Le support est désactivé : je ne réponds à personne ici.
meaning-on-no-channel = Le support est activé, mais il n'y a pas de salon de support : je réponds aux mentions et à `/ask`. `/config channels add` en ajoute un.
meaning-on = Le support est activé : je réponds dans les salons de support, partout où l'on me mentionne, et à `/ask`.
meaning-language = Je lis les documents dans cette langue ; un changement les réindexe.
meaning-prompt = Un modèle de langage reçoit ceci avec chaque question ; les réponses citées des documents n'en dépendent pas.
meaning-no-channel = Il n'y a pas de salon de support : je ne réponds qu'aux mentions et à `/ask`.
meaning-channels-later = J'y répondrai à chaque question dès que le support sera activé : `/config set key:enabled value:true`.
meaning-channels = J'y réponds à chaque question, dans un fil.
meaning-no-role = Personne n'est appelé quand un membre demande un humain : `/config support-role` choisit qui.
meaning-role = Ce rôle est appelé quand un membre demande un humain.
meaning-max-messages = Un membre peut poser { $count ->
        [one] { $count } question
       *[other] { $count } questions
    } par heure.
meaning-max-length = Je lis les questions de { $count ->
        [one] { $count } caractère
       *[other] { $count } caractères
    } au maximum.

problem-not-in-force = ⚠️ Les réglages ne sont pas utilisables tels quels : d'ici à ce que ce soit réparé, les derniers utilisables restent en vigueur.
problem = { $key } devrait être { $expected }, mais vaut { $found }. Pour réparer : { $mend }.
problem-whole = L'ensemble
mend-everything = `/config reset key:everything` remet tous les réglages à leur valeur par défaut
mend-channels = `/config reset key:channels`, puis `/config channels add`
mend-role = `/config support-role`, ou `/config reset key:support_role_id`
mend-key = `/config set key:{ $key }`, ou `/config reset key:{ $key }`

config-no-content = ⚠️ Je ne lis pas les messages ici : la personne qui me fait tourner a désactivé Message Content Intent. Je réponds aux mentions, à `/ask` et à *Demander à Helpline* sur un message ; les autres questions m'échappent, même dans les salons de support.
