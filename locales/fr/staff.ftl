## Commands
describe-reply = Pour l'équipe : des textes tout prêts que je dis pour vous
describe-reply-name = Quelle réponse
describe-reply-use = La dire ici, dans le fil d'une conversation, avec votre nom
describe-reply-add = En préparer une nouvelle
describe-reply-list = Toutes celles qui sont prêtes
describe-reply-remove = En retirer une
describe-setup = Configurer l'assistance de ce serveur, étape par étape
describe-stats = Pour l'équipe : questions, réponses et tickets des 7, 30 et 90 derniers jours
choice-auto-close = auto_close_hours : silence après lequel je clos une conversation
choice-close-warning = close_warning_hours : combien de temps avant je préviens
choice-auto-resolve = ticket_auto_resolve_hours : silence après lequel un ticket est résolu

## Settings
expects-hours = un nombre entier d'heures jusqu'à 8760 ; 0 pour jamais
meaning-never-closed = Une conversation reste ouverte jusqu'à ce que la personne qui a demandé la close.
meaning-auto-close = Je clos une conversation quand la personne qui a demandé se tait pendant { $count ->
        [one] { $count } heure
       *[other] { $count } heures
    }, après un avertissement. Un nouveau message la rouvre.
meaning-close-warning = Je préviens { $count ->
        [one] { $count } heure
       *[other] { $count } heures
    } avant de clore, ou la moitié du délai.
meaning-never-resolved = Un ticket reste ouvert jusqu'à ce que l'équipe le résolve.
meaning-auto-resolve = Je résous un ticket quand l'équipe a écrit et que la personne qui a demandé se tait pendant { $count ->
        [one] { $count } heure
       *[other] { $count } heures
    }, après un avertissement.

## When nobody writes any more
silence-warning = { $user }, est-ce résolu ? Je clos cette conversation { $when }, sauf si vous écrivez ici.
silence-closed = J'ai clos cette conversation, car personne n'y a écrit depuis un moment. Écrivez ici et elle reprend.
silence-notes = Résolu de lui-même : la personne qui a demandé n'a plus écrit.
button-still-open = J'ai encore besoin d'aide
button-solved = C'est résolu

## What staff are shown and let me say
button-suggest = Suggérer une réponse
button-transcript = Transcription
button-send = Envoyer
spoken-done = Je l'ai dit ici.
spoken-from = De { $user }
suggest-head = **Voici ce que je répondrais.** Vous seul le voyez ; « { button-send } » le dit dans la conversation, avec votre nom.
suggest-nothing = Je ne trouve rien dans les documents qui y réponde. `/reply use` dit ce que vous avez préparé.
suggest-unasked = Personne n'a encore rien demandé ici.
suggest-gone = Cette suggestion a déjà été envoyée, ou il y en a une plus récente. Rien n'a été dit.
transcript-files = La conversation sous forme de fichiers. Vous seul les voyez.

## /reply
title-new-reply = Une réponse toute prête
label-reply-name = Nom sous lequel l'équipe la trouve
label-reply-text = Texte ; @member devient l'auteur
reply-unknown-subcommand = Je ne connais pas cela. Essayez `/reply list`.
reply-no-thread = Utilisez-le dans le fil d'une conversation : je l'y dis à la personne qui a demandé. Rien n'a été dit.
reply-too-many = Ce serveur a { $count } réponses toutes prêtes, le maximum. `/reply remove` fait de la place. Rien n'a été enregistré.
reply-no-name = Une réponse a besoin d'un nom lisible que l'on peut taper. Rien n'a été enregistré.
reply-no-text = Une réponse a besoin d'un texte lisible. Rien n'a été enregistré.
reply-name-long = Un nom a au plus { $count } caractères. Rien n'a été enregistré.
reply-text-long = Une réponse a au plus { $count } caractères. Rien n'a été enregistré.
reply-unknown = Il n'y a pas de réponse { $name }. `/reply list` les montre toutes.
reply-stored = { $name } est prête. `/reply use` la dit dans le fil d'une conversation.
reply-changed = { $name } est modifiée. `/reply use` la dit dans le fil d'une conversation.
reply-removed = { $name } est retirée. Elle disait :
reply-none = Aucune réponse n'est prête. `/reply add` en prépare une.
reply-kept = { $count ->
        [one] { $count } réponse toute prête.
       *[other] { $count } réponses toutes prêtes.
    }
reply-more = Et { $count } de plus.

## /stats
stats-none = Personne n'a rien demandé ces 90 derniers jours. Dès que ce sera le cas, les chiffres seront ici.
stats-days = jours
stats-questions = questions
stats-resolved = résolues
stats-confirmed = confirmées
stats-assumed = supposées
stats-forwarded = à l'équipe
stats-time = jusqu'à la réponse
stats-note = Confirmées : la personne qui a demandé ou l'équipe l'a dit. Supposées : elle avait une réponse et n'a plus écrit. Les jours sont en UTC.

## /setup
setup-title = **Configurer l'assistance** · chaque choix est enregistré aussitôt
setup-done = **L'assistance est configurée ainsi :**
setup-channels = Où je réponds à tout : { $channels }
setup-role = Qui est appelé : { $role }
setup-language = Langue : { $language }
setup-knowledge = Ce que je sais : { $documents }
setup-documents = { $count ->
        [one] { $count } document
       *[other] { $count } documents
    }
setup-none-yet = aucun pour l'instant
setup-is-on = L'assistance est **activée**
setup-is-off = L'assistance est **désactivée**
setup-next = Ensuite : { $step }
setup-next-knowledge = donnez-moi de quoi répondre : `/knowledge add`.
setup-next-on = appuyez sur **{ button-on }**, ici ou avec `/setup`.
setup-next-role = choisissez qui est appelé.
setup-next-ask = demandez-moi quelque chose dans { $channel }. `/config show` montre tous les réglages.
setup-next-ask-anywhere = demandez-moi quelque chose avec `/ask`, ou choisissez un salon où je réponds à tout.
setup-channels-fine = ✅ Je peux y faire tout ce qu'il me faut.
setup-lacks = ⚠️ { $channel } n'est pas enregistré : il m'y manque { $permissions }. Donnez-le à mon rôle dans les paramètres du salon, *Permissions*, et choisissez à nouveau.
setup-not-seen = { $channel } est enregistré ; je n'ai pas pu voir ce que j'y peux faire.
setup-role-called = ✅ { $role } est appelé.
setup-nobody-called = ✅ Personne n'est appelé.
setup-language-stored = ✅ La langue est enregistrée.
placeholder-setup-channels = 1. Salons où je réponds à tout
placeholder-setup-role = 2. Qui appeler quand un membre demande un humain
placeholder-setup-language = 3. Langue des documents et des réponses
button-on = Activer l'assistance
button-off = Désactiver l'assistance
button-done = Terminé
button-reset = Tout remettre par défaut

## A config that cannot be read
report-daily = Je le dis une fois par jour, jusqu'à ce que ce soit corrigé.
