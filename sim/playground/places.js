// Where one can be: servers at the edge, channels and threads beside them, people, and the head of the channel.

import { avatar, fill, h, icon, iconButton, name } from './dom.js';
import { isForum, isThread, channel, may, role, state, userName } from './state.js';

const $ = (id) => document.getElementById(id);

/** The servers at the edge. `acts`: enter(server), find(). */
export function rail(acts) {
  const shown = state.servers.some((one) => one.id === state.serverId) || !state.server ? state.servers : [{ id: state.serverId, name: state.server.name }, ...state.servers];
  fill($('rail-list'), shown.map((server) => {
    const here = server.id === state.serverId;
    return h('li', null, h(`button.server${here ? '.here' : ''}`, { type: 'button', title: server.name, 'aria-label': server.name, 'aria-current': here ? 'true' : undefined, onclick: () => acts.enter(server.id) },
      h('span.server-face', { 'aria-hidden': 'true', style: { '--hue': String((Number(server.id.slice(-6)) * 47) % 360) } }, initials(server.name))));
  }));
  $('rail-more').hidden = state.nextServer === null;
}

function initials(words) {
  return words.split(/\s+/).map((word) => (/^\d+$/.test(word) ? word.slice(-2) : [...word][0] ?? '')).join('').slice(0, 3).toUpperCase();
}

/** Channels, threads and direct messages, and who one is. `acts`: go(channel), person(), message(). */
export function sidebar(acts) {
  const { server } = state;
  fill($('server-name'), server ? name(server.name) : state.problem ? 'Not available' : h('span.skeleton.line'));
  if (!server) {
    fill($('channel-list'), state.problem ? h('p.empty', null, state.problem) : Array.from({ length: 6 }, () => h('span.skeleton.line')));
    fill($('who'), h('span.skeleton.line'));
    return;
  }
  const groups = server.channels.filter((one) => one.type === 4).sort((a, b) => a.position - b.position);
  const within = (parent) => server.channels.filter((one) => one.type !== 4 && (one.parent_id ?? null) === parent).sort((a, b) => a.position - b.position);
  const parentless = server.channels.filter((one) => one.type !== 4 && !groups.some((group) => group.id === one.parent_id)).sort((a, b) => a.position - b.position);
  fill($('channel-list'),
    h('section', null, h('h2', null, 'Channels'), parentless.length + groups.length === 0 && h('p.empty', null, 'There is no channel here that you can see.'), places(parentless, acts)),
    groups.map((group) => h('section', null, h('h2', null, name(group.name)), places(within(group.id), acts))),
    h('section', null, h('h2', null, 'Direct messages'), places(server.direct, acts)));
  const me = state.people.get(state.me);
  fill($('who'), me && avatar(me.user), h('span.who-name', null, name(userName(state.me) ?? ''), h('small', null, me ? title(me) : '')),
    h('button.press.secondary.switch', { type: 'button', onclick: acts.person, 'aria-label': `You act as ${userName(state.me)}. Be somebody else` }, icon('swap'), 'Switch'));
}

const MOST_THREADS = 8;
const TITLES = { owner: 'owner', staff: 'staff', member: 'member' };

function title(person) {
  return TITLES[person.kind] ?? 'member';
}

function places(list, acts) {
  return h('ul', null, list.map((one) => {
    const threads = state.server.threads.filter((thread) => thread.parent_id === one.id && (!thread.thread_metadata?.archived || thread.id === state.channel));
    // The newest, and whatever has news; the others are reached through their messages.
    const shown = threads.filter((thread, at) => at < MOST_THREADS || thread.id === state.channel || state.unread.has(thread.id));
    const more = threads.length - shown.length;
    return h('li', null, place(one, acts), threads.length > 0 && h('ul.threads', { 'aria-label': `Threads of ${one.name}` }, shown.map((thread) => h('li', null, place(thread, acts))), more > 0 && h('li.hint', null, `and ${more} older`)));
  }));
}

function place(one, acts) {
  const here = one.id === state.channel;
  const news = here ? null : state.unread.get(one.id);
  const classes = `${here ? '.here' : ''}${news ? '.news' : ''}`;
  return h(`button.place${classes}`, { type: 'button', 'data-channel': one.id, 'aria-current': here ? 'page' : undefined, onclick: () => acts.go(one.id) },
    sign(one), h('span.place-name', { dir: 'auto' }, name(one.name ?? 'thread')),
    one.thread_metadata?.locked && icon('lock'),
    news?.mentions > 0 && h('span.badge', { 'aria-label': `${news.mentions} mentions` }, String(news.mentions)),
    news && !news.mentions && h('span.dot', { 'aria-label': 'new messages' }));
}

/** The sign before a channel's name. */
export function sign(one) {
  if (one.type === 1) return avatar(state.bot, 'small');
  if (isThread(one)) return icon('thread');
  return icon(isForum(one) ? 'forum' : may(one, 'SEND') ? 'hash' : 'lock');
}

/** The head above the messages. `acts`: go(channel), thread actions. */
export function head(acts) {
  const here = channel(state.channel);
  const parent = isThread(here) ? channel(here.parent_id) : null;
  if (!here) {
    fill($('place-head'), h('span.skeleton.line'));
    return;
  }
  document.title = `${here.name ?? 'Direct message'} · Playground`;
  fill($('place-head'),
    parent && h('button.plain.parent', { type: 'button', onclick: () => acts.go(parent.id) }, sign(parent), name(parent.name)), parent && h('span.crumb', { 'aria-hidden': 'true' }, '›'),
    h('h1', { dir: 'auto' }, sign(here), name(here.name ?? 'thread')),
    here.topic && h('span.topic', { dir: 'auto' }, name(here.topic)),
    here.thread_metadata?.archived && h('span.tag.quiet', null, 'archived'),
    here.thread_metadata?.locked && h('span.tag.quiet', null, 'locked'),
    isThread(here) && (may(here, 'MANAGE_THREADS') || here.owner_id === state.me) && iconButton('more', 'Thread', (event) => acts.thread(here, event.currentTarget), { 'aria-haspopup': 'menu' }));
}

/** Everybody of the server, grouped as Discord groups them. */
export function crowd(acts) {
  const people = [...state.people.values()];
  const groups = [['Staff', people.filter((one) => one.kind !== 'member')], ['Apps', state.bot ? [{ user: state.bot, roles: [] }] : []], ['Members', people.filter((one) => one.kind === 'member')]];
  fill($('crowd-list'), groups.map(([called, list]) => list.length > 0 && h('section', null, h('h2', null, `${called} · ${list.length}`), h('ul', null, list.slice(0, 100).map((one) => h('li', null,
    h('button.person', { type: 'button', disabled: one.user.bot, title: one.user.bot ? 'The app' : `Act as ${userName(one.user.id)}`, onclick: () => acts.become(one.user.id) },
      avatar(one.user), name(userName(one.user.id) ?? ''), one.user.bot && h('span.tag', null, 'APP'), one.user.id === state.me && h('span.tag.quiet', null, 'YOU'))))))));
}

export { iconButton, role };
