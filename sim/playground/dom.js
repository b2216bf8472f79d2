// Elements from data. Text only ever becomes text nodes and attributes of a fixed list: nothing here takes markup.

import { oneLine } from './markdown.js';

const PROPERTIES = new Set(['value', 'checked', 'disabled', 'hidden', 'selected', 'multiple', 'required', 'type']);

/** An element: h('button.primary', {onclick, 'aria-label': 'Send'}, 'Send', child…). */
export function h(name, attributes, ...children) {
  const [tag, ...classes] = name.split('.');
  const element = document.createElement(tag || 'div');
  if (classes.length) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'style') for (const [rule, to] of Object.entries(value)) element.style.setProperty(rule, to);
    else if (PROPERTIES.has(key)) element[key] = value;
    else element.setAttribute(key, value === true ? '' : String(value));
  }
  add(element, children);
  return element;
}

/** Appends nodes, texts and lists of them; what is empty is left out. */
export function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false || child === '' || child === 0) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** Gives an element new content. */
export function fill(element, ...children) {
  element.replaceChildren();
  return add(element, children);
}

/** A name that stays within itself, whatever its script or direction. */
export function name(text, classes = '') {
  return h(classes ? `bdi.${classes}` : 'bdi', null, oneLine(text));
}

const ICONS = {
  hash: 'M9 3 7 21M17 3l-2 18M4 8.5h17M3 15.5h17',
  thread: 'M5 4v7a5 5 0 0 0 5 5h10m-4-4 4 4-4 4',
  forum: 'M4 5h11v8H8l-4 3zM18 9h2v10l-3-2h-6v-1',
  lock: 'M6 11h12v9H6zM9 11V8a3 3 0 0 1 6 0v3',
  send: 'M4 12 20 4l-5 16-3-7z',
  reply: 'M9 6 4 11l5 5M4 11h9a6 6 0 0 1 6 6v2',
  smile: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M9 10v.1M15 10v.1M8.5 14.5a4.5 4.5 0 0 0 7 0',
  edit: 'M4 20l1-4L16 5l3 3L8 19zM14 7l3 3',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5',
  more: 'M6 12v.1M12 12v.1M18 12v.1',
  close: 'M6 6l12 12M18 6 6 18',
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.5 15.5 20 20',
  menu: 'M4 7h16M4 12h16M4 17h16',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M18.4 5.6 17 7M7 17l-1.4 1.4',
  people: 'M9 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M3 19a6 6 0 0 1 12 0M16 5.5a3 3 0 0 1 0 5.6M17.5 14a6 6 0 0 1 3.5 5',
  chat: 'M4 5h16v11H10l-5 4v-4H4z',
  plus: 'M12 5v14M5 12h14',
  eye: 'M3 12s3.5-6 9-6 9 6 9 6-3.5 6-9 6-9-6-9-6M12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5',
  swap: 'M4 9h14l-4-4M20 15H6l4 4',
  down: 'M6 9l6 6 6-6',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
  pin: 'M9 4h6l-1 6 3 3H7l3-3zM12 13v7',
  app: 'M6 6h12v10H6zM9 20h6M9.5 10v2M14.5 10v2M12 6V3',
};

/** A line icon, for show only: its button carries the name. */
export function icon(which) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[which] ?? ICONS.more);
  svg.append(path);
  return svg;
}

/** A button that is an icon with a name. */
export function iconButton(which, label, onclick, attributes = {}) {
  return h('button.icon-button', { type: 'button', 'aria-label': label, title: label, onclick, ...attributes }, icon(which));
}

/** A colour that an id always has, as a hue. */
export function hue(id) {
  let sum = 0;
  for (const char of String(id)) sum = (sum * 31 + char.charCodeAt(0)) % 3600;
  return String(sum % 360);
}

/** The round picture of a user. */
export function avatar(user, size = '') {
  const label = oneLine(user.global_name || user.username || user.name || '?');
  const face = user.bot ? icon('app') : [...label][0]?.toUpperCase() ?? '?';
  return h(`span.avatar${size && `.${size}`}${user.bot ? '.bot' : ''}`, { 'aria-hidden': 'true', style: { '--hue': hue(user.id) } }, face);
}

const DATE = new Intl.DateTimeFormat('en', { dateStyle: 'long' });
const TIME = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hour12: false });
const BOTH = new Intl.DateTimeFormat('en', { dateStyle: 'full', timeStyle: 'short', hour12: false });

export const clock = (date) => TIME.format(date);
export const day = (date) => DATE.format(date);
export const moment = (date) => BOTH.format(date);

const UNITS = [['year', 31_536_000], ['month', 2_592_000], ['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]];

/** "5 minutes ago". */
export function relative(date, now = Date.now()) {
  const seconds = Math.round((date.getTime() - now) / 1000);
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS.at(-1);
  return new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(Math.round(seconds / size), unit);
}
