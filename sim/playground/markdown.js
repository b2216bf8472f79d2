// Discord's markdown as a tree of plain objects. Pure: it makes no elements, so nothing in it can become one.
// https://support.discord.com/hc/en-us/articles/210298617 and
// https://discord.com/developers/docs/reference#message-formatting
//
// A closing mark is looked for before its content is read, and nesting is bounded, so that the work grows with the
// square of the text at most, whatever is written. The rest of what a member writes is text.

const MAX_DEPTH = 8;
const ESCAPABLE = new Set('\\*_~`|>#-[]()<:@&!.+/');
const TRAILING = /[.,:;!?"'\]}]$/;
// Characters that turn the direction of what follows: never part of a link.
const TURNS = /[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/;
const TURNS_ALL = new RegExp(TURNS.source, 'g');

/** A name, title or label on one line, without characters that could turn or hide its neighbours. */
export function oneLine(text) {
  return String(text ?? '').replace(TURNS_ALL, '').replace(/[\u0000-\u001f\u007f\u2028\u2029]+/g, ' ');
}

/** The address if it leads to the web, or null: no javascript:, no data:, nothing that carries a user name. */
export function webAddress(text) {
  try {
    const url = new URL(text);
    const web = url.protocol === 'https:' || url.protocol === 'http:';
    return web && !url.username && !url.password && !TURNS.test(text) ? url.href : null;
  } catch {
    return null;
  }
}

/** Blocks of a message: paragraphs, headings, quotes, lists, code. */
export function parse(text) {
  const blocks = [];
  let rest = String(text ?? '').replace(/\r\n?/g, '\n');
  while (rest) {
    const open = rest.indexOf('```');
    const close = open < 0 ? -1 : rest.indexOf('```', open + 3);
    if (close < 0 || rest.slice(open + 3, close).trim() === '') {
      // Without a closing fence the marks are text.
      blocks.push(...lines(rest, 0));
      break;
    }
    const before = rest.slice(0, open).replace(/\n$/, '');
    if (before) blocks.push(...lines(before, 0));
    blocks.push(fence(rest.slice(open + 3, close)));
    rest = rest.slice(close + 3).replace(/^\n/, '');
  }
  return blocks;
}

/** Inline formatting only, as in a button's or field's neighbourhood. */
export function parseInline(text) {
  return inline(String(text ?? ''), 0);
}

function fence(body) {
  const end = body.indexOf('\n');
  const first = end < 0 ? '' : body.slice(0, end);
  const named = end >= 0 && /^[a-z0-9_+\-.#]{1,32}$/i.test(first);
  const code = named ? body.slice(end + 1) : body;
  return { t: 'pre', lang: named ? first : '', v: code.replace(/^\n+|\n+$/g, '') };
}

function lines(text, depth) {
  const blocks = [];
  const all = text.split('\n');
  let paragraph = [];
  const flush = () => {
    if (paragraph.length) blocks.push({ t: 'p', c: inline(paragraph.join('\n'), depth) });
    paragraph = [];
  };
  for (let at = 0; at < all.length; at += 1) {
    const line = all[at];
    const heading = /^(#{1,3})\s+(\S.*)$/.exec(line);
    const small = line.startsWith('-# ') && line.slice(3).trim() ? line.slice(3) : null;
    if (depth < 2 && line.startsWith('>>> ')) {
      flush();
      blocks.push({ t: 'quote', c: lines([line.slice(4), ...all.slice(at + 1)].join('\n'), depth + 1) });
      return blocks;
    } else if (depth < 2 && (line.startsWith('> ') || line === '>')) {
      flush();
      const quoted = [];
      while (at < all.length && (all[at].startsWith('> ') || all[at] === '>')) quoted.push(all[at++].slice(2));
      at -= 1;
      blocks.push({ t: 'quote', c: lines(quoted.join('\n'), depth + 1) });
    } else if (heading) {
      flush();
      blocks.push({ t: 'h', level: heading[1].length, c: inline(heading[2], depth) });
    } else if (small !== null) {
      flush();
      blocks.push({ t: 'small', c: inline(small, depth) });
    } else if (marker(line)) {
      flush();
      const items = [];
      const goesOn = (one) => one && (!items[0] || one.indent > items[0].indent || one.ordered === items[0].ordered);
      while (at < all.length && goesOn(marker(all[at]))) items.push(marker(all[at++]));
      at -= 1;
      blocks.push(list(items, depth));
    } else {
      paragraph.push(line);
    }
  }
  flush();
  return blocks;
}

function marker(line) {
  const found = /^( {0,20})(?:([-*])|(\d{1,9})\.) +(\S.*)$/.exec(line);
  if (!found) return null;
  return { indent: found[1].length, ordered: found[3] !== undefined, start: Number(found[3] ?? 1), text: found[4] };
}

function list(items, depth) {
  const first = items[0];
  const made = { t: 'list', ordered: first.ordered, start: first.start, items: [] };
  for (let at = 0; at < items.length; ) {
    const item = { c: inline(items[at].text, depth), sub: null };
    let end = at + 1;
    while (end < items.length && items[end].indent > first.indent) end += 1;
    if (end > at + 1 && depth < MAX_DEPTH) item.sub = list(items.slice(at + 1, end), depth + 1);
    made.items.push(item);
    at = depth < MAX_DEPTH ? end : at + 1;
  }
  return made;
}

const PAIRS = [
  ['***', ['b', 'i']],
  ['**', ['b']],
  ['__', ['u']],
  ['~~', ['s']],
  ['||', ['spoiler']],
  ['*', ['i']],
  ['_', ['i']],
];

function inline(text, depth) {
  const out = [];
  let plain = '';
  const flush = () => {
    if (plain) out.push({ t: 'text', v: plain });
    plain = '';
  };
  for (let at = 0; at < text.length; ) {
    const char = text[at];
    if (char === '\n') {
      flush();
      out.push({ t: 'br' });
      at += 1;
    } else if (char === '\\' && ESCAPABLE.has(text[at + 1])) {
      plain += text[at + 1];
      at += 2;
    } else {
      const found = depth < MAX_DEPTH ? special(text, at, depth) : null;
      if (found) {
        flush();
        out.push(found.node);
        at = found.end;
      } else {
        plain += char;
        at += 1;
      }
    }
  }
  flush();
  return out;
}

function special(text, at, depth) {
  switch (text[at]) {
    case '`': return code(text, at);
    case '<': return angled(text, at);
    case '[': return masked(text, at, depth);
    case 'h': return bare(text, at);
    case '@': return everyone(text, at);
    case '*': case '_': case '~': case '|': return pair(text, at, depth);
    default: return null;
  }
}

function pair(text, at, depth) {
  for (const [mark, names] of PAIRS) {
    if (!text.startsWith(mark, at)) continue;
    const from = at + mark.length;
    if (mark === '_' && /[\p{L}\p{N}_]/u.test(text[at - 1] ?? '')) continue;
    if (mark.length === 1 && /\s/.test(text[from] ?? ' ')) continue;
    const close = closing(text, from, mark);
    if (close < 0 || close === from) continue;
    let node = { t: names.at(-1), c: inline(text.slice(from, close), depth + 1) };
    if (names.length > 1) node = { t: names[0], c: [node] };
    return { node, end: close + mark.length };
  }
  return null;
}

/** Where the mark closes; escapes and code in between do not count. */
function closing(text, from, mark) {
  for (let at = from; at < text.length; at += 1) {
    const char = text[at];
    if (char === '\\') {
      at += 1;
    } else if (char === '`') {
      const span = code(text, at);
      if (span) at = span.end - 1;
    } else if (char === mark[0] && text.startsWith(mark, at)) {
      let run = mark.length;
      while (text[at + run] === char) run += 1;
      if (mark.length > 1) return at + run - mark.length;
      const inWord = mark === '_' && /[\p{L}\p{N}]/u.test(text[at + 1] ?? '');
      if (run === 1 && !inWord && !/\s/.test(text[at - 1])) return at;
      if (run === 3) return at + 2;
      at += run - 1;
    }
  }
  return -1;
}

function code(text, at) {
  const ticks = text.startsWith('``', at) ? '``' : '`';
  const from = at + ticks.length;
  const close = text.indexOf(ticks, from);
  if (close <= from) return null;
  return { node: { t: 'code', v: text.slice(from, close).replace(/^ (?=`)|(?<=`) $/g, '') }, end: close + ticks.length };
}

const ANGLED = [
  [/^<@!?(\d{1,20})>/, (m) => ({ t: 'user', id: m[1] })],
  [/^<@&(\d{1,20})>/, (m) => ({ t: 'role', id: m[1] })],
  [/^<#(\d{1,20})>/, (m) => ({ t: 'channel', id: m[1] })],
  [/^<\/([-_\p{L}\p{N} ]{1,100}):(\d{1,20})>/u, (m) => ({ t: 'command', name: m[1], id: m[2] })],
  [/^<(a?):(\w{2,32}):(\d{1,20})>/, (m) => ({ t: 'emoji', name: m[2], id: m[3], animated: m[1] === 'a' })],
  [/^<t:(-?\d{1,13})(?::([tTdDfFsSR]))?>/, (m) => ({ t: 'time', unix: Number(m[1]), style: m[2] ?? 'f' })],
];

function angled(text, at) {
  const piece = text.slice(at, at + 140);
  for (const [pattern, make] of ANGLED) {
    const found = pattern.exec(piece);
    if (found) return { node: make(found), end: at + found[0].length };
  }
  // <https://…>: a link without a preview.
  const close = text.indexOf('>', at);
  const href = close > 0 && /^<https?:\/\//.test(piece) ? text.slice(at + 1, close) : '';
  if (!href || /[\s<]/.test(href) || !webAddress(href)) return null;
  return { node: { t: 'link', href: webAddress(href), c: [{ t: 'text', v: href }] }, end: close + 1 };
}

function masked(text, at, depth) {
  const mid = closing(text, at + 1, '](');
  if (mid < 0 || mid === at + 1) return null;
  let end = mid + 2;
  for (let open = 1; end < text.length; end += 1) {
    if (/\s/.test(text[end]) && text[end] !== ' ') return null;
    if (text[end] === '(') open += 1;
    if (text[end] === ')' && (open -= 1) === 0) break;
  }
  if (text[end] !== ')') return null;
  const label = text.slice(at + 1, mid);
  const target = /^<?(\S+?)>?(?: +"[^"]*")?$/.exec(text.slice(mid + 2, end));
  const href = target && webAddress(target[1]);
  // A label that looks like an address could lie about where it leads.
  if (!href || /https?:\/\/|discord\.gg/i.test(label) || /\n/.test(label)) return null;
  return { node: { t: 'link', href, masked: true, c: inline(label, depth + 1) }, end: end + 1 };
}

function bare(text, at) {
  if (!/^https?:\/\//.test(text.slice(at, at + 8)) || /[\p{L}\p{N}]/u.test(text[at - 1] ?? '')) return null;
  let end = at;
  while (end < text.length && !/[\s<>]/.test(text[end]) && !TURNS.test(text[end])) end += 1;
  let href = text.slice(at, end);
  for (;;) {
    const unopened = href.endsWith(')') && href.split(')').length > href.split('(').length;
    if (!unopened && !TRAILING.test(href) && !/(\*\*|__|~~|\|\|)$/.test(href)) break;
    href = href.slice(0, -1);
  }
  const address = webAddress(href);
  return address && { node: { t: 'link', href: address, c: [{ t: 'text', v: href }] }, end: at + href.length };
}

function everyone(text, at) {
  const found = /^@(everyone|here)/.exec(text.slice(at, at + 9));
  return found && { node: { t: 'everyone', v: found[0] }, end: at + found[0].length };
}

/** What a tree says without its formatting, for previews and accessible names. */
export function plainText(nodes, names = {}) {
  const one = (node) => {
    switch (node.t) {
      case 'text': case 'code': case 'pre': case 'everyone': return node.v;
      case 'br': return ' ';
      case 'user': return `@${names.user?.(node.id) ?? 'somebody'}`;
      case 'role': return `@${names.role?.(node.id) ?? 'role'}`;
      case 'channel': return `#${names.channel?.(node.id) ?? 'channel'}`;
      case 'command': return `/${node.name}`;
      case 'emoji': return `:${node.name}:`;
      case 'time': return new Date(node.unix * 1000).toLocaleString();
      case 'spoiler': return '▮▮▮';
      case 'list': return node.items.map((item) => plainText(item.c, names)).join(' ');
      default: return plainText(node.c ?? [], names);
    }
  };
  return nodes.map(one).join(nodes.some((node) => node.t === 'p') ? ' ' : '');
}
