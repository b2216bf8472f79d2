// The messages of the channel one looks at, kept true with as few changes to the page as there are changes to them.

import { add, day, fill, h, icon, name } from './dom.js';
import { post as startPost } from './act.js';
import { dialog } from './dialogs.js';
import { continues, message } from './messages.js';
import { channel, isForum, isThread, may, role, room, state, userName } from './state.js';

const NEAR_PX = 90;
const $ = (id) => document.getElementById(id);

export class Timeline {
  constructor(acts) {
    this.acts = { ...acts, show: (id) => this.point(id) };
    this.scroller = $('scroller');
    this.list = $('messages');
    this.drawn = new Map();
    this.place = null;
    this.follow = true;
    this.scroller.addEventListener('scroll', () => this.scrolled());
    $('to-end').addEventListener('click', () => this.toEnd());
    new ResizeObserver(() => this.follow && this.toEnd()).observe(this.scroller);
    new ResizeObserver(() => this.follow && this.toEnd()).observe(this.list);
  }

  show() {
    const here = channel(state.channel);
    const moved = this.place !== `${state.me}:${state.channel}`;
    if (moved) {
      this.place = `${state.me}:${state.channel}`;
      this.drawn.clear();
      this.follow = true;
      this.list.replaceChildren();
    }
    if (!here) this.blank();
    else if (isForum(here)) this.forum(here);
    else this.messages(here, moved);
  }

  blank() {
    this.drawn.clear();
    if (state.problem) fill(this.list, h('div.empty.big', { role: 'alert' }, h('h2', null, 'Nothing to show'), h('p', null, state.problem)));
    else this.skeleton();
  }

  skeleton() {
    fill(this.list, h('p.visually-hidden', { role: 'status' }, 'Loading messages'), Array.from({ length: 6 }, (_, at) => h('div.skeleton-message', { 'aria-hidden': 'true' }, h('span.skeleton.round'), h('div', null, h('span.skeleton.line.short'), h('span.skeleton.line', { style: { width: `${85 - at * 9}%` } })))));
  }

  messages(here, moved) {
    const held = room(here.id);
    if (held.status === 'loading' || held.status === 'new') {
      this.drawn.clear();
      this.skeleton();
      return;
    }
    if (held.status === 'failed') {
      this.drawn.clear();
      fill(this.list, h('div.empty.big', { role: 'alert' }, h('h2', null, 'The messages could not be read'), h('p', null, held.error), h('button.press.primary', { type: 'button', onclick: this.acts.retry }, 'Try again')));
      return;
    }
    const top = this.scroller.scrollHeight - this.scroller.scrollTop;
    const items = this.items(here, held);
    this.reconcile(items);
    if (this.follow || moved) this.toEnd();
    // What was added above must not move what is being read.
    else if (this.first !== held.list[0]?.id) this.scroller.scrollTop = this.scroller.scrollHeight - top;
    this.first = held.list[0]?.id;
  }

  /** What stands in the list, each with a key and what it was made from. */
  items(here, held) {
    const items = [{ key: 'begin', from: held.more ? 'more' : JSON.stringify([here.id, here.name, held.list.length === 0]), make: () => (held.more ? this.earlier() : begin(here, held)) }];
    let before = null;
    for (const one of held.list) {
      const date = day(new Date(one.timestamp));
      if (!before || day(new Date(before.timestamp)) !== date) items.push({ key: `day-${date}`, from: date, make: () => h('div.day', { role: 'separator' }, h('span', null, date)) });
      const grouped = continues(one, before);
      const pending = [...state.pending.values()].filter((p) => p.message === one.id);
      const from = JSON.stringify([one, grouped, pending, channel(one.id)?.message_count, channel(one.id)?.name, state.server?.me.roles, here.permissions, state.people.size, channel(one.id) !== null]);
      items.push({ key: one.id, from, make: () => message(one, grouped, this.acts) });
      before = one;
    }
    return items;
  }

  reconcile(items) {
    const next = new Map();
    let at = this.list.firstChild;
    const placed = new Set();
    for (const item of items) {
      const known = this.drawn.get(item.key);
      // A message being edited keeps its field.
      const keep = known && (known.from === item.from || known.element.querySelector('.editing'));
      const element = keep ? known.element : item.make();
      if (!keep && known?.element.contains(document.activeElement)) queueMicrotask(() => element.isConnected && element.focus({ preventScroll: true }));
      next.set(item.key, { element, from: keep ? known.from : item.from });
      placed.add(element);
      if (known && !keep && known.element === at) at = at.nextSibling;
      if (element === at) at = at.nextSibling;
      else this.list.insertBefore(element, at);
    }
    for (const child of [...this.list.children]) if (!placed.has(child)) child.remove();
    this.drawn = next;
  }

  earlier() {
    return h('div.earlier', null, h('button.plain', { type: 'button', onclick: this.acts.earlier }, 'Show earlier messages'));
  }

  scrolled() {
    const left = this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight;
    this.follow = left < NEAR_PX;
    $('to-end').hidden = this.follow;
    if (this.scroller.scrollTop < NEAR_PX) this.acts.earlier();
  }

  toEnd() {
    this.follow = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
    $('to-end').hidden = true;
  }

  /** Goes to a message that is shown and marks it for a moment. */
  point(id) {
    const element = this.drawn.get(id)?.element;
    if (!element) return;
    element.scrollIntoView({ block: 'center' });
    element.focus({ preventScroll: true });
    element.classList.add('pointed');
    setTimeout(() => element.classList.remove('pointed'), 1_600);
  }

  forum(forum) {
    this.drawn.clear();
    const posts = state.server.threads.filter((one) => one.parent_id === forum.id).sort((a, b) => (BigInt(b.last_message_id ?? b.id) > BigInt(a.last_message_id ?? a.id) ? 1 : -1));
    const tag = (id) => forum.available_tags?.find((one) => one.id === id)?.name;
    fill(this.list, h('header.forum-head', null, h('h2', null, name(forum.name)), forum.topic && h('p', null, name(forum.topic)),
      may(forum, 'SEND') && h('button.press.primary', { type: 'button', onclick: () => this.newPost(forum) }, 'New post')),
    posts.length === 0 && h('p.empty', null, 'No post yet. Be the first to ask.'),
    h('ul.posts', null, posts.map((one) => h('li', null, h('button.post', { type: 'button', onclick: () => this.acts.open(one.id) },
      h('span.post-tags', null, (one.applied_tags ?? []).map(tag).filter(Boolean).map((text) => h('span.role-tag', null, name(text)))),
      h('b', { dir: 'auto' }, name(one.name)), h('span.hint', null, `${userName(one.owner_id) ?? 'somebody'} · ${one.message_count ?? 0} answers`, one.thread_metadata?.archived && ' · archived'))))));
  }

  newPost(forum) {
    dialog(`New post in ${forum.name}`, (close) => {
      const title = h('input', { type: 'text', required: true, maxlength: 100 });
      const body = h('textarea', { required: true, maxlength: 2000, rows: 5 });
      const tags = (forum.available_tags ?? []).map((one) => [one, h('input', { type: 'checkbox', value: one.id })]);
      const problem = h('p.failed', { role: 'alert', hidden: true });
      const submit = async (event) => {
        event.preventDefault();
        try {
          await startPost(forum, { name: title.value, text: body.value, tags: tags.filter(([, box]) => box.checked).map(([one]) => one.id) }, this.acts.open);
          close();
        } catch (error) {
          fill(problem, error.message).hidden = false;
        }
      };
      return h('form', { onsubmit: submit }, h('label.field', null, h('span.field-name', null, 'Title'), title), h('label.field', null, h('span.field-name', null, 'Message'), body),
        tags.length > 0 && h('fieldset', null, h('legend', null, 'Tags'), tags.map(([one, box]) => h('label.choice', null, box, name(one.name)))),
        problem, h('div.dialog-foot', null, h('button.press.secondary', { type: 'button', onclick: close }, 'Cancel'), h('button.press.primary', { type: 'submit' }, 'Post')));
    });
  }
}

function begin(here, held) {
  const called = here.name ?? 'this conversation';
  const words = here.type === 1 ? `Only you and ${userName(state.bot.id)} see what is written here.`
    : isThread(here) ? `Started by ${userName(here.owner_id) ?? 'somebody'}.`
      : `This is the beginning of #${called}.`;
  const hint = here.type === 1 ? 'Write to the app directly, as you would to a person.' : isThread(here) ? '' : 'Write a message, or type / to see what the app can do.';
  const element = h('header.begin', null, h('span.begin-sign', { 'aria-hidden': 'true' }, icon(here.type === 1 ? 'chat' : isThread(here) ? 'thread' : 'hash')), h('h2', { dir: 'auto' }, name(called)), h('p', null, words));
  if (held.list.length === 0) add(element, [h('p.hint', null, 'Nothing has been said yet. ', hint)]);
  return element;
}

export { role };
