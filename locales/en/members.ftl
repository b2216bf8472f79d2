## Below an answer. Names that begin with "button-" are buttons: at most 80 characters.
button-human = Ask a human
button-helpful = Helpful
button-unhelpful = Not helpful
button-close = Close
button-part = { $number } of { $of }

## An answer
answer-sources = Sources:
answer-late = Sorry for the wait.
answer-unsure = I could not find an answer to that in this server's documents. You can put the question in other words, or ask a human with the button below.
answer-handed-over = This is one for a human. I have asked the support team; they will answer here.
# The name of a thread whose question has no words.
thread-name = Question

## What a press is answered with
human-asked = A human has been asked. They will answer here.
human-asked-already = A human has already been asked. They will answer here.
vote-gone = That answer is no longer here.
vote-not-yours = Only the member who asked can say whether this helped.
vote-thanks = Thank you, I am glad that this helped.
vote-sorry = Thank you for telling me. Press "{ button-human }" if you still need help.
close-not-yours = Only the member who asked can close this conversation.
close-done = This conversation is closed. If you need more, just ask here again.
close-already = This conversation is closed already. If you need more, just ask here again.
close-human = A human has been asked, and closes this conversation when it is done.
conversation-gone = That conversation is no longer here.

## Instead of an answer
ask-in-channel = Please ask a question in a channel of the server.
support-off = Support is switched off on this server. Somebody who manages the server can switch it on.
unknown-command = I do not know that command. Try `/ask`.
need-permission = You need the permission **{ $permission }** to use `/{ $command }`.
hint = Ask me a question about this server and I look it up in its documents.
away = Sorry, I was away when you asked. If you still need help, please ask again.
limit-many = You have asked { $limit ->
        [one] one question
       *[other] { $limit } questions
    } within an hour, as many as this server allows. You can ask me again { $again }.
limit-long = Your question has { $length } characters, and on this server it may have { $limit ->
        [one] { $limit } character
       *[other] { $limit } characters
    } at most. Please ask it in fewer words.

## "Ask Helpline" on a message. A name that begins with "context-" has at most 32 characters.
context-ask = Ask Helpline
about-bot = That was written by a bot: ask about a message of somebody else.
about-no-words = That message has no words that I could answer.
about-here = I answer in { $channel }.
about-answered = That has been answered already, in { $channel }.

## /privacy
describe-privacy = What this server keeps of what you said, and to have it forgotten
describe-privacy-export = Get all of it as a file that only you see
describe-privacy-delete = Have it forgotten
privacy-file = Here is all that this server keeps of you: your conversations with me, and your votes.
privacy-sure = This has everything forgotten that you said to me on this server, and your votes. It cannot be undone. If you mean it, press the button.
button-forget = Forget what I said
privacy-forgotten = Forgotten: what you said in { $conversations ->
        [one] { $conversations } conversation
       *[other] { $conversations } conversations
    }, and { $votes ->
        [one] { $votes } vote
       *[other] { $votes } votes
    }. What only counts how much was asked stays. Your messages on Discord are yours to delete.
privacy-nothing = There is nothing of you left here that I could forget.
