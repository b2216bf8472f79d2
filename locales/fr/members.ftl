button-human = Demander à un humain
button-helpful = Utile
button-unhelpful = Pas utile
button-close = Fermer
button-part = { $number } sur { $of }

answer-sources = Sources :
answer-late = Désolé pour l'attente.
answer-unsure = Je n'ai pas trouvé de réponse dans les documents de ce serveur. Vous pouvez poser la question autrement, ou demander à un humain avec le bouton ci-dessous.
answer-handed-over = Cette question est pour un humain. J'ai prévenu l'équipe de support, qui vous répondra ici.
thread-name = Question

human-asked = Un humain a été prévenu. Il vous répondra ici.
human-asked-already = Un humain a déjà été prévenu. Il vous répondra ici.
vote-gone = Cette réponse n'est plus là.
vote-not-yours = Seule la personne qui a posé la question peut dire si cela a aidé.
vote-thanks = Merci, je suis content que cela vous ait aidé.
vote-sorry = Merci de me l'avoir dit. Appuyez sur « { button-human } » si vous avez encore besoin d'aide.
close-not-yours = Seule la personne qui a posé la question peut fermer cette conversation.
close-done = Cette conversation est fermée. S'il vous faut autre chose, posez simplement votre question ici.
close-already = Cette conversation est déjà fermée. S'il vous faut autre chose, posez simplement votre question ici.
close-human = Un humain a été prévenu et fermera cette conversation quand tout sera réglé.
conversation-gone = Cette conversation n'est plus là.

ask-in-channel = Posez votre question dans un salon du serveur.
support-off = Le support est désactivé sur ce serveur. Une personne qui gère le serveur peut l'activer.
unknown-command = Je ne connais pas cette commande. Essayez `/ask`.
need-permission = Il vous faut la permission **{ $permission }** pour utiliser `/{ $command }`.
hint = Posez-moi une question sur ce serveur et je cherche dans ses documents.
away = Désolé, je n'étais pas là quand vous avez posé votre question. Si vous avez encore besoin d'aide, posez-la à nouveau.
limit-many = Vous avez posé { $limit ->
        [one] une question
       *[other] { $limit } questions
    } en une heure, le maximum permis sur ce serveur. Vous pourrez me poser une autre question { $again }.
limit-long = Votre question compte { $length } caractères ; sur ce serveur elle peut en compter { $limit } au maximum. Posez-la en moins de mots.

context-ask = Demander à Helpline
about-bot = Un bot a écrit cela : choisissez le message de quelqu'un d'autre.
about-no-words = Ce message n'a pas de mots auxquels je pourrais répondre.
about-here = Je réponds dans { $channel }.
about-answered = La réponse est déjà là, dans { $channel }.

describe-privacy = Ce que ce serveur garde de vous, et comment l'effacer
describe-privacy-export = Tout recevoir dans un fichier que vous seul voyez
describe-privacy-delete = Tout faire effacer
privacy-file = Voici tout ce que ce serveur garde de vous : vos conversations avec moi et vos votes.
privacy-sure = Ceci efface tout ce que vous m'avez dit sur ce serveur, et vos votes. C'est définitif. Si c'est ce que vous voulez, appuyez sur le bouton.
button-forget = Effacer ce que j'ai dit
privacy-forgotten = Effacé : ce que vous avez dit dans { $conversations ->
        [one] { $conversations } conversation
       *[other] { $conversations } conversations
    }, et { $votes ->
        [one] { $votes } vote
       *[other] { $votes } votes
    }. Ce qui ne fait que compter les questions reste. Vos messages sur Discord, c'est à vous de les supprimer.
privacy-nothing = Il ne reste rien de vous ici que je puisse effacer.
