// Messages: who said what, embeds, attachments, reactions, and what one can do with a message.

import { avatar, clock, day, fill, h, icon, iconButton, moment, name } from './dom.js';
import { components } from './components.js';
import { oneLine, parse, plainText, webAddress } from './markdown.js';
import { BITS, callsMe, channel, may, names, role, room, state, userName } from './state.js';
import { link, text } from './text.js';

const EPHEMERAL = 1 << 6;
const LOADING = 1 << 7;
const HAS_THREAD = 1 << 5;
const COMPONENTS_V2 = 1 << 15;
const GROUP_MS = 7 * 60_000;
const SYSTEM = {
  6: (who) => [who, ' pinned a message to this channel.'],
  18: (who, message) => [who, ' started a thread: ', h('strong', null, name(message.content))],
  4: (who, message) => [who, ' renamed this to ', h('strong', null, name(message.content))],
  7: (who) => [who, ' joined the server.'],
};

/** Whether a message stands under the same author's earlier one without a head of its own. */
export function continues(message, before) {
  return Boolean(before) && before.author.id === message.author.id && [0, 20].includes(message.type) && [0, 19, 20].includes(before.type)
    && !message.interaction_metadata && !before.interaction_metadata && !(before.flags & EPHEMERAL) && !(message.flags & EPHEMERAL)
    && !callsMe(message) && new Date(message.timestamp) - new Date(before.timestamp) < GROUP_MS;
}

/** A message as an element. `acts` is what can be done: press, reply, react, edit, remove, menu, open. */
export function message(one, grouped, acts) {
  if (one.type === 21) return starter(one, acts);
  if (SYSTEM[one.type]) return system(one);
  const own = one.author.id === state.me;
  const hidden = Boolean(one.flags & EPHEMERAL);
  const classes = [grouped && 'grouped', callsMe(one) && 'calls-me', hidden && 'ephemeral'].filter(Boolean).map((c) => `.${c}`).join('');
  const author = userName(one.author.id) ?? oneLine(one.author.global_name || one.author.username);
  const body = h('div.message-body', null,
    !grouped && head(one, author),
    content(one),
    (one.embeds ?? []).map(embed),
    (one.attachments ?? []).map(attachment),
    controls(one, acts),
    failure(one),
    reactions(one, acts),
    hidden && h('p.only-you', null, icon('eye'), 'Only you can see this', h('button.plain', { type: 'button', onclick: () => acts.dismiss(one) }, 'Dismiss message')),
    threadCard(one, acts));
  return h(`article.message${classes}`, { 'data-id': one.id, tabindex: '-1', 'aria-label': `${author}, ${clock(new Date(one.timestamp))}` },
    cause(one, acts),
    h('div.message-main', null, grouped ? h('time.gutter', { datetime: one.timestamp }, clock(new Date(one.timestamp))) : avatar(one.author), body),
    !hidden && tools(one, own, acts));
}

function head(one, author) {
  const date = new Date(one.timestamp);
  const today = new Date().toDateString() === date.toDateString();
  const staff = (one.member?.roles ?? []).map(role).filter((r) => r && !r.managed && r.name !== '@everyone').at(-1);
  const tint = staff?.color ? { style: { color: `#${staff.color.toString(16).padStart(6, '0')}` } } : {};
  return h('header.message-head', null,
    h('span.author', tint, name(author)),
    one.author.bot && h('span.tag', null, 'APP'),
    staff && h('span.role-tag', null, name(staff.name)),
    h('time', { datetime: one.timestamp, title: moment(date) }, today ? clock(date) : `${day(date)}, ${clock(date)}`));
}

function content(one) {
  if (one.flags & LOADING) {
    return h('p.thinking', null, h('span.dots', { 'aria-hidden': 'true' }, h('i'), h('i'), h('i')), `${userName(one.author.id) ?? 'The app'} is thinking…`);
  }
  if (!one.content) return null;
  const said = h('div.said', null, text(one.content, names));
  if (one.edited_timestamp && one.type !== 20) said.append(h('span.edited', { title: moment(new Date(one.edited_timestamp)) }, '(edited)'));
  return said;
}

/** What stands above a message: the one it replies to, or the command it answers. */
function cause(one, acts) {
  const used = one.interaction_metadata;
  if (used && one.type === 20) {
    const by = userName(used.user.id) ?? used.user.username;
    return h('div.cause', null, avatar(used.user, 'tiny'), name(by), ' used ', h('span.mention', null, one.used ? `/${oneLine(one.used)}` : 'a command'));
  }
  if (one.type !== 19 || !one.message_reference) return null;
  const earlier = one.referenced_message;
  if (!earlier) return h('div.cause', null, icon('reply'), h('em', null, 'The message it answers was deleted.'));
  const who = userName(earlier.author.id) ?? earlier.author.username;
  const words = plainText(parse(earlier.content.slice(0, 300)), names) || 'a message without text';
  return h('button.cause', { type: 'button', 'aria-label': `Answer to ${who}: go to that message`, onclick: () => acts.show(earlier.id) },
    icon('reply'), avatar(earlier.author, 'tiny'), h('b', null, name(who)), h('span.excerpt', { dir: 'auto' }, oneLine(words)));
}

function starter(one, acts) {
  const first = one.referenced_message;
  if (!first) return h('article.message.note', null, h('p.hint', null, 'The message this thread started from was deleted.'));
  const shown = { ...first, flags: first.flags & ~HAS_THREAD, id: one.id, components: [], thread: null, type: 0 };
  const element = message(shown, false, { ...acts, none: true });
  element.classList.add('starter');
  return element;
}

function system(one) {
  const who = h('b', null, name(userName(one.author.id) ?? one.author.username));
  return h('article.message.note', { 'data-id': one.id }, h('p.hint', null, SYSTEM[one.type](who, one), ' ', h('time', { datetime: one.timestamp }, clock(new Date(one.timestamp)))));
}

function embed(one) {
  const colour = Number.isInteger(one.color) ? { '--accent-line': `#${one.color.toString(16).padStart(6, '0')}` } : {};
  const href = webAddress(one.url);
  const title = one.title && text(one.title, names);
  return h('section.embed', { style: colour, 'aria-label': 'Embed' },
    one.author?.name && h('p.embed-author', null, webAddress(one.author.url) ? link(webAddress(one.author.url), name(one.author.name)) : name(one.author.name)),
    title && h('div.embed-title', null, href ? link(href, title) : title),
    one.description && h('div.said', null, text(one.description, names)),
    one.fields?.length > 0 && h('div.embed-fields', null, one.fields.map((field) =>
      h(`div.embed-field${field.inline ? '.inline' : ''}`, null, h('b', { dir: 'auto' }, oneLine(field.name)), h('div.said', null, text(field.value, names))))),
    one.image?.url && picture(one.image.url, ''),
    one.thumbnail?.url && picture(one.thumbnail.url, '', 'thumbnail'),
    (one.footer?.text || one.timestamp) && h('footer', null, one.footer?.text && name(one.footer.text), one.footer?.text && one.timestamp && ' · ', one.timestamp && moment(new Date(one.timestamp))));
}

/** An address; the simulator's own files are taken from where the page came from, by whatever name. */
function local(address) {
  if (!address || !URL.canParse(address, location.href)) return null;
  const url = new URL(address, location.href);
  const here = url.port === location.port && /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(url.hostname);
  return here && url.pathname.startsWith('/attachments/') ? new URL(url.pathname + url.search, location.origin) : url;
}

/** A picture of this machine; one from elsewhere is not fetched, its address is shown. */
export function picture(address, description, kind = 'image') {
  const url = local(address);
  if (!url) return null;
  if (url.origin === location.origin) return h(`img.${kind}`, { src: url.href, alt: oneLine(description || ''), loading: 'lazy' });
  const href = webAddress(url.href);
  return href && h('p.hint', null, icon('file'), 'Picture: ', link(href, name(url.host)));
}

/** A file of a message. */
export function attachment(one) {
  const url = local(one.url);
  const own = url?.origin === location.origin;
  if (own && /^image\/(png|jpeg|gif|webp)$/.test(one.content_type ?? '')) {
    return h('figure.attachment', null, picture(one.url, one.description || one.filename), h('figcaption', null, name(one.filename)));
  }
  const size = Number.isFinite(one.size) ? `${(one.size / 1024).toFixed(1)} kB` : '';
  const href = url && (own ? url.href : webAddress(url.href));
  const called = name(one.title || one.filename || 'file');
  return h('div.attachment.file', null, icon('file'), href ? h('a', { href, download: oneLine(one.filename ?? 'file'), target: '_blank', rel: 'noopener noreferrer' }, called) : called, h('small', null, size));
}

function controls(one, acts) {
  if (!one.components?.length) return null;
  const busy = (customId) => [...state.pending.values()].some((p) => p.message === one.id && p.customId === customId && !p.failed);
  const press = (customId, values, label) => acts.press(one, customId, values, label);
  const made = components(one.components, { message: one, names, busy, press });
  return h(`div.components${one.flags & COMPONENTS_V2 ? '.v2' : ''}`, null, made);
}

function failure(one) {
  const failed = [...state.pending.values()].some((p) => p.message === one.id && p.failed);
  return failed && h('p.failed', { role: 'alert' }, 'This interaction failed: the app did not answer in time.');
}

function reactions(one, acts) {
  if (!one.reactions?.length) return null;
  return h('div.reactions', null, one.reactions.map((reaction) => {
    const emoji = reaction.emoji.id ? `:${reaction.emoji.name}:` : reaction.emoji.name;
    const mine = reaction.mine ?? reaction.me;
    return h(`button.reaction${mine ? '.mine' : ''}`, { type: 'button', 'aria-pressed': String(Boolean(mine)), 'aria-label': `${emoji}, ${reaction.count}`, onclick: () => acts.react(one, reaction.emoji, !mine) }, h('span.emoji', null, oneLine(emoji)), String(reaction.count));
  }));
}

function threadCard(one, acts) {
  if (!(one.flags & HAS_THREAD)) return null;
  const thread = channel(one.id) ?? one.thread;
  const count = thread?.message_count ?? 0;
  return h('button.thread-card', { type: 'button', onclick: () => acts.open(one.id) },
    icon('thread'), h('b', { dir: 'auto' }, name(thread?.name ?? 'Thread')), h('span', null, `${count} message${count === 1 ? '' : 's'} ›`));
}

function tools(one, own, acts) {
  if (acts.none) return null;
  const here = channel(one.channel_id);
  const moderator = may(here, 'MANAGE_MESSAGES');
  return h('div.tools', { role: 'toolbar', 'aria-label': 'Message' },
    may(here, 'ADD_REACTIONS') && iconButton('smile', 'Add reaction', (event) => acts.pickReaction(one, event.currentTarget)),
    may(here, 'SEND') && iconButton('reply', 'Reply', () => acts.reply(one)),
    own && iconButton('edit', 'Edit', () => acts.edit(one)),
    (own || moderator) && iconButton('trash', 'Delete', () => acts.remove(one)),
    iconButton('more', 'More', (event) => acts.more(one, event.currentTarget), { 'aria-haspopup': 'menu' }));
}

export { BITS, EPHEMERAL, LOADING, fill, room };
