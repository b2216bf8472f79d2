// sim/playground/markdown.js, by what it makes of texts. Exit status 0: as Discord would.

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';

const { parse, oneLine, plainText, webAddress } = await import(new URL('../../playground/markdown.js', import.meta.url));
assert.ok(fileURLToPath(import.meta.url));

const t = (v) => ({ t: 'text', v });
const is = (text, ...blocks) => assert.deepEqual(parse(text), blocks, text);
const line = (text, ...inline) => is(text, { t: 'p', c: inline });

line('plain', t('plain'));
line('**b** *i* __u__ ~~s~~', { t: 'b', c: [t('b')] }, t(' '), { t: 'i', c: [t('i')] }, t(' '), { t: 'u', c: [t('u')] }, t(' '), { t: 's', c: [t('s')] });
line('***both***', { t: 'b', c: [{ t: 'i', c: [t('both')] }] });
line('**a *b* c**', { t: 'b', c: [t('a '), { t: 'i', c: [t('b')] }, t(' c')] });
line('||hidden||', { t: 'spoiler', c: [t('hidden')] });
line('snake_case_name and 2 * 3 * 4', t('snake_case_name and 2 * 3 * 4'));
line('**open *and_ ~~ended', t('**open *and_ ~~ended'));
line('\\*not\\* \\_this\\_', t('*not* _this_'));
line('`**code**` ``a ` b``', { t: 'code', v: '**code**' }, t(' '), { t: 'code', v: 'a ` b' });
line('a\nb', t('a'), { t: 'br' }, t('b'));
is('# one\n## two\n### three\n-# small', { t: 'h', level: 1, c: [t('one')] }, { t: 'h', level: 2, c: [t('two')] }, { t: 'h', level: 3, c: [t('three')] }, { t: 'small', c: [t('small')] });
line('#no heading', t('#no heading'));
is('> a\n> b\nc', { t: 'quote', c: [{ t: 'p', c: [t('a'), { t: 'br' }, t('b')] }] }, { t: 'p', c: [t('c')] });
is('>>> a\nb', { t: 'quote', c: [{ t: 'p', c: [t('a'), { t: 'br' }, t('b')] }] });
is('- a\n  - b\n- c', { t: 'list', ordered: false, start: 1, items: [{ c: [t('a')], sub: { t: 'list', ordered: false, start: 1, items: [{ c: [t('b')], sub: null }] } }, { c: [t('c')], sub: null }] });
is('- a\n1. b', { t: 'list', ordered: false, start: 1, items: [{ c: [t('a')], sub: null }] }, { t: 'list', ordered: true, start: 1, items: [{ c: [t('b')], sub: null }] });
is('3. x', { t: 'list', ordered: true, start: 3, items: [{ c: [t('x')], sub: null }] });
is('```js\nlet a = "**";\n```', { t: 'pre', lang: 'js', v: 'let a = "**";' });
is('a ```b``` c', { t: 'p', c: [t('a ')] }, { t: 'pre', lang: '', v: 'b' }, { t: 'p', c: [t(' c')] });
line('```', t('```'));

// Mentions and their kin.
line('<@1> <@!2> <@&3> <#4>', { t: 'user', id: '1' }, t(' '), { t: 'user', id: '2' }, t(' '), { t: 'role', id: '3' }, t(' '), { t: 'channel', id: '4' });
line('@everyone <t:0:R> <:wave:99> </ask now:7>', { t: 'everyone', v: '@everyone' }, t(' '), { t: 'time', unix: 0, style: 'R' }, t(' '), { t: 'emoji', name: 'wave', id: '99', animated: false }, t(' '), { t: 'command', name: 'ask now', id: '7' });
line('<@abc> <@123456789012345678901>', t('<@abc> <@123456789012345678901>'));

// Links lead to the web or nowhere, and their labels do not pose as other addresses.
const a = (href, v, masked) => ({ t: 'link', href, ...(masked && { masked }), c: [t(v)] });
line('see https://a.example/x).', t('see '), a('https://a.example/x', 'https://a.example/x'), t(').'));
line('https://a.example/(x)', a('https://a.example/(x)', 'https://a.example/(x)'));
line('<https://a.example>', a('https://a.example/', 'https://a.example'));
line('[label](https://a.example)', a('https://a.example/', 'label', true));
line('[x](javascript:alert(1))', t('[x](javascript:alert(1))'));
line('[x](data:text/html,y) <javascript:x>', t('[x](data:text/html,y) <javascript:x>'));
assert.equal(parse('[https://bank.example](https://evil.example)')[0].c.some((node) => node.masked), false);
for (const bad of ['javascript:alert(1)', 'JAVASCRIPT:alert(1)', 'vbscript:x', 'data:text/html,x', 'file:///etc/passwd', 'https://u:p@a.example', 'https://a.example/\u202egpj.exe', '//a.example', '']) {
  assert.equal(webAddress(bad), null, bad);
}
assert.equal(parse('https://a.example/\u202egpj.exe')[0].c[0].href, 'https://a.example/');

// Names on one line keep to themselves.
assert.equal(oneLine('a\u202eb\u2066c\nd\u0000e'), 'abc d e');
assert.equal(plainText(parse('**hi** <@1> ||no|| `x`'), { user: () => 'ada' }), 'hi @ada ▮▮▮ x');

// Nesting is bounded, and nothing takes long, whatever is written.
const depth = (nodes) => nodes.reduce((most, node) => Math.max(most, 1 + depth(node.c ?? node.items?.flatMap((item) => [...item.c, ...(item.sub ? [item.sub] : [])]) ?? [])), 0);
const marks = ['**', '__', '~~', '||', '*', '_'];
const nest = (n) => (n === 0 ? 'x' : `${marks[n % 4]}a ${nest(n - 1)} b${marks[n % 4]}`);
assert.ok(depth(parse(nest(300))) < 30);
assert.ok(depth(parse(Array.from({ length: 300 }, (_, n) => `${' '.repeat(Math.min(n, 20))}- x`).join('\n'))) < 60);
assert.ok(depth(parse('> '.repeat(500) + 'x')) < 10);
for (const unit of ['*', '_', '`', '[', '<', '||', '**a', '`a', '[a](', 'http://', '> ', '- x\n', '# x\n', '~~|', '*a ', '\\', '```', '``` x\n', '(', 'https://a/)', '@everyone']) {
  const text = unit.repeat(Math.ceil(4096 / unit.length));
  const from = performance.now();
  parse(text);
  // A hundred times what it takes; a text of exponential cost would take for ever.
  assert.ok(performance.now() - from < 5_000, unit);
}
