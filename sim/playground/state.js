// What the page knows: one object, changed in one place at a time, and who wants to hear of it.

import { oneLine } from './markdown.js';

export const state = {
  bot: null,
  total: 0,
  servers: [],
  nextServer: null,
  /** The server looked at, as the viewer sees it; null while it loads. */
  server: null,
  serverId: null,
  /** Who one is. */
  me: null,
  people: new Map(),
  commands: [],
  channel: null,
  /** Channel id -> {list, more, status: 'loading' | 'ready' | 'failed', error}. */
  rooms: new Map(),
  /** Channel id -> Map of user -> when he stops typing. */
  typing: new Map(),
  /** Channel id -> {count, mentions}. */
  unread: new Map(),
  /** Interaction id -> {channel, message, customId, label, failed}. */
  pending: new Map(),
  replyTo: null,
  connection: 'connecting',
  problem: null,
};

const listeners = new Map();

/** Calls `then` whenever one of the topics changed. */
export function on(topics, then) {
  for (const topic of topics) listeners.set(topic, [...(listeners.get(topic) ?? []), then]);
}

const due = new Set();

/** Says that topics changed; whoever listens is called once, in the next frame at the latest. */
export function changed(...topics) {
  if (due.size === 0) queueMicrotask(settle);
  for (const topic of topics) due.add(topic);
}

function settle() {
  const calls = new Set([...due].flatMap((topic) => listeners.get(topic) ?? []));
  due.clear();
  for (const call of calls) call();
}

export const BITS = {
  ADMINISTRATOR: 3n, ADD_REACTIONS: 6n, VIEW: 10n, SEND: 11n, MANAGE_MESSAGES: 13n, ATTACH: 15n, HISTORY: 16n, EVERYONE: 17n,
  COMMANDS: 31n, MANAGE_THREADS: 34n, THREADS: 35n, IN_THREADS: 38n, PIN: 51n,
};

/** Whether the viewer may do something in a channel. */
export function may(channel, bit) {
  return Boolean(channel) && ((BigInt(channel.permissions ?? 0) >> BITS[bit]) & 1n) === 1n;
}

/** Every channel, thread and direct message the viewer sees. */
export function channels() {
  const server = state.server;
  return server ? [...server.channels, ...server.threads, ...server.direct] : [];
}

export function channel(id) {
  return channels().find((one) => one.id === id) ?? null;
}

export const isThread = (one) => [10, 11, 12].includes(one?.type);
export const isForum = (one) => [15, 16].includes(one?.type);
export const isDirect = (one) => one?.type === 1;

/** The name of a user here: nickname, display name, user name. */
export function userName(id) {
  const member = state.people.get(id);
  if (member) return oneLine(member.nick || member.user.global_name || member.user.username);
  if (id === state.bot?.id) return oneLine(state.bot.username);
  return null;
}

export function role(id) {
  return state.server?.roles.find((one) => one.id === id) ?? null;
}

/** Names for ids in texts. */
export const names = {
  user: userName,
  role: (id) => role(id)?.name.replace(/^@/, '') ?? null,
  channel: (id) => channel(id)?.name ?? null,
  mine: (kind, id) => (kind === 'user' ? id === state.me : state.server?.me.roles.includes(id)),
  open: null,
};

/** Whether a message calls the viewer: by name, by a role of his, or everybody. */
export function callsMe(message) {
  if (message.author.id === state.me) return false;
  return message.mention_everyone
    || message.mentions.some((user) => user.id === state.me)
    || message.mention_roles.some((id) => state.server?.me.roles.includes(id));
}

export function room(id) {
  if (!state.rooms.has(id)) state.rooms.set(id, { list: [], more: false, status: 'new', error: null });
  return state.rooms.get(id);
}

/** Puts a message where its number belongs, in place of an earlier state of it. Tells whether it was new. */
export function put(message) {
  const { list } = room(message.channel_id);
  const at = list.findIndex((one) => one.id === message.id);
  if (at >= 0) {
    list[at] = message;
    return false;
  }
  const number = BigInt(message.id);
  let place = list.length;
  while (place > 0 && BigInt(list[place - 1].id) > number) place -= 1;
  list.splice(place, 0, message);
  return true;
}
