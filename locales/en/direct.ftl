## Direct messages: which server they go to, and what staff and members are told of each other.
describe-server = Choose the server that your direct messages to me go to
placeholder-server = Choose a server
dm-choose = Which server is this about? Choose it below, and I answer you. I remember your choice; `/server` changes it.
dm-chosen = Your direct messages to me go to **{ $server }** now. `/server` changes that.
dm-only = Your direct messages to me go to **{ $server }**: it is the only server with support that we share.
dm-no-server = I know of no server that we share and that has support switched on. Use `/ask` on such a server once, and then write to me here again.
dm-no-words = I can only read words. Write your question, and I look for the answer in the server's documents.
dm-off = Support is switched off on the server that your direct messages go to. `/server` chooses another one.
dm-refused = I could not deliver that: this member takes no direct messages from me.
dm-asks-for-human = { $user } asks for a human in direct messages. To answer there, staff need a private thread: allow me **Create Private Threads** in a support channel.
dm-staff-hint = Write to { $user } here: I pass on what you say, with your name. What begins with // stays among you. If I do not read messages on this server, mention me in yours.
dm-claimed = { $user } takes care of your question now, and answers you here.
dm-resolved = { $user } has marked your question as resolved. If you need more, just write to me again.
dm-handed-back = I answer you here again.
