// Dialogs: forms of the bot, questions to the person, menus, finding a server, being somebody else.

import { avatar, fill, h, icon, iconButton, name } from './dom.js';
import { fields } from './components.js';
import { oneLine } from './markdown.js';
import { get } from './api.js';
import { names, role, state } from './state.js';

/** Opens a dialog; `build(close)` gives its content. Escape and a press beside it close it. */
export function dialog(title, build, classes = '') {
  const element = h(`dialog.dialog${classes}`, { 'aria-label': oneLine(title) });
  const close = () => element.close();
  element.append(h('header', null, h('h2', null, name(title)), iconButton('close', 'Close', close)), h('div.dialog-body', null, build(close)));
  element.addEventListener('close', () => element.remove());
  element.addEventListener('click', (event) => { if (event.target === element) close(); });
  document.body.append(element);
  element.showModal();
  return element;
}

/** Asks before something that cannot be taken back. */
export function confirm(title, words, doIt, act) {
  dialog(title, (close) => [
    h('p', null, words),
    h('div.dialog-foot', null,
      h('button.press.secondary', { type: 'button', onclick: close }, 'Cancel'),
      h('button.press.danger', { type: 'button', autofocus: true, onclick: () => { close(); act(); } }, doIt)),
  ]);
}

/** Asks for one line of text. */
export function prompt(title, label, value, doIt, act) {
  dialog(title, (close) => {
    const input = h('input', { type: 'text', value, required: true, maxlength: 100, autofocus: true });
    const submit = (event) => { event.preventDefault(); close(); act(input.value.trim()); };
    return h('form', { onsubmit: submit }, h('label.field', null, h('span.field-name', null, label), input), foot(close, doIt));
  });
}

function foot(close, doIt) {
  return h('div.dialog-foot', null,
    h('button.press.secondary', { type: 'button', onclick: close }, 'Cancel'), h('button.press.primary', { type: 'submit' }, doIt));
}

/** A form that the bot opened. `submit(values)` is a promise; what it refuses is shown in the form. */
export function modal(data, submit) {
  const made = fields(data.components, names);
  const problem = h('p.failed', { role: 'alert', hidden: true });
  const element = dialog(data.title ?? 'Form', (close) => h('form', {
    onsubmit: async (event) => {
      event.preventDefault();
      try {
        await submit(made.filter((field) => field.read).map((field) => field.read()));
        close();
      } catch (error) {
        fill(problem, error.message).hidden = false;
      }
    },
  }, h('p.hint.from', null, icon('app'), `A form of ${oneLine(state.bot?.username)}. Do not give it a password.`), made.map((field) => field.element), problem, foot(close, 'Submit')), '.modal');
  element.querySelector('form input, form textarea, form select')?.focus();
}

/** A menu below a button; `entries` are [label, act] or [label, act, icon]. */
export function menu(anchor, label, entries) {
  document.querySelector('.popover')?.remove();
  const close = (refocus) => {
    popover.remove();
    document.removeEventListener('pointerdown', outside, true);
    if (refocus) anchor.focus();
  };
  const outside = (event) => { if (!popover.contains(event.target)) close(false); };
  const items = entries.map(([text, act, which]) => h('button', { type: 'button', role: 'menuitem', onclick: () => { close(true); act(); } }, which && icon(which), name(text)));
  const move = (event) => {
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      items[(to + items.length) % items.length].focus();
    } else if (event.key === 'Escape' || event.key === 'Tab') {
      event.preventDefault();
      close(true);
    }
  };
  const popover = h('div.popover', { role: 'menu', 'aria-label': label, onkeydown: move }, items);
  place(popover, anchor);
  document.addEventListener('pointerdown', outside, true);
  items[0]?.focus();
}

const EMOJI = ['👍', '👎', '❤️', '🎉', '😄', '😢', '🤔', '👀', '✅', '❌', '🙏', '🚀'];

/** A few reactions to choose from. */
export function reactionPicker(anchor, choose) {
  menu(anchor, 'Reactions', EMOJI.map((emoji) => [emoji, () => choose({ id: null, name: emoji })]));
  document.querySelector('.popover')?.classList.add('emoji-grid');
}

function place(popover, anchor) {
  document.body.append(popover);
  const at = anchor.getBoundingClientRect();
  const size = popover.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.right - size.width, innerWidth - size.width - 8));
  const below = at.bottom + 4 + size.height < innerHeight;
  popover.style.setProperty('left', `${left}px`);
  popover.style.setProperty('top', `${below ? at.bottom + 4 : Math.max(8, at.top - size.height - 4)}px`);
}

/** Finds a server among all there are. */
export function findServer(enter) {
  dialog('Find a server', (close) => {
    const results = h('ul.results', { 'aria-label': 'Servers' });
    const status = h('p.hint', { role: 'status' }, 'Loading…');
    const more = h('button.press.secondary', { type: 'button', hidden: true }, 'Show more');
    const input = h('input', { type: 'search', placeholder: 'Name or id', 'aria-label': 'Name or id of a server', autofocus: true });
    let asked = 0;
    const search = async (after = 0) => {
      const mine = (asked += 1);
      try {
        const page = await get('/servers', { q: input.value, after, limit: 50 });
        if (mine !== asked) return;
        if (!after) results.replaceChildren();
        results.append(...page.servers.map((server) => h('li', null, h('button', { type: 'button', onclick: () => { close(); enter(server.id); } }, avatar(server, 'square'), name(server.name)))));
        fill(status, results.children.length ? `${results.children.length} of ${page.total} servers` : `No server is called “${oneLine(input.value)}”.`);
        more.hidden = page.next === null;
        more.onclick = () => search(page.next);
      } catch (error) {
        fill(status, error.message, ' ', h('button.plain', { type: 'button', onclick: () => search() }, 'Try again'));
      }
    };
    input.addEventListener('input', () => search());
    search();
    return [h('div.search', null, icon('search'), input), status, results, more];
  });
}

const KINDS = { owner: ['Owner', 'may do everything'], staff: ['Staff', 'have the support role'], member: ['Members', 'ask questions'] };

/** Chooses who one is. */
export function switchPerson(become) {
  dialog('Act as', (close) => {
    const list = h('div.results');
    const input = h('input', { type: 'search', placeholder: 'Name', 'aria-label': 'Name of a person', autofocus: true });
    const show = () => {
      const wanted = input.value.trim().toLowerCase();
      const fits = [...state.people.values()].filter((one) => (one.nick || one.user.username).toLowerCase().includes(wanted));
      fill(list, fits.length === 0 && h('p.hint', null, 'Nobody here is called so.'), Object.entries(KINDS).map(([kind, [title, what]]) => {
        const here = fits.filter((one) => one.kind === kind);
        return here.length > 0 && h('section', null, h('h3', null, title, h('small', null, ` ${what}`)), h('ul', null, here.map((one) => h('li', null,
          h(`button${one.user.id === state.me ? '.current' : ''}`, { type: 'button', 'aria-current': one.user.id === state.me ? 'true' : undefined, 'data-user': one.user.id, onclick: () => { close(); become(one.user.id); } },
            avatar(one.user), name(one.nick || one.user.global_name || one.user.username), h('span.roles', null, one.roles.map(role).filter(Boolean).map((r) => h('span.role-tag', null, name(r.name)))))))));
      }));
    };
    input.addEventListener('input', show);
    show();
    return [h('p.hint', null, 'See the server through somebody’s eyes, and speak for him.'), h('div.search', null, icon('search'), input), list];
  });
}

/** A word at the edge of the screen that goes away by itself. */
export function toast(words, kind = '') {
  const holder = document.getElementById('toasts');
  const element = h(`div.toast${kind && `.${kind}`}`, { role: kind === 'error' ? 'alert' : 'status' }, h('span', null, words), iconButton('close', 'Dismiss', () => element.remove()));
  holder.append(element);
  while (holder.children.length > 3) holder.firstChild.remove();
  setTimeout(() => element.remove(), 7_000);
}
