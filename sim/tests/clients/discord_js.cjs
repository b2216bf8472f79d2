'use strict';
// discord.js against the simulated Discord, used as a bot's author would use it. One function is one scenario; what it
// saw goes to stdout as a line of JSON, and sim/tests/clients.rs judges it. Run: node discord_js.cjs SCENARIO SETTINGS
// where SETTINGS is JSON: {"rest": "http://127.0.0.1:4000", "token": "…", …}. A line {"do": "stop"} on stdin ends it;
// {"do": "go"} lets a scenario go on that waits for it.
const {
  ActionRowBuilder, ApplicationCommandOptionType, ApplicationCommandType, AttachmentBuilder, ButtonBuilder, ButtonStyle,
  Client, ContainerBuilder, EmbedBuilder, Events, GatewayIntentBits, MessageFlags, ModalBuilder, Partials,
  StringSelectMenuBuilder, TextDisplayBuilder, TextInputBuilder, TextInputStyle, UserSelectMenuBuilder,
} = require('discord.js');

const [, , scenario, json] = process.argv;
const settings = JSON.parse(json);
const say = (event, fields = {}) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

const INTENTS = [
  GatewayIntentBits.Guilds, GatewayIntentBits.GuildMembers, GatewayIntentBits.GuildMessages,
  GatewayIntentBits.GuildMessageReactions, GatewayIntentBits.DirectMessages, GatewayIntentBits.MessageContent,
];
const partials = [Partials.Channel, Partials.Message, Partials.Reaction];

let client;
function create(options = {}) {
  // The library's own switch for another server; the gateway's address comes from GET /gateway/bot.
  const rest = { api: `${settings.rest}/api`, cdn: settings.rest };
  client = new Client({ intents: INTENTS, partials, rest, ...options });
  client.on(Events.Error, fail);
  client.on(Events.ShardReady, (shard) => say('shard_ready', { shard }));
  client.on(Events.ShardResume, (shard, replayed) => say('resumed', { shard, replayed }));
  client.on(Events.ShardReconnecting, (shard) => say('reconnecting', { shard }));
  return client;
}

async function connect(options) {
  create(options);
  const ready = new Promise((resolve) => client.once(Events.ClientReady, resolve));
  await client.login(settings.token);
  await ready;
  return client;
}

const describe = {
  guild: (guild) => ({
    id: guild.id, name: guild.name, owner: guild.ownerId, available: guild.available, count: guild.memberCount,
    shard: guild.shardId, me: guild.members.me?.id ?? null,
    channels: guild.channels.cache.map((channel) => ({ id: channel.id, name: channel.name, type: channel.type })),
    roles: guild.roles.cache.map((role) => ({ id: role.id, name: role.name })),
    members: guild.members.cache.map((member) => ({
      id: member.id, name: member.user.username, roles: [...member.roles.cache.keys()].filter((id) => id !== guild.id),
    })),
  }),
  message: (message) => ({
    id: message.id, channel: message.channelId, guild: message.guildId, content: message.content,
    author: message.author.id, bot: message.author.bot, mentions: [...message.mentions.users.keys()],
    roles: [...message.mentions.roles.keys()], reference: message.reference?.messageId ?? null,
    edited: message.editedTimestamp !== null, member: message.member?.id ?? null,
    attachments: message.attachments.map((file) => ({ name: file.name, size: file.size, type: file.contentType })),
  }),
  error: (error) => ({
    class: error.constructor.name, code: error.code ?? null, status: error.status ?? null, message: error.message,
  }),
};

// Every message but the bot's own.
const onMessage = (act) => client.on(Events.MessageCreate, (message) => {
  if (message.author.id !== client.user.id) Promise.resolve(act(message)).catch(fail);
});

const onInteraction = (act) => client.on(Events.InteractionCreate, (interaction) => {
  Promise.resolve(act(interaction)).catch(fail);
});

const row = (...components) => new ActionRowBuilder().addComponents(...components);
const button = (id) => new ButtonBuilder().setCustomId(id).setLabel(id).setStyle(ButtonStyle.Primary);

const scenarios = {
  async ready() {
    await connect();
    say('ready', { user: client.user.id, name: client.user.username, application: client.application.id,
      guilds: client.guilds.cache.map(describe.guild) });
  },

  // Says what arrives; used wherever only receiving counts.
  async listen() {
    create({ intents: settings.intents ?? INTENTS });
    onMessage((message) => say('message', describe.message(message)));
    client.on(Events.MessageUpdate, (_, message) => say('edited', { id: message.id, content: message.content }));
    client.on(Events.MessageDelete, (message) => say('deleted', { id: message.id }));
    client.on(Events.MessageReactionAdd, (reaction, user) =>
      say('reacted', { id: reaction.message.id, user: user.id, emoji: reaction.emoji.name }));
    client.on(Events.GuildUnavailable, (guild) => say('guild_unavailable', { id: guild.id }));
    client.on(Events.GuildAvailable, (guild) => say('guild_available', { id: guild.id }));
    client.on(Events.GuildDelete, (guild) => say('guild_removed', { id: guild.id }));
    client.on(Events.GuildCreate, (guild) => say('guild_added', { id: guild.id }));
    client.once(Events.ClientReady, () => say('ready', { user: client.user.id }));
    await client.login(settings.token);
  },

  // Answers a message with everything one can do to a message.
  async write() {
    await connect();
    onMessage(async (message) => {
      await message.channel.sendTyping();
      const sent = await message.channel.send('first words');
      const reply = await message.reply({ content: `hello <@${message.author.id}>`, allowedMentions: { repliedUser: false, parse: [] } });
      await sent.edit('better words');
      const fetched = await message.channel.messages.fetch({ message: sent.id, force: true });
      const before = await message.channel.messages.fetch({ before: reply.id, limit: 2 });
      await reply.delete();
      say('wrote', { sent: sent.id, reply: reply.id, fetched: describe.message(fetched), before: [...before.keys()] });
    });
    say('ready');
  },

  async embeds() {
    await connect();
    onMessage(async (message) => {
      const embed = new EmbedBuilder().setTitle('A title').setDescription('Some text').setColor(0x3366ff)
        .addFields({ name: 'field', value: 'its value', inline: true }).setFooter({ text: 'small print' });
      const { id } = await message.channel.send({ content: 'see below', embeds: [embed] });
      const [seen] = (await message.channel.messages.fetch({ message: id, force: true })).embeds;
      say('embedded', { id, title: seen.title, description: seen.description, color: seen.color,
        fields: seen.fields.map(({ name, value, inline }) => ({ name, value, inline })), footer: seen.footer.text });
    });
    say('ready');
  },

  async commands() {
    await connect();
    onInteraction(async (interaction) => {
      if (!interaction.isChatInputCommand()) return;
      const question = interaction.options.getString('question');
      if (question === 'slowly') {
        await interaction.deferReply();
        await interaction.editReply('thought about it');
        await interaction.followUp('one more thing');
      } else {
        await interaction.reply({ content: 'between us', flags: MessageFlags.Ephemeral });
      }
      say('answered', { question, user: interaction.user.id, guild: interaction.guildId, channel: interaction.channelId });
    });
    const option = { name: 'question', description: 'what to ask', type: ApplicationCommandOptionType.String, required: true };
    const commands = await client.application.commands.set([{ name: 'ask', description: 'Ask a question', options: [option] }]);
    say('ready', { commands: commands.map(({ id, name }) => ({ id, name })) });
  },

  async buttons() {
    await connect();
    onMessage(async (message) => {
      await message.channel.send({ content: 'press one', components: [row(button('now'), button('later'))] });
      say('posted');
    });
    onInteraction(async (interaction) => {
      if (!interaction.isButton()) return;
      if (interaction.customId === 'now') {
        await interaction.update({ content: 'pressed now', components: [row(button('later'))] });
      } else {
        await interaction.deferUpdate();
        await interaction.editReply({ content: 'pressed later', components: [] });
      }
      say('pressed', { button: interaction.customId, user: interaction.user.id, message: interaction.message.id });
    });
    say('ready');
  },

  async menus() {
    await connect();
    const colours = new StringSelectMenuBuilder().setCustomId('colours').setMaxValues(2)
      .addOptions(['red', 'green', 'blue'].map((value) => ({ label: value, value })));
    const people = new UserSelectMenuBuilder().setCustomId('people');
    onMessage(async (message) => {
      await message.channel.send({ content: 'choose', components: [row(colours), row(people)] });
      say('posted');
    });
    onInteraction(async (interaction) => {
      if (!interaction.isAnySelectMenu()) return;
      await interaction.update({ content: `chose ${interaction.values.join(' and ')}` });
      say('chosen', { menu: interaction.customId, values: interaction.values,
        users: interaction.isUserSelectMenu() ? interaction.users.map((user) => user.username) : [] });
    });
    say('ready');
  },

  async modals() {
    await connect();
    onInteraction(async (interaction) => {
      if (interaction.isChatInputCommand()) {
        const input = (id, style) => row(new TextInputBuilder().setCustomId(id).setLabel(id).setStyle(style));
        await interaction.showModal(new ModalBuilder().setCustomId('report').setTitle('Report a problem')
          .addComponents(input('title', TextInputStyle.Short), input('details', TextInputStyle.Paragraph)));
        say('shown');
      } else if (interaction.isModalSubmit()) {
        const [title, details] = ['title', 'details'].map((id) => interaction.fields.getTextInputValue(id));
        await interaction.reply({ content: `thanks for: ${title}`, flags: MessageFlags.Ephemeral });
        say('submitted', { modal: interaction.customId, title, details, user: interaction.user.id });
      }
    });
    await client.application.commands.set([{ name: 'report', description: 'Report a problem' }]);
    say('ready');
  },

  async autocomplete() {
    await connect();
    onInteraction(async (interaction) => {
      if (interaction.isAutocomplete()) {
        const { name, value } = interaction.options.getFocused(true);
        const choices = ['billing', 'bots', 'roles'].filter((topic) => topic.startsWith(value));
        await interaction.respond(choices.map((topic) => ({ name: topic, value: topic })));
        say('completed', { name, value });
      } else if (interaction.isMessageContextMenuCommand()) {
        await interaction.reply(`> ${interaction.targetMessage.content}`);
        say('quoted', { message: interaction.targetId, author: interaction.targetMessage.author.id });
      }
    });
    const option = { name: 'topic', description: 'about what', type: ApplicationCommandOptionType.String, required: true, autocomplete: true };
    const commands = await client.guilds.cache.get(settings.guild).commands.set([
      { name: 'find', description: 'Find a topic', options: [option] },
      { name: 'Quote', type: ApplicationCommandType.Message },
    ]);
    say('ready', { commands: commands.map(({ name, guildId }) => ({ name, guild: guildId })) });
  },

  // Reads the file that comes with a message and sends it back, changed.
  async files() {
    await connect();
    onMessage(async (message) => {
      const given = message.attachments.first();
      const text = await (await fetch(given.url)).text();
      const echo = new AttachmentBuilder(Buffer.from(text.toUpperCase()), { name: 'echo.txt', description: 'your words' });
      const sent = await message.channel.send({ content: 'here', files: [echo] });
      const file = sent.attachments.first();
      say('echoed', { ...describe.message(message), text, url: file.url, description: file.description, size: file.size });
    });
    say('ready');
  },

  async layout() {
    await connect();
    onMessage(async (message) => {
      const text = (content) => new TextDisplayBuilder().setContent(content);
      const box = new ContainerBuilder().addTextDisplayComponents(text('in a box')).addActionRowComponents(row(button('inside')));
      const sent = await message.channel.send({ flags: MessageFlags.IsComponentsV2, components: [text('# Heading'), box] });
      say('laid_out', { id: sent.id, kinds: sent.components.map((component) => component.type) });
    });
    say('ready');
  },

  async tidy() {
    await connect();
    onMessage(async (message) => {
      const { channel } = message;
      await message.react('👍');
      await message.pin();
      const { items } = await channel.messages.fetchPins();
      const sent = [];
      for (const text of ['one', 'two', 'three']) sent.push(await channel.send(text));
      const gone = await channel.bulkDelete(sent.slice(1));
      await message.reactions.resolve('👍').users.remove(client.user);
      say('tidied', { pinned: items.map((pin) => pin.message.id), gone: [...gone.keys()].sort(), kept: sent[0].id });
    });
    say('ready');
  },

  // Tries to write into each of the channels.
  async denied() {
    await connect();
    const channels = settings.channels.map((id) => client.channels.cache.get(id));
    onMessage(async () => {
      for (const channel of channels) {
        await channel.send('may I?').then(() => say('allowed', { channel: channel.id }),
          (error) => say('denied', { channel: channel.id, ...describe.error(error) }));
      }
    });
    say('ready');
  },

  async forum() {
    await connect();
    onMessage(async (message) => {
      if (message.channel.isThread()) return;
      const forum = client.channels.cache.get(settings.forum);
      const post = await forum.threads.create({ name: 'a post', message: { content: 'how it begins' } });
      const starter = await post.fetchStarterMessage();
      await post.send('how it goes on');
      await post.setLocked(true);
      say('posted', { post: post.id, parent: post.parentId, starter: starter.id, content: starter.content, locked: post.locked });
    });
    say('ready');
  },

  // Asks the gateway for all members of a server, and for those whose names begin with something.
  async members() {
    await connect();
    const guild = client.guilds.cache.get(settings.guild);
    const all = await guild.members.fetch();
    const some = await guild.members.fetch({ query: settings.query, limit: 20 });
    say('ready', { all: [...all.keys()], some: some.map((member) => member.user.username) });
  },

  async threads() {
    await connect();
    client.on(Events.ThreadCreate, (thread) => say('thread', { id: thread.id, name: thread.name }));
    onMessage(async (message) => {
      if (message.channel.isThread()) return;
      const thread = await message.startThread({ name: 'about it', autoArchiveDuration: 60 });
      const inside = await thread.send('inside');
      await thread.setName('about it, renamed');
      await thread.setArchived(true);
      say('threaded', { thread: thread.id, parent: thread.parentId, inside: inside.id, archived: thread.archived, name: thread.name });
    });
    say('ready');
  },

  async direct() {
    await connect();
    onMessage(async (message) => {
      if (message.guildId) {
        const sent = await message.author.send('this is private');
        say('sent', { id: sent.id, channel: sent.channelId });
      } else {
        await message.channel.send(`you said: ${message.content}`);
        say('message', describe.message(message));
      }
    });
    say('ready');
  },

  async refused_token() {
    create();
    await client.login('MTA0NTg4ODk5NjM1NTQ4NTY5Ng.not.the-token').then(() => say('accepted'), (error) => say('refused', describe.error(error)));
  },

  async refused_intents() {
    create();
    await client.login(settings.token).then(() => say('accepted'), (error) => say('refused', describe.error(error)));
  },

  // Several gateway shards in one client.
  async shards() {
    await connect({ shards: settings.shards ?? 'auto' });
    onMessage((message) => say('message', { ...describe.message(message), shard: message.guild?.shardId ?? 0 }));
    say('ready', { shards: client.ws.shards.size, guilds: client.guilds.cache.map(({ id, shardId }) => ({ id, shard: shardId })) });
  },

  // So many messages into each channel, as fast as the library lets them out: one after the other, or all at once.
  async burst() {
    await connect();
    say('ready');
    await go;
    const fill = async (id) => {
      const channel = await client.channels.fetch(id);
      const sent = [];
      for (let n = 0; n < settings.count; n += 1) {
        sent.push(channel.send(`${n}`));
        if (!settings.at_once) await sent[n];
      }
      await Promise.all(sent);
    };
    await Promise.all(settings.channels.map(fill));
    say('delivered');
  },
};

function fail(error) {
  say('error', describe.error(error));
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
}

async function stop() {
  await client?.destroy();
  process.exit();
}

let goOn;
const go = new Promise((resolve) => { goOn = resolve; });
const orders = { go: () => goOn(), stop };
require('node:readline').createInterface({ input: process.stdin })
  .on('line', (line) => orders[JSON.parse(line).do]()).on('close', stop);
scenarios[scenario]().catch(fail);
