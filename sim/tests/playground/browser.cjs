// Chromium for the scenarios: opens the playground, and minds what goes wrong behind the page.

const { chromium } = require('playwright-core');

const settings = JSON.parse(process.argv[3]);
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP evil.example 127.0.0.1'];
const PATIENCE_MS = 30_000;

let browser;
const pages = [];
const problems = [];

/**
 * Opens the page as somebody in a channel of the first server, or another address. `lossy`: failed requests are expected.
 */
async function open({ as, channel, address, viewport = { width: 1280, height: 800 }, colorScheme = 'light', touch = false, lossy = false, scale = 1 }) {
  browser ??= await chromium.launch({ executablePath: settings.chromium, args: FLAGS });
  const context = await browser.newContext({ viewport, colorScheme, hasTouch: touch, isMobile: touch, deviceScaleFactor: scale, locale: 'en', timezoneId: 'UTC' });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.on('pageerror', (error) => problems.push(`script: ${error.stack}`));
  page.on('console', (message) => {
    // What the server refuses is said on the page; the console repeats it.
    const repeated = /^Failed to load resource/.test(message.text());
    if (message.type() === 'error' && !lossy && !repeated) problems.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (!lossy && url.protocol !== 'data:' && url.origin !== new URL(settings.base).origin) problems.push(`a request to ${url.origin}`);
  });
  pages.push(page);
  const [server] = settings.servers;
  await page.goto(address ?? (as ? `${settings.base}/playground#/${server.id}/${channel}?as=${as}` : settings.base));
  return page;
}

/** Fails when anything went wrong on the way. */
function wrong() {
  if (problems.length) throw new Error(problems.join('\n'));
}

/** Keeps what a failed scenario looked like. */
async function picture(name) {
  for (const [at, page] of pages.entries()) await page.screenshot({ path: `${process.env.CARGO_TARGET_TMPDIR ?? require('node:os').tmpdir()}/playground-${name}-${at}.png` }).catch(() => {});
  if (problems.length) console.error(problems.join('\n'));
}

const close = () => browser?.close();

module.exports = { open, wrong, picture, close, settings };
