describe-knowledge = The documents that my answers come from: add, look at, replace and remove them
describe-knowledge-add = Add a document: a file, a message, or a text that you write
describe-knowledge-list = All documents
describe-knowledge-view = Look at a document, and get it as a file
describe-knowledge-search = See what I would read for a question
describe-knowledge-replace = Put another version in the place of a document
describe-knowledge-remove = Remove a document
describe-knowledge-file = A text (.txt), Markdown (.md) or PDF file
describe-knowledge-link = The link of a message in this channel, as "Copy Message Link" gives it
describe-knowledge-title = What to call it; otherwise as its first heading or the file says
describe-knowledge-document = Its title
describe-knowledge-question = As a member would ask it
describe-gaps = Questions that I could not answer well, and that a document would help with

button-document-replace = Replace it
button-document-both = Keep both
button-cancel = Cancel
button-document-remove = Remove
button-document-keep = Keep
button-page-back = ◀ Back
button-page-next = Next ▶
button-gap = Answer { $n }
title-document = Tell me something
title-gap = Answer this question
label-document-title = Title (empty: the first heading or line)
label-gap-title = Question (empty: as it was asked)
label-document-text = What I am to know (Markdown)

documents-unknown = I do not know that. Try `/knowledge list`.
documents-no-question = Please give the question that I am to search for.
documents-no-file = The file did not arrive. Please attach it once more.
documents-no-link = That is no link to a message. Open the message’s menu, choose *Copy Message Link*, and paste what you get.
documents-link-elsewhere = That message is on another server.
documents-link-channel = Please use the command in the channel of that message: so I know that you may read it.
documents-not-here = There is no such document here (any more). `/knowledge list` shows those that there are.
documents-choose = Please choose the document from the list that is offered while you type its title.
documents-kept = Nothing was removed.
documents-draft-gone = That was decided already, or is too long ago. Please add the document once more.
documents-draft-dropped = All right, nothing was changed.
documents-no-text = There is no text in it. Please write what I am to know.
documents-busy = Several documents of this server are being read at this moment. Please send this one again when they are done.
documents-need-permission = You need the permission **{ $permission }** for this.
documents-reading = 📖 Reading { $name }…
documents-cutting = ✂️ Cutting { $name } into passages…
documents-that-message = that message
documents-refused = { $name } could not be added: { $why }
documents-added = ✅ { $name } is added: { $passages ->
        [one] { $passages } passage
       *[other] { $passages } passages
    }, searchable now. `/knowledge search` shows what I would find.
documents-replaced = ✅ { $name } has its new version: { $passages ->
        [one] { $passages } passage
       *[other] { $passages } passages
    }, searchable now. `/knowledge search` shows what I would find.
documents-gap-closed = Those questions are off the list of `/gaps`.
documents-known = I know exactly this already, as { $name }. Nothing was changed.
documents-taken = There is a document { $name } already, with another text. What shall I do?
documents-full = This server has { $documents ->
        [one] { $documents } document
       *[other] { $documents } documents
    }, and its plan allows { $limit }. Remove one with `/knowledge remove`, or choose a larger plan. Nothing was added.
documents-too-much = With these { $size } the documents of this server would be larger than its plan allows ({ $used } of { $limit } are used). Remove some with `/knowledge remove`, or choose a larger plan. Nothing was added.

documents-none = I know nothing yet. `/knowledge add` brings a first document in.
documents-list = **What I know**: { $documents ->
        [one] { $documents } document
       *[other] { $documents } documents
    } of { $limit } that the plan allows, { $used } of { $room }
documents-page = Page { $page } of { $pages }. `/knowledge view` shows a document.
documents-view = { $kind } · { $size } · { $passages ->
        [one] { $passages } passage
       *[other] { $passages } passages
    } · language: { $language }
documents-added-by = added { $at } by { $user }, changed { $changed }
documents-added-at = added { $at }, changed { $changed }
documents-more-headings = and { $left } more headings
documents-found-nothing = I find nothing for this. `/knowledge add` can tell me.
documents-would-answer = I would answer from these ({ $percent } % sure). This is what I would read:
documents-would-be-unsure = I would say that I am **not sure**, and offer a human ({ $percent } % sure). This is what I would read:
documents-score = score { $score }
documents-really-remove = Remove { $name }? Its text and { $passages ->
        [one] { $passages } passage
       *[other] { $passages } passages
    } go for good, and I will not answer from it any more. Answers that I have given stay.
documents-and-file = Its file goes too.
documents-removed = { $name } is removed.

file-kinds = I read text (.txt), Markdown (.md) and PDF files. Please save { $name } as one of these.
file-too-large = { $name } has { $size }; I read up to { $limit }. Please split it into several files.
file-too-long = It has more text than one document can have. Please split it into several.
file-too-many-words = It has too many different words. Please split it into several documents.
file-empty = It is empty. Please put some text into it.
file-no-text-file = It is no text that I can read. Please save it as text in UTF-8.
file-other-ending = Its content is not what its ending says. Please give it the right one.
file-protected = It is protected with a password. Please save it without one and send that.
file-damaged = It is damaged, or no PDF that I can read. Please print it to a new PDF and send that, or its text.
file-scan = It has no text, only pictures, as scans have. Please run it through text recognition (OCR), or send its text.
file-too-many-pages = It has more than { $limit } pages. Please split it into several files.
file-too-costly = It takes more time or memory to read than I may use. Please print it to a new PDF and send that, or its text.
file-gone = It is no longer there, or I may not see it. Please send it once more.
file-later = It could not be read just now. Please try again in a moment.
file-message-empty = The message has no text that I can see.

gaps-gone = That question is no longer on the list. `/gaps` shows those that are.
gaps-none = No question of the last { $days } days is without a good answer. 🎉
gaps-list = **{ $questions ->
        [one] { $questions } question
       *[other] { $questions } questions
    } of the last { $days } days without a good answer**
gaps-not-found = { $count } not found
gaps-not-helpful = { $count } not helpful
gaps-human = { $count } human called
gaps-how = A button opens a form; what you write becomes a document, and takes the questions off the list.
