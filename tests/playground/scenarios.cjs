// The real Helpline as members and staff see it: node scenarios.cjs support SETTINGS.

const assert = require('node:assert/strict');
const path = require('node:path');
const { open, settings, wrong, picture, close } = require('../../sim/tests/playground/browser.cjs');

const [server] = settings.servers;
const [member] = server.members;
const [, staff] = server.staff;
const QUESTION = 'How long do I have to ask for a refund?';

/** A picture for the documentation, when they are asked for. */
async function shoot(page, name) {
  if (!settings.screenshots) return;
  await page.mouse.move(640, 5);
  await page.evaluate(() => document.activeElement?.blur());
  await page.waitForFunction(() => document.querySelectorAll('.toast, .skeleton, .typing .dots').length === 0);
  await page.screenshot({ path: path.join(settings.screenshots, `playground-${name}.png`) });
}

async function write(page, text) {
  await page.locator('#draft').fill(text);
  await page.locator('#draft').press('Enter');
}

async function support() {
  const viewport = { width: 1200, height: 720 };
  const page = await open({ as: member, channel: server.support_channel, viewport });
  const dark = await open({ as: staff, channel: server.general_channel, viewport, colorScheme: 'dark' });
  await page.getByText('This is the beginning of #support').waitFor();
  await write(page, QUESTION);
  const card = page.locator('.thread-card');
  await card.waitFor();
  await shoot(page, 'question');

  await card.click();
  const answer = page.getByRole('article', { name: /^helpline/ });
  await answer.getByText('14 days').waitFor();
  assert.match(await answer.locator('.small').innerText(), /^Sources: \[1\] Refunds/);
  await shoot(page, 'answer');

  await page.getByRole('button', { name: 'Ask a human' }).click();
  await page.locator('.ephemeral').getByText('A human has been asked. They will answer here.').waitFor();

  // Staff, looking elsewhere, are called into the thread.
  const place = dark.getByRole('navigation', { name: 'Channels and threads' }).getByRole('button', { name: QUESTION });
  await place.locator('.badge').waitFor();
  await place.click();
  const call = dark.locator('.calls-me');
  await call.getByText('asks for a human').waitFor();
  assert.equal(await call.locator('.mention.mine').innerText(), '@support');
  assert.equal(await dark.locator('.ephemeral').count(), 0);
  await write(dark, 'Hello! I am looking at your invoice now.');
  await page.getByText('I am looking at your invoice now.').waitFor();
  await shoot(dark, 'ticket');

  // The same on a phone, and a question by command.
  const phone = await open({ as: member, channel: server.general_channel, viewport: { width: 390, height: 780 }, touch: true });
  await phone.locator('#draft').fill('/ask');
  await phone.getByRole('option', { name: /\/ask/ }).tap();
  await phone.getByLabel(/^question:/).fill('How do I restore a backup?');
  await phone.getByRole('button', { name: 'Send' }).tap();
  await phone.getByRole('article', { name: /^helpline/ }).getByText(/Sources: \[1\] Backups/).waitFor();
  await shoot(phone, 'phone');
}

support().then(wrong, async (error) => { await picture('support'); throw error; })
  .then(close)
  .then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
