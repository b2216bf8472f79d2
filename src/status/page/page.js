// Follows status.json, and draws what changed. Everything that comes from there is put in as text.
'use strict';

const EVERY_MS = 1000;
const LATE_MS = 4000;
const MANY = 300;
const MOST = 10000;
const $ = (id) => document.getElementById(id);
/** Owners keep their colour and letter as long as the page is open. */
const looks = new Map();
let chosen = null;
let shown = null;
let shownAt = 0;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function look(owner) {
  if (!looks.has(owner)) {
    const n = looks.size;
    const letter = String.fromCharCode(65 + (n % 26)) + (n < 26 ? '' : Math.floor(n / 26));
    looks.set(owner, { colour: `o${n % 8}`, letter });
  }
  return looks.get(owner);
}

function age(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

const wait = (ms) => (ms < 10000 ? `${(ms / 1000).toFixed(1)} s` : age(ms / 1000));
const count = (number) => (number >= MOST ? `${number} or more` : String(number));

/** 0 to 4: by how long its first event waits, else by how many wait. */
function heat(shard) {
  if (!shard.behind) return 0;
  const ms = shard.waits_ms ?? 0;
  if (ms >= 10000 || shard.behind >= 1000) return 4;
  if (ms >= 3000 || shard.behind >= 200) return 3;
  if (ms >= 1000 || shard.behind >= 50) return 2;
  return 1;
}

function tells(shard) {
  const owner = shard.owner_name ? `owned by ${shard.owner_name}` : 'nobody owns it';
  const behind = shard.behind === null ? 'lag not known' : shard.behind === 0 ? 'nothing waits' : `${shard.behind} events behind, the first waits ${wait(shard.waits_ms ?? 0)}`;
  return `Shard ${shard.id}: ${owner}, ${behind}`;
}

function drawMap(shards) {
  const map = $('map');
  map.classList.toggle('many', shards.length > MANY);
  // Cells stay where they are, so that a press and the focus are not lost.
  while (map.children.length > shards.length) map.lastChild.remove();
  shards.forEach((shard, at) => {
    let cell = map.children[at];
    if (!cell) {
      cell = element('button');
      cell.type = 'button';
      cell.append(element('span'), element('small'), element('i'));
      cell.addEventListener('click', () => choose(Number(cell.dataset.shard)));
      map.append(cell);
    }
    cell.dataset.shard = shard.id;
    cell.dataset.owner = shard.owner_name ?? '';
    const its = shard.owner && look(shard.owner);
    cell.className = `shard ${its ? its.colour : 'nobody'} lag${heat(shard)}`;
    cell.firstChild.textContent = shard.id;
    cell.children[1].textContent = its ? its.letter : '?';
    cell.setAttribute('aria-label', tells(shard));
    cell.setAttribute('aria-pressed', String(chosen === shard.id));
  });
}

function drawDetail(shards) {
  const shard = shards.find((it) => it.id === chosen);
  $('detail').hidden = !shard;
  if (!shard) return;
  const parts = [tells(shard), `epoch ${shard.epoch}${shard.owned_s === null ? '' : ` for ${age(shard.owned_s)}`}`, `${shard.servers} servers`, shard.status, `applied up to ${shard.cursor}`];
  if (shard.leaving || shard.coming) parts.push(`${shard.leaving} servers leaving, ${shard.coming} coming`);
  if (shard.held) parts.push(`${shard.held} events held`);
  const text = parts.join(' · ');
  // Said anew only when it is new.
  if ($('detail').textContent !== text) $('detail').textContent = text;
}

function choose(shard) {
  chosen = chosen === shard ? null : shard;
  if (shown) draw(shown);
}

function list(target, items) {
  $(target).replaceChildren(...items);
}

function facts(target, all) {
  list(target, all.map(([name, value, more]) => {
    const box = element('div');
    const dd = element('dd', value);
    if (more) dd.append(element('small', more));
    box.append(element('dt', name), dd);
    return box;
  }));
}

function drawOwners(status) {
  list('owners', status.workers.map((worker) => {
    const item = element('li');
    const its = look(worker.id);
    item.append(element('b', its.letter, its.colour), `${worker.name}: ${worker.holds} shards${worker.draining ? ', leaving' : ''}`);
    return item;
  }));
}

function drawWaiting(waiting) {
  const oldest = (seconds) => (seconds === null || seconds === undefined ? '' : `oldest ${age(seconds)}`);
  facts('waiting', waiting ? [
    ['Questions', count(waiting.questions), oldest(waiting.oldest_question_s)],
    ['Messages to Discord', count(waiting.effects), oldest(waiting.oldest_effect_s)],
    ['Dead letters', count(waiting.dead_letters)],
    ['Open gaps', count(waiting.open_gaps)],
  ] : [['Not known', 'Postgres is away']]);
}

function drawBudgets(budgets) {
  if (!budgets) return facts('budgets', [['Not known', 'Redis is away']]);
  const { identifies, rest, invalid_requests: invalid } = budgets;
  facts('budgets', [
    ['Sessions left today', identifies ? `${identifies.left} of ${identifies.total}` : 'not known yet', identifies ? `new ones in ${age(identifies.reset_in_s)}` : ''],
    ['REST requests in this second', String(rest.in_this_second), `shared by ${rest.proxies} ${rest.proxies === 1 ? 'proxy' : 'proxies'}${rest.proxies_waiting ? `, ${rest.proxies_waiting} wait` : ''}`],
    ['Refused in 10 minutes', String(invalid.refused), invalid.is_held_back ? 'requests are held back now' : invalid.held_back_at ? `held back at ${invalid.held_back_at}` : 'Discord bans at 10000'],
  ]);
}

function drawProcesses(status) {
  const row = (role, unit) => (it) => {
    const made = element('tr');
    made.append(element('td', it.name), element('td', it.draining ? `${role}, leaving` : role), element('td', `${it.holds} ${unit}`), element('td', age(it.running_s)), element('td', `${wait(it.silent_ms)} ago`));
    return made;
  };
  list('processes', [...status.workers.map(row('worker', 'shards')), ...status.proxies.map(row('proxy', 'gateway shards'))]);
}

function drawGateway(status) {
  const { gateway_shards: all, gateway_shards_up: up } = status.summary;
  const rising = status.gateway_sets.find((set) => set.state === 'rising');
  $('gateway').textContent = `${up} of ${all} have their session${rising ? `; their number changes to ${rising.total}` : ''}.`;
  const odd = status.gateway_shards.filter((it) => !it.up || !it.owner_name || it.phase !== 'serving');
  list('odd-gateways', odd.slice(0, 50).map((it) => element('li', `${it.id} of ${it.total}: ${it.phase}, ${it.up ? 'session up' : 'no session'}, ${it.owner_name ?? 'nobody'}`)));
}

/** What is wrong, worst first. */
function problems(status) {
  const found = [status.postgres, status.redis].filter((store) => store.state !== 'answers').map((store) => store.why);
  if (status.stale_ms !== null) found.push(`What Postgres told is ${age(status.stale_ms / 1000)} old.`);
  if (status.summary.without_owner) found.push(`${status.summary.without_owner} shards have no owner: their members wait.`);
  if (status.waiting && !status.workers.length) found.push('No worker is running.');
  if (status.waiting && !status.proxies.length) found.push('No proxy is running: nothing comes from Discord, and nothing goes there.');
  if (status.summary.longest_wait_ms >= 10000) found.push(`An event has waited for ${wait(status.summary.longest_wait_ms)}.`);
  if (status.budgets?.invalid_requests.is_held_back) found.push('Discord refuses too many requests: they are held back.');
  return found;
}

function verdict(text, kind) {
  if ($('verdict').textContent !== text) $('verdict').textContent = text;
  $('verdict').className = kind;
}

function draw(status) {
  const found = problems(status);
  list('problems', found.map((problem) => element('li', problem)));
  $('problems').hidden = !found.length;
  const { shards, without_owner, behind } = status.summary;
  if (found.length) verdict(`${found.length === 1 ? 'One thing needs' : `${found.length} things need`} a look`, 'bad');
  else verdict(`All ${shards} shards have an owner, ${behind} events behind`, 'good');
  document.body.classList.toggle('stale', status.stale_ms !== null);
  drawOwners(status);
  drawMap(status.shards);
  drawDetail(status.shards);
  drawWaiting(status.waiting);
  drawBudgets(status.budgets);
  drawProcesses(status);
  drawGateway(status);
  $('seen').textContent = `Version ${status.version}, as of ${new Date(status.at_ms).toLocaleTimeString()}.`;
}

async function follow() {
  try {
    const answer = await fetch('status.json', { signal: AbortSignal.timeout(LATE_MS) });
    const status = await answer.json();
    if (status.elsewhere) return verdict(status.elsewhere, 'warn');
    [shown, shownAt] = [status, Date.now()];
    draw(status);
  } catch {
    verdict(shownAt ? `This process has not answered for ${age((Date.now() - shownAt) / 1000)}: look at another one` : 'This process does not answer: look at another one', 'bad');
    document.body.classList.add('stale');
  }
}

async function forever() {
  for (;;) {
    // Nobody looks: nothing is asked.
    if (!document.hidden) await follow();
    await new Promise((done) => { setTimeout(done, EVERY_MS); });
  }
}

document.addEventListener('visibilitychange', () => { if (!document.hidden) follow(); });
forever();
