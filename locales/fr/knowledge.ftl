describe-knowledge = Les documents d’où viennent mes réponses : ajouter, voir, remplacer et supprimer
describe-knowledge-add = Ajouter un document : un fichier, un message ou un texte que vous écrivez
describe-knowledge-list = Tous les documents
describe-knowledge-view = Voir un document et le recevoir en fichier
describe-knowledge-search = Voir ce que je lirais pour une question
describe-knowledge-replace = Mettre une autre version à la place d’un document
describe-knowledge-remove = Supprimer un document
describe-knowledge-file = Un fichier texte (.txt), Markdown (.md) ou PDF
describe-knowledge-link = Le lien d’un message de ce salon, tel que « Copier le lien du message » le donne
describe-knowledge-title = Comment l’appeler ; sinon comme son premier titre ou le fichier
describe-knowledge-document = Son titre
describe-knowledge-question = Comme un membre la poserait
describe-gaps = Les questions auxquelles j’ai mal répondu et qu’un document éclairerait

button-document-replace = Le remplacer
button-document-both = Garder les deux
button-cancel = Annuler
button-document-remove = Supprimer
button-document-keep = Garder
button-page-back = ◀ Retour
button-page-next = Suivant ▶
button-gap = Répondre à { $n }
title-document = Apprenez-moi quelque chose
title-gap = Répondre à cette question
label-document-title = Titre (vide : premier titre ou ligne)
label-gap-title = Question (vide : telle que posée)
label-document-text = Ce que je dois savoir (Markdown)

documents-unknown = Je ne connais pas cela. Essayez `/knowledge list`.
documents-no-question = Indiquez la question que je dois chercher.
documents-no-file = Le fichier n’est pas arrivé. Joignez-le encore une fois.
documents-no-link = Ce n’est pas le lien d’un message. Ouvrez le menu du message, choisissez *Copier le lien du message* et collez-le.
documents-link-elsewhere = Ce message se trouve sur un autre serveur.
documents-link-channel = Utilisez la commande dans le salon de ce message : je sais ainsi que vous pouvez le lire.
documents-not-here = Il n’y a pas (ou plus) de tel document ici. `/knowledge list` montre ceux qu’il y a.
documents-choose = Choisissez le document dans la liste proposée pendant que vous tapez son titre.
documents-kept = Rien n’a été supprimé.
documents-draft-gone = C’est déjà décidé, ou trop ancien. Ajoutez le document encore une fois.
documents-draft-dropped = D’accord, rien n’a été changé.
documents-no-text = Il n’y a pas de texte. Écrivez ce que je dois savoir.
documents-busy = Plusieurs documents de ce serveur sont en cours de lecture. Renvoyez celui-ci quand ils seront terminés.
documents-need-permission = Il vous faut pour cela la permission **{ $permission }**.
documents-reading = 📖 Lecture de { $name }…
documents-cutting = ✂️ Découpage de { $name } en passages…
documents-that-message = ce message
documents-refused = { $name } n’a pas pu être ajouté : { $why }
documents-added = ✅ { $name } est ajouté : { $passages ->
        [one] { $passages } passage
       *[other] { $passages } passages
    }, consultable dès maintenant. `/knowledge search` montre ce que je trouverais.
documents-replaced = ✅ { $name } a sa nouvelle version : { $passages ->
        [one] { $passages } passage
       *[other] { $passages } passages
    }, consultable dès maintenant. `/knowledge search` montre ce que je trouverais.
documents-gap-closed = Ces questions ne sont plus sur la liste de `/gaps`.
documents-known = Je sais déjà exactement cela, sous le nom { $name }. Rien n’a été changé.
documents-taken = Il y a déjà un document { $name } avec un autre texte. Que dois-je faire ?
documents-full = Ce serveur a { $documents ->
        [one] { $documents } document
       *[other] { $documents } documents
    }, et son offre en permet { $limit }. Supprimez-en un avec `/knowledge remove` ou choisissez une offre plus grande. Rien n’a été ajouté.
documents-too-much = Avec ces { $size }, les documents de ce serveur dépasseraient ce que permet son offre ({ $used } sur { $limit } sont utilisés). Supprimez-en avec `/knowledge remove` ou choisissez une offre plus grande. Rien n’a été ajouté.

documents-none = Je ne sais encore rien. `/knowledge add` apporte un premier document.
documents-list = **Ce que je sais** : { $documents ->
        [one] { $documents } document
       *[other] { $documents } documents
    } sur { $limit } que permet l’offre, { $used } sur { $room }
documents-page = Page { $page } sur { $pages }. `/knowledge view` montre un document.
documents-view = { $kind } · { $size } · { $passages ->
        [one] { $passages } passage
       *[other] { $passages } passages
    } · langue : { $language }
documents-added-by = ajouté { $at } par { $user }, modifié { $changed }
documents-added-at = ajouté { $at }, modifié { $changed }
documents-more-headings = et { $left } autres titres
documents-found-nothing = Je ne trouve rien à ce sujet. `/knowledge add` peut me l’apprendre.
documents-would-answer = Je répondrais d’après ceci (sûr à { $percent } %). Voici ce que je lirais :
documents-would-be-unsure = Je dirais que je ne suis **pas sûr** et proposerais un humain (sûr à { $percent } %). Voici ce que je lirais :
documents-score = score { $score }
documents-really-remove = Supprimer { $name } ? Son texte et { $passages ->
        [one] { $passages } passage
       *[other] { $passages } passages
    } disparaissent pour de bon, et je n’en tirerai plus de réponses. Celles que j’ai données restent.
documents-and-file = Son fichier disparaît aussi.
documents-removed = { $name } est supprimé.

file-kinds = Je lis les fichiers texte (.txt), Markdown (.md) et PDF. Enregistrez { $name } sous l’un de ces formats.
file-too-large = { $name } fait { $size } ; je lis jusqu’à { $limit }. Divisez-le en plusieurs fichiers.
file-too-long = Il contient plus de texte qu’un document ne peut en avoir. Divisez-le en plusieurs.
file-too-many-words = Il contient trop de mots différents. Divisez-le en plusieurs documents.
file-empty = Il est vide. Mettez-y du texte.
file-no-text-file = Ce n’est pas un texte que je peux lire. Enregistrez-le en texte UTF-8.
file-other-ending = Son contenu n’est pas ce que dit son extension. Donnez-lui la bonne.
file-protected = Il est protégé par un mot de passe. Enregistrez-le sans et envoyez-le.
file-damaged = Il est abîmé, ou n’est pas un PDF que je peux lire. Imprimez-le dans un nouveau PDF et envoyez-le, ou son texte.
file-scan = Il n’a pas de texte, seulement des images, comme un scan. Passez-le à la reconnaissance de texte (OCR), ou envoyez son texte.
file-too-many-pages = Il a plus de { $limit } pages. Divisez-le en plusieurs fichiers.
file-too-costly = Sa lecture demande plus de temps ou de mémoire que je n’en ai. Imprimez-le dans un nouveau PDF et envoyez-le, ou son texte.
file-gone = Il n’est plus là, ou je ne peux pas le voir. Envoyez-le encore une fois.
file-later = Il n’a pas pu être lu à l’instant. Réessayez dans un moment.
file-message-empty = Le message n’a pas de texte que je puisse voir.

gaps-gone = Cette question n’est plus sur la liste. `/gaps` montre celles qui y sont.
gaps-none = Aucune question des { $days } derniers jours n’est restée sans bonne réponse. 🎉
gaps-list = **{ $questions ->
        [one] { $questions } question
       *[other] { $questions } questions
    } des { $days } derniers jours sans bonne réponse**
gaps-not-found = { $count } non trouvé
gaps-not-helpful = { $count } pas utile
gaps-human = { $count } humain appelé
gaps-how = Un bouton ouvre un formulaire ; ce que vous écrivez devient un document et retire les questions de la liste.
