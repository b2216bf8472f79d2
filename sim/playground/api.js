// The way to the simulator: questions, acts, and what happens meanwhile.

/** Why the simulator did not do something, in its own words. `status` 0: it could not be reached. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(`/playground/api${path}`, { ...options, cache: 'no-store' });
  } catch {
    throw new Refusal(0, 'The simulator cannot be reached.');
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(response.status, body.error ?? `The simulator answered ${response.status}.`);
  return body;
}

/** Reads: get('/servers', {q: 'orchard'}). */
export function get(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null);
  const query = new URLSearchParams(given).toString();
  return ask(query ? `${path}?${query}` : path);
}

/** Does something as a member. */
export function act(viewer, channel, what, details = {}) {
  const body = JSON.stringify({ as: viewer, channel, do: what, ...details });
  return ask('/act', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
}

const EVENTS = ['message', 'gone', 'typing', 'server', 'interaction', 'missed'];
const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 5_000;

/**
 * Listens to what happens; `heard(name, data)` for each event, `state('live' | 'lost')` when the connection comes and
 * goes. Tries again until the returned function is called. The promise is kept when it is live for the first time.
 */
export function listen(viewer, server, heard, state) {
  let source;
  let timer;
  let wait = FIRST_WAIT_MS;
  let ended = false;
  let arrived;
  const first = new Promise((resolve) => { arrived = resolve; });
  const open = () => {
    source = new EventSource(`/playground/api/events?as=${viewer}&server=${server}`);
    source.addEventListener('hello', () => {
      wait = FIRST_WAIT_MS;
      state('live');
      arrived();
    });
    for (const name of EVENTS) source.addEventListener(name, (event) => heard(name, JSON.parse(event.data)));
    source.onerror = () => {
      source.close();
      if (ended) return;
      state('lost');
      arrived();
      timer = setTimeout(open, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    };
  };
  open();
  const end = () => {
    ended = true;
    clearTimeout(timer);
    source.close();
  };
  return { first, end };
}
