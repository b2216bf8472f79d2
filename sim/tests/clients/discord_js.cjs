'use strict';
// discord.js against the simulated Discord, used as a bot's author would use it. One function is one scenario; what it
// saw goes to stdout as a line of JSON, and sim/tests/clients.rs judges it. Run: node discord_js.cjs SCENARIO SETTINGS
// where SETTINGS is JSON: {"rest": "http://127.0.0.1:4000", "token": "…", …}. A line {"do": "stop"} on stdin ends it.
const {
  ActionRowBuilder, ApplicationCommandOptionType, AttachmentBuilder, ButtonBuilder, ButtonStyle, Client, Events,
  EmbedBuilder, GatewayIntentBits, MessageFlags, ModalBuilder, Options, Partials, StringSelectMenuBuilder,
  TextInputBuilder, TextInputStyle, UserSelectMenuBuilder,
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
  const rest = { api: `${settings.rest}/api`, cdn: settings.rest, ...options.rest };
  client = new Client({ intents: INTENTS, partials, ...options, rest });
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
    onMessage((message) => message.channel.send({ content: 'press one', components: [row(button('now'), button('later'))] }));
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

  async threads() {
    await connect();
    client.on(Events.ThreadCreate, (thread, isNew) => say('thread', { id: thread.id, name: thread.name, new: isNew }));
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

  // So many messages into each channel, as fast as the library lets them out.
  async burst() {
    await connect({ rest: settings.per_second ? { globalRequestsPerSecond: settings.per_second } : {} });
    say('ready');
    let waits = 0;
    client.rest.on('rateLimited', () => { waits += 1; });
    const fill = async (id) => {
      const channel = await client.channels.fetch(id);
      for (let n = 0; n < settings.count; n += 1) await channel.send(`${n}`);
    };
    await Promise.all(settings.channels.map(fill));
    say('delivered', { waits });
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

require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  if (JSON.parse(line).do === 'stop') stop();
}).on('close', stop);
scenarios[scenario]().catch(fail);
