// Slash and context-menu commands: finding one, filling its options.
// https://discord.com/developers/docs/interactions/application-commands

import { h, name } from './dom.js';
import { oneLine } from './markdown.js';
import { channels, isDirect, may, state, userName } from './state.js';

const SUB = 1;
const GROUP = 2;

/** Slash commands as they can be used, sub-commands each on its own: {command, path, title, description, options}. */
export function slashCommands() {
  return state.commands.filter((one) => (one.type ?? 1) === 1 && allowed(one)).flatMap((command) => {
    const nested = (command.options ?? []).flatMap((option) => (option.type === GROUP ? (option.options ?? []).map((sub) => [[option.name, sub.name], sub]) : option.type === SUB ? [[[option.name], option]] : []));
    const one = (path, from) => ({ command, path, title: `/${[command.name, ...path].join(' ')}`, description: from.description, options: from.options ?? [] });
    return nested.length ? nested.map(([path, sub]) => one(path, sub)) : [one([], command)];
  });
}

/** Commands of a message's or a user's menu. */
export function menuCommands(kind) {
  return state.commands.filter((one) => one.type === kind && allowed(one));
}

/** Whether the viewer is offered a command that asks for permissions. */
function allowed(command) {
  const wanted = command.default_member_permissions;
  if (wanted === null || wanted === undefined) return true;
  const held = BigInt(state.server?.channels[0]?.permissions ?? 0);
  const all = BigInt(wanted);
  return may(state.server?.channels[0], 'ADMINISTRATOR') || (all !== 0n && (held & all) === all);
}

/** Those that fit what was typed after the slash, the best first. */
export function matching(typed) {
  const wanted = typed.toLowerCase().trim();
  const all = slashCommands();
  const starts = all.filter((one) => one.title.slice(1).startsWith(wanted));
  return [...starts, ...all.filter((one) => !starts.includes(one) && one.title.includes(wanted))].slice(0, 10);
}

/**
 * The controls for a command's options: {element, values(), focus()}. `complete(option, typed, values)` asks the bot for
 * what fits, where an option has autocomplete.
 */
export function form(chosen, complete) {
  const controls = chosen.options.map((option) => ({ option, ...control(option, complete, () => given(controls)) }));
  const rows = controls.map(({ option, element }) => h('label.option', { title: oneLine(option.description ?? '') },
    h('span.option-name', null, name(option.name), option.required && h('span.needed', { 'aria-hidden': 'true' }, ' *')), element));
  const first = controls[0]?.focusable;
  return { element: h('div.options', null, rows), values: () => given(controls), focus: () => first?.focus() };
}

function given(controls) {
  return controls.flatMap(({ option, read }) => {
    const value = read();
    return value === undefined || value === '' ? [] : [{ name: option.name, type: option.type, value }];
  });
}

function control(option, complete, values) {
  const base = { required: option.required, 'aria-label': `${oneLine(option.name)}: ${oneLine(option.description ?? '')}` };
  const select = (choices, read = (value) => value) => {
    const element = h('select', base, h('option', { value: '' }, option.required ? 'Choose…' : 'Not given'), choices.map(([value, label]) => h('option', { value }, oneLine(label))));
    return { element, focusable: element, read: () => (element.value === '' ? undefined : read(element.value)) };
  };
  const number = option.type === 4 || option.type === 10;
  if (option.choices?.length) return select(option.choices.map((choice) => [choice.value, choice.name]), number ? Number : undefined);
  switch (option.type) {
    case 5: return select([['true', 'True'], ['false', 'False']], (value) => value === 'true');
    case 6: return select(people());
    case 7: return select(channels().filter((one) => !isDirect(one) && (!option.channel_types?.length || option.channel_types.includes(one.type))).map((one) => [one.id, `#${one.name}`]));
    case 8: return select(roles());
    case 9: return select([...people(), ...roles()]);
    default: return typed(option, base, number, complete, values);
  }
}

const people = () => [...state.people.keys()].map((id) => [id, userName(id)]);
const roles = () => (state.server?.roles ?? []).map((role) => [role.id, role.name]);

let lists = 0;

function typed(option, base, number, complete, values) {
  const attributes = { ...base, type: number ? 'number' : 'text', placeholder: oneLine(option.description ?? ''), autocomplete: 'off', maxlength: option.max_length, minlength: option.min_length, min: option.min_value, max: option.max_value, step: option.type === 10 ? 'any' : undefined };
  const element = h('input', attributes);
  const read = () => (element.value === '' ? undefined : number ? Number(element.value) : element.value);
  if (!option.autocomplete) return { element, focusable: element, read };
  return { ...suggesting(option, element, complete, values), focusable: element };
}

/** An input below which the bot's suggestions appear. A chosen one shows its name and gives its value. */
function suggesting(option, element, complete, values) {
  const id = `suggestions-${(lists += 1)}`;
  const list = h('ul.suggestions', { id, role: 'listbox', hidden: true });
  for (const [key, value] of [['role', 'combobox'], ['aria-controls', id], ['aria-expanded', 'false'], ['aria-autocomplete', 'list']]) element.setAttribute(key, value);
  let chosen = null;
  let at = -1;
  let asked = 0;
  let timer;
  const close = () => {
    list.hidden = true;
    element.setAttribute('aria-expanded', 'false');
    element.removeAttribute('aria-activedescendant');
  };
  const mark = (to) => {
    at = to;
    [...list.children].forEach((item, index) => item.setAttribute('aria-selected', String(index === at)));
    if (list.children[at]) element.setAttribute('aria-activedescendant', list.children[at].id);
  };
  const choose = (choice) => {
    chosen = choice;
    element.value = choice.name;
    close();
  };
  let choices = [];
  const show = (found) => {
    choices = found;
    list.replaceChildren(...found.map((choice, index) => h('li', { id: `${id}-${index}`, role: 'option', onpointerdown: (event) => { event.preventDefault(); choose(choice); } }, name(choice.name))));
    if (!found.length) list.append(h('li.hint', null, 'The app suggests nothing.'));
    list.hidden = false;
    element.setAttribute('aria-expanded', 'true');
    mark(-1);
  };
  const ask = async () => {
    const mine = (asked += 1);
    const found = await complete(option, element.value, values()).catch(() => []);
    if (mine === asked && document.activeElement === element) show(found);
  };
  element.addEventListener('input', () => {
    chosen = null;
    clearTimeout(timer);
    timer = setTimeout(ask, 150);
  });
  element.addEventListener('focus', ask);
  element.addEventListener('blur', close);
  element.addEventListener('keydown', (event) => {
    if (list.hidden || !choices.length) return;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      mark((at + (event.key === 'ArrowDown' ? 1 : choices.length - 1) + choices.length) % choices.length);
    } else if ((event.key === 'Enter' || event.key === 'Tab') && at >= 0) {
      if (event.key === 'Enter') event.preventDefault();
      choose(choices[at]);
    } else if (event.key === 'Escape') {
      event.stopPropagation();
      close();
    }
  });
  const read = () => (chosen ? chosen.value : element.value === '' ? undefined : element.value);
  return { element: h('span.suggesting', null, element, list), read };
}
