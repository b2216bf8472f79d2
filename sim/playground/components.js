// Buttons, menus and the newer layout components of a message.
// https://discord.com/developers/docs/components/reference

import { add, h, icon, name } from './dom.js';
import { oneLine, webAddress } from './markdown.js';
import { channels, isDirect, state, userName } from './state.js';
import { text } from './text.js';
import { attachment, picture } from './messages.js';

const BUTTON_STYLES = { 1: 'primary', 2: 'secondary', 3: 'success', 4: 'danger', 5: 'link', 6: 'premium' };

/** What components need to know: the message, names in texts, and `press(customId, values, label)`. */
export function components(list, context) {
  return (list ?? []).map((one) => component(one, context));
}

function component(one, context) {
  switch (one.type) {
    case 1: return h('div.row', null, components(one.components, context));
    case 2: return button(one, context);
    case 3: case 5: case 6: case 7: case 8: return menu(one, context);
    case 9: return h('div.section', null, h('div.section-text', null, components(one.components, context)), one.accessory && component(one.accessory, context));
    case 10: return h('div.said', null, text(one.content, context.names));
    case 11: return picture(one.media?.url, one.description, 'thumbnail');
    case 12: return h('div.gallery', null, (one.items ?? []).map((item) => picture(item.media?.url, item.description)));
    case 13: return attachment({ url: one.file?.url, filename: one.name ?? one.file?.url?.split('/').pop() ?? 'file', size: one.size });
    case 14: return one.divider === false ? h('div.gap') : h('hr');
    case 17: return container(one, context);
    default: return h('p.hint', null, `A part of this message cannot be shown here (component ${Number(one.type)}).`);
  }
}

function container(one, context) {
  const colour = Number.isInteger(one.accent_color) ? { '--accent-line': `#${one.accent_color.toString(16).padStart(6, '0')}` } : null;
  return h('div.container', { style: colour ?? {} }, components(one.components, context));
}

function label(one) {
  const emoji = one.emoji?.id ? `:${one.emoji.name}:` : one.emoji?.name;
  return [emoji && h('span.emoji', null, oneLine(emoji)), one.label && name(one.label)];
}

function button(one, context) {
  const style = BUTTON_STYLES[one.style] ?? 'secondary';
  if (style === 'link') {
    const href = webAddress(one.url);
    if (!href) return h(`button.press.link`, { type: 'button', disabled: true }, label(one));
    return h('a.press.link', { href, title: href, target: '_blank', rel: 'noopener noreferrer nofollow' }, label(one), h('span.away', { 'aria-hidden': 'true' }, ' ↗'));
  }
  const busy = context.busy?.(one.custom_id);
  const attributes = {
    type: 'button',
    disabled: one.disabled || busy,
    'aria-busy': busy ? 'true' : undefined,
    'aria-label': one.label ? undefined : oneLine(one.emoji?.name ?? 'Button'),
    onclick: () => context.press(one.custom_id, undefined, one.label),
  };
  return h(`button.press.${style}${busy ? '.busy' : ''}`, attributes, label(one));
}

/** What a menu offers: its own options, or people, roles and channels of the server. */
export function offers(one) {
  const people = () => [...state.people.keys()].map((id) => ({ value: id, label: userName(id) }));
  const roles = () => (state.server?.roles ?? []).map((role) => ({ value: role.id, label: `@${role.name.replace(/^@/, '')}` }));
  const places = () => channels().filter((place) => !isDirect(place) && (!one.channel_types?.length || one.channel_types.includes(place.type)))
    .map((place) => ({ value: place.id, label: `#${place.name}` }));
  const chosen = new Set((one.default_values ?? []).map((value) => value.id));
  const from = { 3: () => one.options ?? [], 5: people, 6: roles, 7: () => [...people(), ...roles()], 8: places }[one.type];
  return from().map((option) => ({ ...option, default: option.default || chosen.has(option.value) }));
}

const PLACEHOLDERS = { 5: 'Choose somebody', 6: 'Choose a role', 7: 'Choose somebody or a role', 8: 'Choose a channel' };

function menu(one, context) {
  const options = offers(one);
  const title = oneLine(one.placeholder || PLACEHOLDERS[one.type] || 'Make a selection');
  const busy = context.busy?.(one.custom_id);
  const most = one.max_values ?? 1;
  if (most === 1 && (one.min_values ?? 1) === 1) {
    const select = h('select.menu', { 'aria-label': title, disabled: one.disabled || busy, onchange: () => context.press(one.custom_id, [select.value], title) },
      h('option', { value: '', disabled: true, selected: !options.some((option) => option.default) }, title),
      options.map((option) => h('option', { value: option.value, selected: option.default }, oneLine(option.label + (option.description ? ` (${option.description})` : '')))));
    return select;
  }
  return many(one, options, title, busy, context);
}

function many(one, options, title, busy, context) {
  const boxes = options.map((option) => h('input', { type: 'checkbox', value: option.value, checked: option.default }));
  const least = one.min_values ?? 1;
  const most = one.max_values ?? 1;
  const values = () => boxes.filter((box) => box.checked).map((box) => box.value);
  const fits = () => values().length >= least && values().length <= most;
  const go = h('button.press.primary', { type: 'button', disabled: !fits(), onclick: () => context.press(one.custom_id, values(), title) }, 'Choose');
  for (const box of boxes) box.addEventListener('change', () => { go.disabled = !fits(); });
  const rows = options.map((option, at) => h('label.choice', null, boxes[at], name(option.label), option.description && h('small', null, oneLine(option.description))));
  const held = h('details.menu-many', null, h('summary', { 'aria-disabled': one.disabled || busy ? 'true' : undefined }, title, icon('down')),
    h('div.choices', { role: 'group', 'aria-label': title }, rows, h('div.row', null, go, h('small.hint', null, `${least} to ${most}`))));
  if (one.disabled || busy) held.querySelector('summary').addEventListener('click', (event) => event.preventDefault());
  return held;
}

/** The controls of a modal: an array of {element, read} for each component that gives a value. */
export function fields(list, names) {
  return (list ?? []).flatMap((one) => {
    switch (one.type) {
      case 1: return fields(one.components, names);
      case 4: return [input(one, one.label)];
      case 10: return [{ element: h('div.said', null, text(one.content, names)) }];
      case 18: return [labelled(one)];
      default: return [];
    }
  });
}

function labelled(one) {
  const inner = one.component ?? {};
  if (inner.type === 4) return input(inner, one.label, one.description);
  const options = offers(inner);
  const most = inner.max_values ?? 1;
  const needed = inner.required !== false && (inner.min_values ?? 1) > 0;
  const select = h('select', { multiple: most > 1, required: needed },
    most === 1 && h('option', { value: '' }, oneLine(inner.placeholder || 'Make a selection')),
    options.map((option) => h('option', { value: option.value, selected: option.default }, oneLine(option.label))));
  const read = () => ({ name: inner.custom_id, value: [...select.selectedOptions].map((option) => option.value).filter(Boolean) });
  return { element: wrapped(select, one.label, one.description, needed), read };
}

function input(one, called, description) {
  const needed = one.required !== false;
  const attributes = { required: needed, value: one.value ?? '', placeholder: one.placeholder ?? '', maxlength: one.max_length ?? 4000, minlength: one.min_length ?? undefined };
  const field = one.style === 2 ? h('textarea', { ...attributes, rows: 5 }) : h('input', { ...attributes, type: 'text' });
  const read = () => ({ name: one.custom_id, value: field.value });
  return { element: wrapped(field, called, description, needed), read };
}

function wrapped(control, called, description, needed) {
  const element = h('label.field', null, h('span.field-name', null, oneLine(called ?? ''), needed && h('span.needed', { 'aria-hidden': 'true' }, ' *')));
  if (description) add(element, [h('small', null, oneLine(description))]);
  element.append(control);
  return element;
}
