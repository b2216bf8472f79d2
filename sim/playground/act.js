// What the person does, as the member he is.

import { act } from './api.js';
import { h } from './dom.js';
import { confirm, menu, modal, prompt, reactionPicker, toast } from './dialogs.js';
import { menuCommands } from './commands.js';
import { EPHEMERAL } from './messages.js';
import { oneLine } from './markdown.js';
import { changed, channel, isDirect, isThread, may, room, state, userName } from './state.js';

/** How long an act may go without any answer before it is called failed here. */
const PATIENCE_MS = 8_000;

/** Does something where the viewer is; what is refused is told. Gives the answer, or null. */
export async function does(what, details, where = state.channel) {
  try {
    return await act(state.me, where, what, details);
  } catch (error) {
    toast(error.message, 'error');
    return null;
  }
}

/** Opens an interaction and remembers it until the bot has answered. */
async function interact(what, details, about, where = state.channel) {
  const done = await does(what, details, where);
  if (!done?.interaction) return false;
  awaitAnswer(done.interaction, { ...about, channel: where });
  return true;
}

/** Waits for the bot's answer, which may have come before the interaction's own id. */
function awaitAnswer(interaction, about) {
  state.pending.set(interaction, { ...about, failed: false });
  changed('messages');
  if (answered.has(interaction)) settle(interaction, answered.get(interaction));
  else setTimeout(() => state.pending.has(interaction) && settle(interaction, { phase: 'failed' }), PATIENCE_MS);
}

/** Answers that came before the act's own. */
const answered = new Map();

/** The bot answered an interaction, or did not in time. */
export function settle(id, { phase, callback, modal: form }) {
  const pending = state.pending.get(id);
  if (!pending) {
    answered.set(id, { phase, callback, modal: form });
    if (answered.size > 200) answered.delete(answered.keys().next().value);
    return;
  }
  if (phase === 'failed') {
    pending.failed = true;
    if (!pending.message) {
      state.pending.delete(id);
      toast('The application did not respond.', 'error');
    }
  } else {
    state.pending.delete(id);
    if (form) modal(form, (fields) => submit(id, pending.channel, fields));
  }
  changed('messages');
}

async function submit(interaction, where, fields) {
  const done = await act(state.me, where, 'submit', { interaction, fields });
  awaitAnswer(done.interaction, { channel: where });
}

export const press = (one, customId, values) => {
  for (const [id, pending] of state.pending) if (pending.message === one.id && pending.failed) state.pending.delete(id);
  return interact('press', { message: one.id, custom_id: customId, values }, { message: one.id, customId }, one.channel_id);
};

const chosenOptions = (options) => options.map(({ name, value }) => ({ name, value }));

export const slash = (chosen, options) => interact('slash', { command: chosen.title.slice(1), options: chosenOptions(options) }, { label: chosen.title });

/** What the bot suggests for an option. */
export async function complete(chosen, option, typed, options) {
  const others = chosenOptions(options).filter((one) => one.name !== option.name);
  const all = [...others, { name: option.name, value: typed }];
  const done = await act(state.me, state.channel, 'autocomplete', { command: chosen.title.slice(1), options: all, focused: option.name });
  return done.choices ?? [];
}

export async function say(text, files) {
  const done = await does('say', { text, reply_to: state.replyTo?.id, files: files.length ? files : undefined });
  if (done) {
    state.replyTo = null;
    changed('composer');
  }
  return Boolean(done);
}

export const typing = () => act(state.me, state.channel, 'type').catch(() => {});

export function dismiss(one) {
  const { list } = room(one.channel_id);
  const at = list.findIndex((message) => message.id === one.id);
  if (at >= 0) list.splice(at, 1);
  changed('messages');
}

export function reply(one) {
  state.replyTo = one;
  changed('composer');
  document.getElementById('draft').focus();
}

export const react = (one, emoji, on) => does('react', { message: one.id, emoji: emoji.id ? `${emoji.name}:${emoji.id}` : emoji.name, on }, one.channel_id);

export const pickReaction = (one, anchor) => reactionPicker(anchor, (emoji) => react(one, emoji, true));

export function remove(one) {
  confirm('Delete message', 'This cannot be taken back.', 'Delete', () => does('delete', { message: one.id }, one.channel_id));
}

/** Turns a message into a field in its place. */
export function edit(one) {
  const element = document.querySelector(`[data-id="${one.id}"] .message-body`);
  if (!element || element.querySelector('.editing')) return;
  const field = h('textarea', { 'aria-label': 'Edit message', rows: 2, value: one.content });
  const end = () => {
    form.remove();
    element.classList.remove('is-edited');
    document.getElementById('draft').focus();
  };
  const save = async (event) => {
    event?.preventDefault();
    if (field.value.trim() && field.value !== one.content && !(await does('edit', { message: one.id, text: field.value }, one.channel_id))) return;
    end();
  };
  const key = (event) => {
    if (event.key === 'Escape') end();
    if (event.key === 'Enter' && !event.shiftKey) save(event);
  };
  const form = h('form.editing', { onsubmit: save, onkeydown: key }, field, h('p.hint', null, 'Enter saves, Escape leaves it as it was'), h('div.row', null,
    h('button.press.secondary', { type: 'button', onclick: end }, 'Cancel'), h('button.press.primary', { type: 'submit' }, 'Save')));
  element.classList.add('is-edited');
  element.append(form);
  field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
}

/** The menu of a message: threads, the bot's own commands, ids. */
export function more(one, anchor, open) {
  const here = channel(one.channel_id);
  const who = userName(one.author.id) ?? oneLine(one.author.username);
  const startable = may(here, 'THREADS') && !isThread(here) && !isDirect(here) && !(one.flags & ((1 << 5) | EPHEMERAL));
  const apps = menuCommands(3).map((command) => [`Apps: ${command.name}`, () => interact('menu', { command: command.name, message: one.id }, { label: command.name }, one.channel_id), 'app']);
  const users = menuCommands(2).map((command) => [`Apps: ${command.name} (${who})`, () => interact('menu', { command: command.name, user: one.author.id }, { label: command.name }, one.channel_id), 'app']);
  menu(anchor, 'More', [
    may(here, 'PIN') && !(one.flags & EPHEMERAL) && [one.pinned ? 'Unpin' : 'Pin', () => does('pin', { message: one.id, on: !one.pinned }, one.channel_id), 'pin'],
    startable && ['Start a thread', () => prompt('Start a thread', 'Name of the thread', oneLine(one.content).slice(0, 60) || 'New thread', 'Start', async (name) => { const done = await does('thread', { message: one.id, name }, one.channel_id); if (done) open(one.id); }), 'thread'],
    ...apps,
    ...users,
    ['Copy message id', () => copy(one.id)],
    ['Copy text', () => copy(one.content)],
  ].filter(Boolean));
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast('Copied.');
  } catch {
    toast('The browser did not allow copying.', 'error');
  }
}

/** What can be done to a thread by those who look after it. */
export function threadMenu(thread, anchor) {
  const { archived, locked } = thread.thread_metadata;
  menu(anchor, 'Thread', [
    [archived ? 'Open again' : 'Archive', () => does('close', { archived: !archived }, thread.id)],
    may(thread, 'MANAGE_THREADS') && [locked ? 'Unlock' : 'Lock', () => does('close', { locked: !locked }, thread.id), 'lock'],
  ].filter(Boolean));
}

/** Starts a post in a forum. */
export async function post(forum, details, open) {
  const done = await act(state.me, forum.id, 'post', details);
  if (done?.channel) open(done.channel);
}

export function editLast() {
  const last = room(state.channel).list.findLast((one) => one.author.id === state.me && !(one.flags & EPHEMERAL));
  if (last) edit(last);
}
