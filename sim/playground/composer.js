// Where one writes: text, mentions, files, and slash commands with their options.

import { avatar, fill, h, icon, iconButton, name } from './dom.js';
import { form, matching } from './commands.js';
import { oneLine } from './markdown.js';
import { channel, isForum, isThread, may, role, state, userName } from './state.js';
import { withMentions } from './text.js';
import { toast } from './dialogs.js';

const TYPING_EVERY_MS = 8_000;
const MAX_TEXT = 2_000;
const MAX_FILE_BYTES = 10 * 1024 * 1024;
const $ = (id) => document.getElementById(id);

/** `acts`: say(text, files), slash(chosen, options), complete(…), typing(). */
export class Composer {
  constructor(acts) {
    this.acts = acts;
    this.mentions = new Map();
    this.files = [];
    this.at = -1;
    this.offered = [];
    this.command = null;
    this.typedAt = 0;
    this.drafts = new Map();
    this.place = null;
    this.text = $('draft');
    this.list = $('offers');
    this.text.addEventListener('input', () => this.typed());
    this.text.addEventListener('keydown', (event) => this.key(event));
    this.text.addEventListener('blur', () => this.offer([]));
    $('composer').addEventListener('submit', (event) => { event.preventDefault(); this.send(); });
    $('attach').addEventListener('change', (event) => this.attach(event.target.files));
  }

  /** Shows what can be written where one is now. */
  show() {
    const here = channel(state.channel);
    if (this.place !== state.channel) {
      if (this.place) this.drafts.set(this.place, this.text.value);
      this.place = state.channel;
      this.text.value = this.drafts.get(this.place) ?? '';
      this.drop();
      this.files = [];
      this.grow();
    }
    const closed = here && this.closed(here);
    $('composer').hidden = !here || Boolean(closed);
    const why = $('composer-closed');
    why.hidden = !closed;
    fill(why, closed && icon('lock'), closed);
    const called = oneLine(here?.type === 1 ? userName(state.bot.id) : isThread(here) ? here.name : `#${here?.name}`);
    const most = innerWidth > 760 ? 60 : 20;
    const fits = [...called].length > most ? `${[...called].slice(0, most - 1).join('').trimEnd()}…` : called;
    this.text.placeholder = here ? `Message ${fits}` : '';
    this.text.setAttribute('aria-label', this.text.placeholder || 'Message');
    $('attach-button').hidden = !may(here, 'ATTACH') || Boolean(this.command);
    this.reply();
    this.showFiles();
    this.grow();
  }

  closed(here) {
    if (isForum(here)) return 'What is asked here is a post of its own: start one above.';
    if (here.thread_metadata?.locked && !may(here, 'MANAGE_THREADS')) return 'This thread is locked.';
    // Writing opens an archived thread again, if it is not locked.
    return may(here, 'SEND') ? null : 'You do not have permission to write here.';
  }

  reply() {
    const to = state.replyTo;
    const bar = $('reply-bar');
    bar.hidden = !to;
    if (to) {
      fill(bar, h('span', null, 'Replying to ', h('b', null, name(userName(to.author.id) ?? to.author.username))), iconButton('close', 'Do not reply', () => { state.replyTo = null; this.reply(); this.text.focus(); }));
    }
  }

  typed() {
    this.grow();
    const value = this.text.value;
    const word = /(?:^|\s)@([\p{L}\p{N}_.-]*)$/u.exec(value.slice(0, this.text.selectionStart));
    if (/^\/[^\n]*$/.test(value) && may(channel(state.channel), 'COMMANDS')) this.offerCommands(value.slice(1));
    else if (word) this.offerPeople(word[1]);
    else this.offer([]);
    const now = Date.now();
    if (value.trim() && !value.startsWith('/') && now - this.typedAt > TYPING_EVERY_MS) {
      this.typedAt = now;
      this.acts.typing();
    }
  }

  grow() {
    // What is not shown has no height.
    if (!this.text.offsetParent) return;
    this.text.style.setProperty('height', 'auto');
    this.text.style.setProperty('height', `${Math.min(this.text.scrollHeight, innerHeight * 0.4)}px`);
    const left = MAX_TEXT - [...this.text.value].length;
    const counter = $('counter');
    counter.hidden = left > 200;
    counter.classList.toggle('over', left < 0);
    counter.textContent = String(left);
  }

  offerCommands(typed) {
    const found = matching(typed);
    const none = [{ hint: state.commands.length ? 'No command fits.' : 'The app has registered no command yet.' }];
    this.offer(found.length ? found.map((one) => ({ label: one.title, more: one.description, take: () => this.choose(one) })) : none);
  }

  offerPeople(typed) {
    const wanted = typed.toLowerCase();
    const people = [state.bot, ...[...state.people.values()].map((one) => one.user)].map((user) => ({ shown: userName(user.id), token: `<@${user.id}>`, user }));
    const roles = state.server.roles.filter((one) => one.mentionable).map((one) => ({ shown: one.name, token: `<@&${one.id}>` }));
    const fits = [...people, ...roles].filter((one) => one.shown?.toLowerCase().startsWith(wanted)).slice(0, 8);
    this.offer(fits.map((one) => ({ label: `@${one.shown}`, user: one.user, take: () => this.mention(typed, one) })));
  }

  mention(typed, one) {
    const end = this.text.selectionStart;
    const start = end - typed.length - 1;
    const shown = `@${one.shown}`;
    this.mentions.set(shown, one.token);
    this.text.setRangeText(`${shown} `, start, end, 'end');
    this.typed();
    this.text.focus();
  }

  offer(entries) {
    this.offered = entries;
    this.list.hidden = entries.length === 0;
    this.text.setAttribute('aria-expanded', String(entries.length > 0));
    fill(this.list, entries.map((entry, index) => (entry.hint ? h('li.hint', null, entry.hint) : h('li', { id: `offer-${index}`, role: 'option', onpointerdown: (event) => { event.preventDefault(); entry.take(); } },
      entry.user && avatar(entry.user, 'small'), h('b', null, name(entry.label)), entry.more && h('span.hint', null, name(entry.more))))));
    this.mark(entries.length && !entries[0].hint ? 0 : -1);
  }

  mark(at) {
    this.at = at;
    [...this.list.children].forEach((item, index) => item.setAttribute('aria-selected', String(index === at)));
    if (at >= 0) this.text.setAttribute('aria-activedescendant', `offer-${at}`);
    else this.text.removeAttribute('aria-activedescendant');
  }

  key(event) {
    if (event.isComposing) return;
    const open = !this.list.hidden && this.at >= 0;
    if (open && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      event.preventDefault();
      const count = this.offered.length;
      this.mark((this.at + (event.key === 'ArrowDown' ? 1 : count - 1)) % count);
    } else if (open && (event.key === 'Enter' || event.key === 'Tab')) {
      event.preventDefault();
      this.offered[this.at].take();
    } else if (event.key === 'Escape') {
      if (!this.list.hidden) this.offer([]);
      else if (state.replyTo) { state.replyTo = null; this.reply(); }
    } else if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.send();
    } else if (event.key === 'ArrowUp' && !this.text.value) {
      event.preventDefault();
      this.acts.editLast();
    }
  }

  /** A command was chosen: its options take the place of the text. */
  choose(chosen) {
    this.offer([]);
    const made = form(chosen, (option, typed, values) => this.acts.complete(chosen, option, typed, values));
    this.command = { chosen, made };
    const bar = $('command-bar');
    const submit = (event) => {
      if (event.key === 'Enter' && event.target.tagName !== 'SELECT' && !event.defaultPrevented) { event.preventDefault(); this.send(); }
      if (event.key === 'Escape') { this.drop(); this.text.focus(); }
    };
    bar.onkeydown = submit;
    bar.hidden = false;
    fill(bar, h('div.command-head', null, h('b', null, name(chosen.title)), h('span.hint', null, name(chosen.description ?? '')), iconButton('close', 'Leave the command', () => { this.drop(); this.text.focus(); })), made.element);
    this.text.value = '';
    this.text.hidden = true;
    $('attach-button').hidden = true;
    this.grow();
    if (chosen.options.length) made.focus();
    else $('send').focus();
  }

  drop() {
    this.command = null;
    $('command-bar').hidden = true;
    fill($('command-bar'));
    this.text.hidden = false;
    $('attach-button').hidden = !may(channel(state.channel), 'ATTACH');
    this.offer([]);
    this.grow();
  }

  async send() {
    if (this.command) {
      const { chosen, made } = this.command;
      const missing = made.element.querySelector(':invalid');
      if (missing) {
        missing.reportValidity();
        return;
      }
      if (await this.acts.slash(chosen, made.values())) {
        this.drop();
        this.text.focus();
      }
      return;
    }
    const said = withMentions(this.text.value, this.mentions).trim();
    if (!said && !this.files.length) return;
    const { value } = this.text;
    const files = this.files;
    this.text.value = '';
    this.files = [];
    this.typedAt = 0;
    this.offer([]);
    this.grow();
    this.showFiles();
    if (!(await this.acts.say(said, files))) {
      // What was not taken is not lost.
      this.text.value ||= value;
      this.files = files;
      this.grow();
      this.showFiles();
    } else {
      this.mentions.clear();
    }
  }

  async attach(chosen) {
    for (const file of [...chosen].slice(0, 10 - this.files.length)) {
      if (file.size > MAX_FILE_BYTES) {
        toast(`${oneLine(file.name)} is larger than 10 MiB.`, 'error');
        continue;
      }
      this.files.push({ filename: file.name, content_type: file.type || 'application/octet-stream', size: file.size, base64: await base64(file) });
    }
    $('attach').value = '';
    this.showFiles();
  }

  showFiles() {
    const held = $('files');
    held.hidden = this.files.length === 0;
    fill(held, this.files.map((file) => h('span.file-chip', null, icon('file'), name(file.filename), iconButton('close', `Remove ${oneLine(file.filename)}`, () => { this.files = this.files.filter((one) => one !== file); this.showFiles(); }))));
  }
}

async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 32_768) text += String.fromCharCode(...bytes.subarray(at, at + 32_768));
  return btoa(text);
}

export { role };
