## Names of permissions, as Discord's settings have them
permission-manage-server = Manage Server
permission-view-channel = View Channel
permission-send-messages = Send Messages
permission-read-history = Read Message History
permission-create-threads = Create Public Threads
permission-send-in-threads = Send Messages in Threads

## Commands. Names that begin with "describe-" or "choice-" have at most 100 characters.
describe-ask = Ask a question; the answer comes from this server's own knowledge
describe-ask-question = What do you want to know?
describe-tickets = For staff: the tickets that wait or that somebody has claimed, oldest first
describe-config = See and change how support works on this server
describe-config-show = What is set, what it means, and what is wrong with it
describe-config-set = Change a setting
describe-config-key = Which setting
describe-config-value = What it is to be
describe-config-reset = Put a setting back to its default
describe-config-channels = The channels in which every question is answered
describe-config-channels-add = Answer every question in a channel
describe-config-channels-remove = Answer in a channel only when I am mentioned
describe-config-channel = The channel
describe-config-support-role = Whom to call when a member asks for a human
describe-config-role = The role
choice-enabled = enabled: whether support is on
choice-language = language: of the documents and answers
choice-system-prompt = system_prompt: what a language model is told
choice-max-messages = max_messages_per_user: questions of a member in an hour
choice-max-length = max_text_length: longest question, in characters
choice-channels = channels: where every question is answered
choice-support-role = support_role_id: who is called for a human
choice-everything = everything: all settings
choice-true = true: support is on
choice-false = false: support is off

## What /config says
config-now = (now)
config-default = (default)
config-none = none
config-empty = empty
config-more = and { $count } more
config-unknown = I do not know that. Try `/config show`.
config-not-here = That is not on this server, or I cannot see it. Nothing was changed.
config-no-text-channel = Only text channels and forums can be support channels. Nothing was changed; I can be mentioned anywhere.
config-everyone = That role is everyone: the whole server would be called. Choose a role that your support staff have. Nothing was changed.
config-use-channels = Use `/config channels add` and `/config channels remove`.
config-use-support-role = Use `/config support-role`.
config-no-setting = There is no setting { $key }. `/config show` lists them.
config-missing = I could not answer in { $channel }: I lack { $permissions } there. Give my role that in the channel's settings, *Permissions*, and try again. Nothing was changed.
config-refused = `{ $key }` takes { $expected }, not { $found }. Nothing was changed.
config-unchanged = `{ $key }` is { $value } already.
config-all-replaced = Every setting has its default again, so support is **off**. What else was stored could not be read and is gone.
config-all-reset = Every setting has its default again, so support is **off**.
config-kept = Kept, because I do not know it: { $keys }
config-no-support-channel = { $channel } is no support channel.
config-not-stored = That could not be stored: { $why }. Nothing was changed.
config-not-pingable = ⚠️ I may not mention { $role }, so nobody would be notified: in the server's settings, *Roles*, allow anyone to mention it.
config-title = **How support is set up on this server**
config-change-with = Change it with `/config set`, `/config channels`, `/config support-role` and `/config reset`.

expects-bool = true or false
expects-language = a language tag such as en, de or pt-BR
expects-text = text
expects-channels = a list of channel ids
expects-role = a role id or null
expects-number = a whole number of at least 1

meaning-off = Support is off: I answer nobody here.
meaning-on-no-channel = Support is on, but there is no support channel: I answer mentions and `/ask`. `/config channels add` adds one.
meaning-on = Support is on: I answer in the support channels, wherever I am mentioned, and `/ask`.
meaning-language = I read the documents in this language; a change indexes them anew.
meaning-prompt = A language model is told this with every question; answers quoted from the documents are not affected.
meaning-no-channel = There is no support channel: I answer mentions and `/ask` only.
meaning-channels-later = I will answer every question there, once support is on: `/config set key:enabled value:true`.
meaning-channels = I answer every question there, in a thread.
meaning-no-role = Nobody is called when a member asks for a human: `/config support-role` chooses who.
meaning-role = They are called when a member asks for a human.
meaning-max-messages = A member may ask { $count ->
        [one] { $count } question
       *[other] { $count } questions
    } in an hour.
meaning-max-length = I read questions of up to { $count ->
        [one] { $count } character
       *[other] { $count } characters
    }.

problem-not-in-force = ⚠️ The settings cannot be used as they are: until this is mended, those that last could stay in force.
problem = { $key } should be { $expected }, but is { $found }. Mend it: { $mend }.
problem-whole = The whole
mend-everything = `/config reset key:everything` puts every setting back to its default
mend-channels = `/config reset key:channels`, then `/config channels add`
mend-role = `/config support-role`, or `/config reset key:support_role_id`
mend-key = `/config set key:{ $key }`, or `/config reset key:{ $key }`

config-no-content = ⚠️ I do not read messages here: whoever runs me has switched the Message Content Intent off. I answer mentions, `/ask` and *Ask Helpline* on a message; a question without them goes unseen, also in support channels.
