## Commands
describe-reply = For staff: texts that are kept ready, and that I say for you
describe-reply-name = Which reply
describe-reply-use = Say it here, in the thread of a conversation, with your name
describe-reply-add = Keep a new one ready
describe-reply-list = All that are kept ready
describe-reply-remove = Keep one no longer
describe-setup = Set up support on this server, step by step
describe-stats = For staff: questions, answers and tickets of the last 7, 30 and 90 days
choice-auto-close = auto_close_hours: silence after which I close a conversation
choice-close-warning = close_warning_hours: how long before that I warn
choice-auto-resolve = ticket_auto_resolve_hours: silence after which a ticket is resolved

## Settings
expects-hours = a whole number of hours up to 8760; 0 for never
meaning-never-closed = A conversation stays open until whoever asked closes it.
meaning-auto-close = I close a conversation whose asker was silent for { $count ->
        [one] { $count } hour
       *[other] { $count } hours
    }, after a warning. Written in again, it goes on.
meaning-close-warning = I warn { $count ->
        [one] { $count } hour
       *[other] { $count } hours
    } before I close, or half of the time.
meaning-never-resolved = A ticket stays open until staff resolve it.
meaning-auto-resolve = I resolve a ticket when staff wrote and whoever asked was silent for { $count ->
        [one] { $count } hour
       *[other] { $count } hours
    }, after a warning.

## When nobody writes any more
silence-warning = { $user }, is this solved? I close this conversation { $when }, unless you write here.
silence-closed = I closed this conversation, because nobody wrote here for a while. Write here, and it goes on.
silence-notes = Resolved by itself: whoever asked did not write any more.
button-still-open = I still need help
button-solved = It is solved

## What staff are shown and let me say
button-suggest = Suggest an answer
button-transcript = Transcript
button-send = Send it
spoken-done = I said that here.
spoken-from = From { $user }
suggest-head = **What I would answer.** Only you see this; "{ button-send }" says it in the conversation, with your name.
suggest-nothing = I find nothing in the documents that answers this. `/reply use` says what you keep ready.
suggest-unasked = Nobody has asked anything here yet.
suggest-gone = That suggestion was sent already, or there is a newer one. Nothing was said.
transcript-files = The conversation as files. Only you see them.

## /reply
title-new-reply = A reply to keep ready
label-reply-name = Name, by which staff find it
label-reply-text = Text; @member becomes whoever asked
reply-unknown-subcommand = I do not know that. Try `/reply list`.
reply-no-thread = Use this in the thread of a conversation: I say it there, to whoever asked. Nothing was said.
reply-too-many = This server keeps { $count } replies ready, as many as possible. `/reply remove` makes room. Nothing was stored.
reply-no-name = A reply needs a name that can be read and typed. Nothing was stored.
reply-no-text = A reply needs a text that can be read. Nothing was stored.
reply-name-long = A name has { $count } characters at most. Nothing was stored.
reply-text-long = A reply has { $count } characters at most. Nothing was stored.
reply-unknown = There is no reply { $name }. `/reply list` shows all.
reply-stored = { $name } is kept ready. `/reply use` says it in a conversation's thread.
reply-changed = { $name } is changed. `/reply use` says it in a conversation's thread.
reply-removed = { $name } is removed. It said:
reply-none = No reply is kept ready. `/reply add` keeps one.
reply-kept = { $count ->
        [one] { $count } reply is kept ready.
       *[other] { $count } replies are kept ready.
    }
reply-more = And { $count } more.

## /stats
stats-none = Nobody has asked anything in the last 90 days. Once somebody does, the numbers are here.
stats-days = days
stats-questions = questions
stats-resolved = resolved
stats-confirmed = confirmed
stats-assumed = assumed
stats-forwarded = to staff
stats-time = until the answer
stats-note = Confirmed: whoever asked or staff said so. Assumed: whoever asked had an answer and wrote no more. Days are those of UTC.

## /setup
setup-title = **Set up support** · each choice is stored at once
setup-done = **Support is set up so:**
setup-channels = Where I answer every question: { $channels }
setup-role = Who is called for a human: { $role }
setup-language = Language: { $language }
setup-knowledge = What I know: { $documents }
setup-documents = { $count ->
        [one] { $count } document
       *[other] { $count } documents
    }
setup-none-yet = none yet
setup-is-on = Support is **on**
setup-is-off = Support is **off**
setup-next = Next: { $step }
setup-next-knowledge = give me something to answer from: `/knowledge add`.
setup-next-on = press **{ button-on }**, here or with `/setup`.
setup-next-role = choose who is called for a human.
setup-next-ask = ask me something in { $channel }. `/config show` has all settings.
setup-next-ask-anywhere = ask me something with `/ask`, or choose a channel in which I answer everything.
setup-channels-fine = ✅ I may do everything there that I need.
setup-lacks = ⚠️ { $channel } is not stored: I lack { $permissions } there. Give my role that in the channel's settings, *Permissions*, and choose again.
setup-not-seen = { $channel } is stored; I could not see what I may do there.
setup-role-called = ✅ { $role } is called for a human.
setup-nobody-called = ✅ Nobody is called for a human.
setup-language-stored = ✅ The language is stored.
placeholder-setup-channels = 1. Channels in which I answer every question
placeholder-setup-role = 2. Whom to call when a member asks for a human
placeholder-setup-language = 3. Language of the documents and answers
button-on = Turn support on
button-off = Turn support off
button-done = Done
button-reset = Put everything back to its default

## A config that cannot be read
report-daily = I say this once a day, until it is mended.
