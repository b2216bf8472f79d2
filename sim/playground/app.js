// Brings the page up and keeps it true: which server, who, which channel, and what happens there.

import * as acts from './act.js';
import { get, listen } from './api.js';
import { Composer } from './composer.js';
import { findServer, switchPerson, toast } from './dialogs.js';
import { fill, h } from './dom.js';
import { Timeline } from './timeline.js';
import * as places from './places.js';
import { callsMe, changed, channel, channels, isDirect, isForum, isThread, names, on, put, room, state, userName } from './state.js';

const $ = (id) => document.getElementById(id);
const TYPING_MS = 10_000;
let listening = null;
let entering = 0;

const composer = new Composer({ say: acts.say, slash: acts.slash, complete: acts.complete, typing: acts.typing, editLast: acts.editLast });
const timeline = new Timeline({ ...acts, more: (one, anchor) => acts.more(one, anchor, go), open: go, earlier, retry: () => load(state.channel) });
names.open = go;

on(['servers', 'server'], () => places.rail({ enter: (id) => enter(id), find }));
on(['server', 'channel', 'unread', 'people'], () => places.sidebar({ go, person }));
on(['server', 'channel'], () => places.head({ go, thread: acts.threadMenu }));
on(['server', 'people'], () => places.crowd({ become }));
on(['messages', 'channel', 'server', 'people'], () => timeline.show());
on(['composer', 'channel', 'server'], () => composer.show());
on(['typing', 'channel'], showTyping);
on(['connection'], showConnection);

/** Goes into a server as somebody: named, the last one, or its first member. */
async function enter(serverId, viewer, channelId) {
  const mine = (entering += 1);
  const again = state.serverId === serverId && state.me === viewer && state.server;
  listening?.end();
  if (!again) {
    Object.assign(state, { serverId, server: null, me: null, channel: null, problem: null, replyTo: null, people: new Map() });
    for (const held of [state.rooms, state.typing, state.unread, state.pending]) held.clear();
    changed('server', 'channel', 'people', 'messages', 'composer');
  }
  try {
    const { people } = await get(`/servers/${serverId}/people`);
    if (mine !== entering) return;
    const all = new Map(people.map((one) => [one.user.id, one]));
    const remembered = recall(`as:${serverId}`);
    state.people = all;
    state.me = [viewer, remembered].find((id) => all.has(id)) ?? people.find((one) => one.kind === 'member')?.user.id ?? people[0]?.user.id;
    if (!state.me) throw new Error('Nobody lives in this server.');
    remember(`as:${serverId}`, state.me);
    // Listening first: what happens while the present is read is not missed.
    listening = listen(state.me, serverId, heard, connection);
    await listening.first;
    await refresh();
    if (mine !== entering) return;
    if (channelId && !channel(channelId)) await know(channelId);
    const wanted = [channelId, recall(`at:${serverId}`)].find((id) => channel(id));
    go(wanted ?? firstPlace());
  } catch (error) {
    if (mine !== entering) return;
    state.problem = error.message;
    changed('server', 'messages');
    setTimeout(() => mine === entering && enter(serverId, viewer, channelId), 3_000);
  }
}

/** Reads the server's channels, roles and commands. */
async function refresh() {
  const { serverId, me } = state;
  const [server, { commands }] = await Promise.all([get(`/servers/${serverId}`, { as: me }), get(`/servers/${serverId}/commands`)]);
  if (state.serverId !== serverId || state.me !== me) return;
  Object.assign(state, { server, commands, problem: null });
  if (state.channel && !channel(state.channel) && !(await know(state.channel))) go(firstPlace());
  changed('server', 'people');
}

/** Reads a channel or thread that was not told with the server, such as one archived long ago. */
async function know(id) {
  const one = await get(`/channels/${id}`, { as: state.me }).catch(() => null);
  if (one && state.server && !channel(id)) (isThread(one) ? state.server.threads : state.server.channels).push(one);
  return one;
}

const firstPlace = () => channels().find((one) => one.type === 0)?.id ?? channels()[0]?.id ?? null;

let refreshing = null;

function refreshSoon() {
  refreshing ??= setTimeout(() => {
    refreshing = null;
    refresh().catch((error) => toast(error.message, 'error'));
  }, 120);
}

function become(user) {
  toast(`You are ${userName(user)} now.`);
  enter(state.serverId, user, state.channel);
}

const person = () => switchPerson(become);
const find = () => findServer((id) => enter(id));

/** Shows a channel or thread. A thread that is not known yet is read first. */
async function go(id) {
  closeDrawers();
  if (id && !channel(id) && !(await know(id))) {
    toast('You do not see that channel.', 'error');
    return;
  }
  state.channel = id;
  state.replyTo = null;
  state.unread.delete(id);
  if (id) {
    remember(`at:${state.serverId}`, id);
    const target = `#/${state.serverId}/${id}?as=${state.me}`;
    if (location.hash !== target) history.pushState(null, '', target);
  }
  changed('channel', 'unread');
  if (id && !isForum(channel(id))) await load(id);
}

async function load(id) {
  const held = room(id);
  held.status = held.list.length ? 'ready' : 'loading';
  changed('messages');
  try {
    const page = await get(`/channels/${id}/messages`, { as: state.me });
    const first = page.messages[0];
    // Earlier pages stay; what is gone meanwhile goes.
    held.list = first ? held.list.filter((one) => BigInt(one.id) < BigInt(first.id) && held.paged) : [];
    if (!held.list.length) held.more = page.more;
    page.messages.forEach(put);
    Object.assign(held, { status: 'ready', error: null });
  } catch (error) {
    Object.assign(held, { status: 'failed', error: error.message });
  }
  changed('messages');
}

async function earlier() {
  const held = room(state.channel);
  if (!held.more || held.reading || !held.list.length) return;
  held.reading = true;
  try {
    const page = await get(`/channels/${state.channel}/messages`, { as: state.me, before: held.list[0].id });
    held.more = page.more;
    held.paged = true;
    page.messages.forEach(put);
    changed('messages');
  } catch (error) {
    toast(error.message, 'error');
  } finally {
    held.reading = false;
  }
}

function heard(what, data) {
  if (what === 'message') heardMessage(data);
  else if (what === 'gone') {
    const held = room(data.channel);
    held.list = held.list.filter((one) => !data.ids.includes(one.id));
    changed('messages');
  } else if (what === 'typing') {
    if (data.user !== state.me) typing(data.channel, data.user);
  } else if (what === 'server') refreshSoon();
  else if (what === 'interaction') acts.settle(data.id, data);
  else if (what === 'missed') catchUp();
}

function heardMessage(message) {
  const { channel_id: where } = message;
  const isNew = put(message);
  state.typing.get(where)?.delete(message.author.id);
  changed('messages', 'typing');
  if (!isNew) return;
  if (channel(where)?.message_count !== undefined) refreshSoon();
  const looking = where === state.channel && document.visibilityState === 'visible';
  if (looking || message.author.id === state.me) return;
  const news = state.unread.get(where) ?? { count: 0, mentions: 0 };
  const calls = callsMe(message) || isDirect(channel(where));
  state.unread.set(where, { count: news.count + 1, mentions: news.mentions + (calls ? 1 : 0) });
  changed('unread');
}

/** Reads again what is shown, after events may have been missed. */
function catchUp() {
  for (const [id, held] of state.rooms) Object.assign(held, { paged: false }, id !== state.channel && { list: [], status: 'new' });
  refresh().then(() => state.channel && load(state.channel)).catch(() => {});
}

function connection(now) {
  const before = state.connection;
  state.connection = now;
  if (before === 'lost' && now === 'live') {
    toast('Connected again.');
    catchUp();
  }
  if (before !== now) changed('connection');
}

function showConnection() {
  const lost = state.connection === 'lost';
  $('connection').hidden = !lost;
  if (lost) fill($('connection'), h('span.spinner', { 'aria-hidden': 'true' }), 'Connection to the simulator lost. Trying again…');
  document.body.classList.toggle('offline', lost);
}

function typing(where, user) {
  if (!state.typing.has(where)) state.typing.set(where, new Map());
  state.typing.get(where).set(user, Date.now() + TYPING_MS);
  setTimeout(() => changed('typing'), TYPING_MS + 50);
  changed('typing');
}

function showTyping() {
  const here = [...(state.typing.get(state.channel) ?? [])].filter(([user, until]) => until > Date.now() && user !== state.me).map(([user]) => userName(user) ?? 'Somebody');
  const words = here.length > 3 ? 'Several people are typing…' : here.length ? `${here.join(', ')} ${here.length > 1 ? 'are' : 'is'} typing…` : '';
  fill($('typing'), words && h('span.dots', { 'aria-hidden': 'true' }, h('i'), h('i'), h('i')), words);
}

const key = (name) => `playground:${name}`;

function remember(name, value) {
  try { sessionStorage.setItem(key(name), value); } catch { /* a browser that keeps nothing still works */ }
}

function recall(name) {
  try { return sessionStorage.getItem(key(name)); } catch { return null; }
}

function closeDrawers() {
  document.body.classList.remove('places-open', 'crowd-open');
  $('open-places').setAttribute('aria-expanded', 'false');
}

function drawer(button, name) {
  button.addEventListener('click', () => {
    const open = document.body.classList.toggle(name);
    button.setAttribute('aria-expanded', String(open));
  });
}

function theme() {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const now = document.documentElement.dataset.theme ?? (dark ? 'dark' : 'light');
  document.documentElement.dataset.theme = now === 'dark' ? 'light' : 'dark';
  remember('theme', document.documentElement.dataset.theme);
}

async function moreServers() {
  const page = await get('/servers', { after: state.nextServer ?? 0, limit: 30 });
  state.servers.push(...page.servers);
  Object.assign(state, { nextServer: page.next, total: page.total });
  changed('servers');
}

/** `#/server/channel?as=user` */
function wanted() {
  const [path, query] = location.hash.slice(1).split('?');
  const [, server, at] = path.split('/');
  const id = (text) => (/^\d{1,20}$/.test(text ?? '') ? text : undefined);
  return { server: id(server), channel: id(at), as: id(new URLSearchParams(query).get('as')) };
}

function follow() {
  const to = wanted();
  if (!to.server) return;
  if (to.server !== state.serverId || (to.as && to.as !== state.me)) enter(to.server, to.as, to.channel);
  else if (to.channel && to.channel !== state.channel) go(to.channel);
}

async function start() {
  if (recall('theme')) document.documentElement.dataset.theme = recall('theme');
  for (const [button, act] of [['rail-find', find], ['rail-more', moreServers], ['toggle-theme', theme]]) $(button).addEventListener('click', act);
  drawer($('open-places'), 'places-open');
  drawer($('toggle-crowd'), 'crowd-open');
  $('shade').addEventListener('click', closeDrawers);
  addEventListener('keydown', (event) => event.key === 'Escape' && closeDrawers());
  addEventListener('hashchange', follow);
  addEventListener('popstate', follow);
  document.addEventListener('visibilitychange', () => { state.unread.delete(state.channel); changed('unread'); });
  await reach();
}

/** The first contact; tried until it succeeds. */
async function reach() {
  try {
    state.bot = (await get('/hello')).bot;
    if (!state.servers.length) await moreServers();
    const to = wanted();
    const first = to.server ?? state.servers[0]?.id;
    if (!first) {
      state.problem = 'This world has no servers.';
      changed('server', 'messages');
      return;
    }
    await enter(first, to.as, to.channel);
  } catch (error) {
    state.problem = `${error.message} Trying again…`;
    changed('server', 'messages');
    setTimeout(reach, 2_000);
  }
}

start();
