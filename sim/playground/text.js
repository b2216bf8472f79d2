// Markdown trees as elements: mentions get their names, links open elsewhere, spoilers wait to be pressed.

import { h, name, moment, relative, clock, day } from './dom.js';
import { oneLine, parse } from './markdown.js';

/**
 * A message's text. `names` resolves ids: user(id), role(id), channel(id) give a name or nothing; mine(kind, id) tells
 * whether a mention means the viewer; open(channel id) shows a channel.
 */
export function text(content, names) {
  return parse(content).map((block) => element(block, names));
}

function all(nodes, names) {
  return nodes.map((node) => element(node, names));
}

function element(node, names) {
  switch (node.t) {
    case 'text': return node.v;
    case 'br': return h('br');
    case 'p': return h('p', { dir: 'auto' }, all(node.c, names));
    // Headings of a message are not headings of the page.
    case 'h': return h(`p.h${node.level}`, { dir: 'auto' }, all(node.c, names));
    case 'small': return h('p.small', { dir: 'auto' }, all(node.c, names));
    case 'quote': return h('blockquote', null, all(node.c, names));
    case 'list': return list(node, names);
    case 'pre': return h('pre', { tabindex: '0', 'aria-label': 'Code' }, h('code', { dir: 'ltr' }, node.v));
    case 'code': return h('code', { dir: 'ltr' }, node.v);
    case 'b': return h('strong', null, all(node.c, names));
    case 'i': return h('em', null, all(node.c, names));
    case 'u': return h('u', null, all(node.c, names));
    case 's': return h('s', null, all(node.c, names));
    case 'spoiler': return spoiler(node, names);
    case 'link': return link(node.href, all(node.c, names));
    case 'user': return mention('@', names.user?.(node.id) ?? 'somebody', names.mine?.('user', node.id));
    case 'role': return mention('@', names.role?.(node.id) ?? 'a role', names.mine?.('role', node.id));
    case 'everyone': return h('span.mention', null, node.v);
    case 'channel': return channel(node.id, names);
    case 'command': return h('span.mention', null, `/${node.name}`);
    case 'emoji': return h('span.emoji', { title: 'A picture of that server' }, `:${node.name}:`);
    case 'time': return time(node);
    default: return '';
  }
}

function list(node, names) {
  const items = node.items.map((item) => h('li', { dir: 'auto' }, all(item.c, names), item.sub && list(item.sub, names)));
  return h(node.ordered ? 'ol' : 'ul', node.ordered ? { start: node.start } : null, items);
}

/** A link; its real address stands in the title, since the words may say anything. */
export function link(href, content) {
  return h('a', { href, title: href, target: '_blank', rel: 'noopener noreferrer nofollow' }, content);
}

function mention(sign, called, mine) {
  return h(`span.mention${mine ? '.mine' : ''}`, null, sign, name(called));
}

function channel(id, names) {
  const called = names.channel?.(id);
  if (!called) return h('span.mention', null, '#no access');
  return h('button.mention', { type: 'button', onclick: () => names.open?.(id) }, '#', name(called));
}

function spoiler(node, names) {
  const inside = h('span', { 'aria-hidden': 'true' }, all(node.c, names));
  const reveal = () => {
    cover.classList.add('open');
    inside.removeAttribute('aria-hidden');
    for (const attribute of ['role', 'tabindex', 'aria-label']) cover.removeAttribute(attribute);
  };
  const pressed = (event) => {
    if (cover.classList.contains('open') || !['Enter', ' '].includes(event.key)) return;
    event.preventDefault();
    reveal();
  };
  const attributes = { role: 'button', tabindex: '0', 'aria-label': 'Spoiler: press to show', onclick: reveal, onkeydown: pressed };
  const cover = h('span.spoiler', attributes, inside);
  return cover;
}

function time(node) {
  const date = new Date(node.unix * 1000);
  if (Number.isNaN(date.getTime())) return 'an impossible time';
  const shown = { R: () => relative(date), t: () => clock(date), T: () => date.toLocaleTimeString('en'), d: () => date.toLocaleDateString('en'), D: () => day(date), F: () => moment(date) };
  return h('time.time', { datetime: date.toISOString(), title: moment(date) }, (shown[node.style] ?? (() => `${day(date)} ${clock(date)}`))());
}

/** The mention tokens that a draft's chosen names stand for: "@ada" becomes "<@1>", the longest name first. */
export function withMentions(draft, chosen) {
  const entries = [...chosen].sort((a, b) => b[0].length - a[0].length);
  return entries.reduce((said, [shown, token]) => said.split(shown).join(token), draft);
}

export { oneLine };
