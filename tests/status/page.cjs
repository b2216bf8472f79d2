// The status page in a browser: node page.cjs all SETTINGS. Exit status 0: all was as it should be.

const assert = require('node:assert/strict');
const path = require('node:path');
const readline = require('node:readline');
const { open, wrong, picture, close, settings } = require('../../sim/tests/playground/browser.cjs');

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = async (word) => {
  console.log(word);
  await lines.next();
};
const cells = (page) => page.locator('#map .shard');
const owners = (page) => cells(page).evaluateAll((all) => all.map((cell) => cell.dataset.owner));
const shot = (page, name) => settings.screenshots && page.screenshot({ path: path.join(settings.screenshots, `${name}.png`) });

async function until(what, probe) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const seen = await probe();
    if (seen) return seen;
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}`);
    await new Promise((done) => { setTimeout(done, 50); });
  }
}

/** Nothing on the page is wider than the window, and what is pressed is large enough for a thumb. */
async function fits(page) {
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, 'something is wider than the window');
  const small = await cells(page).evaluateAll((all) => all.filter((cell) => cell.getBoundingClientRect().height < 44 || cell.getBoundingClientRect().width < 40).length);
  assert.equal(small, 0, 'a cell is too small for a thumb');
}

async function all() {
  // One of the three ends before the other two: what they miss is expected.
  const page = await open({ address: settings.base, viewport: { width: 1080, height: 900 }, lossy: true });
  const phone = await open({ address: settings.base, viewport: { width: 390, height: 844 }, touch: true, colorScheme: 'dark', lossy: true, scale: 2 });
  for (const seen of [page, phone]) {
    await until('64 shards are shown', async () => (await cells(seen).count()) === 64);
    await until('three workers own them', async () => new Set(await owners(seen)).size === 3);
    await seen.getByRole('status').getByText('All 64 shards have an owner').waitFor();
    await fits(seen);
  }
  assert.equal(await page.locator('#owners li').count(), 3);
  await page.locator('#budgets').getByText('Sessions left today').waitFor();
  await page.locator('#gateway').getByText('1 of 1 have their session.').waitFor();
  const before = await owners(page);
  const lost = before.indexOf(settings.killed);
  assert.ok(lost >= 0, 'the one that is killed owns shards');
  // A press tells more of a shard, and goes on telling.
  await phone.getByRole('button', { name: new RegExp(`^Shard ${lost}: owned by ${settings.killed}`) }).tap();
  await phone.locator('#detail').getByText(`owned by ${settings.killed}`).waitFor();
  await shot(page, 'status-live');
  await shot(phone, 'status-phone');
  await say('ready');
  for (const seen of [page, phone]) {
    await until('others own its shards', async () => {
      const now = await owners(seen);
      return now.length === 64 && !now.includes(settings.killed) && !now.includes('');
    });
    await seen.getByRole('status').getByText('All 64 shards have an owner').waitFor();
    await until('it is not listed any more', async () => (await seen.locator('#owners li').count()) === 2);
  }
  const after = await owners(page);
  before.forEach((owner, shard) => owner === settings.killed || assert.ok(after[shard], `shard ${shard} has an owner`));
  assert.notEqual(after[lost], settings.killed);
  await phone.locator('#detail').getByText(`owned by ${after[lost]}`).waitFor();
  await shot(page, 'status-after-kill');
  await say('killed');
  await page.getByRole('status').getByText('look at another one').waitFor();
  assert.equal(await cells(page).count(), 64, 'what was seen last stays');
  await say('away');
  wrong();
}

all()
  .then(async () => {
    await close();
    // The other side keeps this one's input open.
    process.exit(0);
  })
  .catch(async (error) => {
    console.error(error.stack);
    await picture('status');
    await close();
    process.exit(1);
  });
