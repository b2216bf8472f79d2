// What a person sees and does in the playground, scenario by scenario: node scenarios.cjs NAME SETTINGS.
// Exit status 0: all was as it should be. "say(word)" tells the Rust side where it is and waits for its answer.

const assert = require('node:assert/strict');
const http = require('node:http');
const readline = require('node:readline');
const { open, settings } = require('./browser.cjs');

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = async (word) => {
  console.log(word);
  await lines.next();
};

const [server] = settings.servers;
const [member, other] = server.members;
const [staff] = [server.staff[1]];
const QUESTION = 'How long do I have to ask for a refund?';

const draft = (page) => page.locator('#draft');
const messages = (page) => page.getByRole('log');

async function write(page, text) {
  await draft(page).fill(text);
  await draft(page).press('Enter');
}

/** Asks in the support channel and follows the bot into its thread. */
async function ask(page) {
  await write(page, QUESTION);
  const card = page.locator('.thread-card');
  await card.waitFor();
  await card.click();
  await page.getByText('Sources: [1] Refunds').waitFor();
}

/** Nothing on the page is wider than the window. */
async function fits(page) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth || document.querySelector('#scroller').scrollWidth > document.querySelector('#scroller').clientWidth);
  assert.equal(wide, false, 'something is wider than the window');
}

const scenarios = {
  async question() {
    const page = await open({ as: member, channel: server.support_channel });
    await page.getByRole('heading', { level: 1, name: 'support' }).waitFor();
    await ask(page);
    await page.getByRole('heading', { level: 1, name: QUESTION }).waitFor();
    const answer = page.getByRole('article', { name: /^helpline/ });
    await answer.getByText('14 days').waitFor();
    assert.equal(await answer.locator('strong').innerText(), '14 days', 'bold text is bold');
    assert.equal(await answer.locator('.small').innerText(), 'Sources: [1] Refunds');
    await page.locator('.starter').getByText(QUESTION).waitFor();
    assert.equal(await page.getByRole('link', { name: /Handbook/ }).getAttribute('rel'), 'noopener noreferrer nofollow');
    // The thread stands below its channel, and the channel leads back.
    await page.getByRole('navigation', { name: 'Channels and threads' }).getByRole('button', { name: QUESTION }).waitFor();
    await page.getByRole('button', { name: 'support' }).first().click();
    await page.locator('.thread-card').waitFor();
    // Whoever looks from the outset sees the same.
    const again = await open({ as: other, channel: server.support_channel });
    await again.locator('.thread-card').click();
    await again.getByText('Sources: [1] Refunds').waitFor();
  },

  async handover() {
    const page = await open({ as: member, channel: server.support_channel });
    const watching = await open({ as: staff, channel: server.general_channel });
    await ask(page);
    await page.getByRole('button', { name: 'Ask a human' }).click();
    const told = page.locator('.ephemeral');
    await told.getByText('A human has been asked to help.').waitFor();
    await told.getByText('Only you can see this').waitFor();
    assert.equal(await page.locator('.mention.mine').count(), 1, 'his own name is marked in the call');
    // Staff look elsewhere: the thread shows that they are called; there the message stands out, the reply does not show.
    const place = watching.getByRole('navigation', { name: 'Channels and threads' }).getByRole('button', { name: QUESTION });
    await place.locator('.badge').waitFor();
    assert.equal(await place.locator('.badge').innerText(), '1');
    await place.click();
    const call = watching.locator('.calls-me');
    await call.getByText('asks for a human').waitFor();
    assert.equal(await call.locator('.mention.mine').innerText(), '@support');
    assert.equal(await watching.locator('.ephemeral').count(), 0, 'the private reply is not for staff');
    assert.equal(await page.locator('.calls-me').count(), 0, 'the role does not call the member');
    await write(watching, 'I am on it.');
    await messages(page).getByText('I am on it.').waitFor();
    await page.getByRole('article', { name: /^ben_0/ }).locator('.role-tag', { hasText: 'support' }).waitFor();
    await told.getByRole('button', { name: 'Dismiss message' }).click();
    await told.waitFor({ state: 'detached' });
  },

  async ephemeral() {
    const mine = await open({ as: member, channel: server.general_channel });
    const theirs = await open({ as: other, channel: server.general_channel });
    const send = async (page, private_) => {
      await draft(page).fill('/ask');
      await draft(page).press('Enter');
      await page.getByLabel(/^question:/).fill('refunds');
      await page.getByLabel(/^private:/).selectOption(private_ ? 'true' : 'false');
      await page.getByRole('button', { name: 'Send' }).click();
    };
    await send(mine, true);
    await mine.locator('.ephemeral').getByText('14 days').waitFor();
    // An open answer comes later and has arrived there: then the private one would have, too.
    await send(mine, false);
    await theirs.getByText('14 days').waitFor();
    assert.equal(await theirs.locator('.ephemeral').count(), 0);
    assert.equal(await theirs.getByText('14 days').count(), 1);
    await theirs.reload();
    await theirs.getByText('14 days').waitFor();
    assert.equal(await theirs.getByText('14 days').count(), 1, 'not after reading anew either');
    await mine.reload();
    await mine.locator('.ephemeral').waitFor();
  },

  async slash() {
    const page = await open({ as: member, channel: server.general_channel });
    await typeOffered(page, '/');
    const offers = page.getByRole('listbox', { name: 'Suggestions' });
    await offers.getByText('/status').waitFor();
    assert.equal(await offers.getByRole('option').count(), 2, '/setup is for those who manage the server');
    await page.keyboard.type('as');
    await offers.getByText('/status').waitFor({ state: 'detached' });
    assert.equal(await draft(page).getAttribute('aria-activedescendant'), 'offer-0');
    await page.keyboard.press('Tab');
    // A required option is asked for before anything is sent.
    await page.keyboard.press('Enter');
    await page.keyboard.type('How do refunds work?');
    await page.keyboard.press('Enter');
    await messages(page).getByText('14 days').waitFor();
    await page.locator('.cause').getByText('used').waitFor();
    await draft(page).waitFor({ state: 'visible' });
    assert.equal(await page.evaluate(() => document.activeElement.id), 'draft');
  },

  async modal() {
    const page = await open({ as: staff, channel: server.general_channel });
    await write(page, '/setup');
    await page.getByRole('button', { name: 'Send' }).click();
    const form = page.getByRole('dialog', { name: 'Set Helpline up' });
    await form.waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'INPUT', 'the first field has the focus');
    const name = form.getByLabel('Name of the team');
    await name.fill('ab');
    await form.getByLabel('Language').selectOption('de');
    await form.getByLabel('Greeting').fill('Hello');
    await form.getByRole('button', { name: 'Submit' }).click();
    assert.equal(await name.evaluate((field) => field.validity.valid), false, 'too short');
    await form.waitFor();
    await name.fill('Answers');
    await form.getByRole('button', { name: 'Submit' }).click();
    await form.waitFor({ state: 'detached' });
    await page.locator('.ephemeral').getByText('Set up: Answers / ["de"] / Hello').waitFor();
  },

  async suggestions() {
    const page = await open({ as: member, channel: server.general_channel });
    await typeOffered(page, '/status');
    await page.keyboard.press('Enter');
    const list = page.getByRole('listbox').filter({ hasText: 'Billing' });
    await list.waitFor();
    await page.keyboard.type('b');
    await list.getByText('Hosting').waitFor({ state: 'detached' });
    assert.equal(await list.getByRole('option').count(), 2);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    assert.equal(await page.getByRole('combobox', { name: /^topic/ }).inputValue(), 'Backups');
    await page.keyboard.press('Enter');
    await messages(page).getByText('All is well with topic:Backups.').waitFor();
  },

  async menus() {
    const page = await open({ as: member, channel: server.general_channel });
    await write(page, 'how do refunds work');
    const mine = page.getByRole('article', { name: /^cleo_0/ });
    await mine.hover();
    await mine.getByRole('button', { name: 'More' }).click();
    const menu = page.getByRole('menu');
    await page.keyboard.press('Escape');
    await menu.waitFor({ state: 'detached' });
    await page.keyboard.press('Enter');
    await menu.getByRole('menuitem', { name: 'Apps: Ask Helpline' }).click();
    await page.locator('.ephemeral').getByText('You asked about: how do refunds work').waitFor();

    await write(page, 'show a card');
    const card = page.locator('.container');
    await card.getByText('Your plan').waitFor();
    await card.getByText('What matters to you?').click();
    await card.getByLabel('Price').check();
    await card.getByLabel('Speed').check();
    await card.getByLabel('Support').check();
    assert.equal(await card.getByRole('button', { name: 'Choose' }).isDisabled(), true, 'two at most');
    await card.getByLabel('Price').uncheck();
    await card.getByRole('button', { name: 'Choose' }).click();
    await page.locator('.ephemeral').getByText('You chose ["speed","support"].').waitFor();
  },

  async own() {
    const page = await open({ as: member, channel: server.general_channel });
    const theirs = await open({ as: other, channel: server.general_channel });
    await write(page, 'first try');
    await theirs.getByText('first try').waitFor();
    await draft(page).press('ArrowUp');
    await page.getByRole('textbox', { name: 'Edit message' }).fill('second try');
    await page.keyboard.press('Enter');
    await theirs.getByText('second try').waitFor();
    await theirs.getByText('(edited)').waitFor();
    const seen = theirs.getByRole('article', { name: /^cleo_0/ });
    assert.equal(await seen.getByRole('button', { name: 'Delete' }).count(), 0, 'it is not his to delete');
    await seen.hover();
    await seen.getByRole('button', { name: 'Add reaction' }).click();
    await theirs.getByRole('menuitem', { name: '🎉' }).click();
    const reaction = page.getByRole('button', { name: '🎉, 1' });
    await reaction.waitFor();
    assert.equal(await reaction.getAttribute('aria-pressed'), 'false');
    assert.equal(await theirs.getByRole('button', { name: '🎉, 1' }).getAttribute('aria-pressed'), 'true');
    await reaction.click();
    await theirs.getByRole('button', { name: '🎉, 2' }).waitFor();
    await seen.hover();
    await seen.getByRole('button', { name: 'Reply' }).click();
    await write(theirs, 'an answer');
    await page.getByRole('button', { name: /^Answer to cleo_0/ }).getByText('second try').waitFor();

    const pixel = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
    await page.locator('#attach').setInputFiles([{ name: 'pixel.png', mimeType: 'image/png', buffer: pixel }, { name: 'log.txt', mimeType: 'text/plain', buffer: Buffer.from('<script>') }]);
    await page.locator('.file-chip').nth(1).waitFor();
    await write(page, 'look at this');
    const image = theirs.getByRole('img', { name: 'pixel.png' });
    await image.waitFor();
    await theirs.waitForFunction(() => document.querySelector('img.image')?.naturalWidth === 1);
    await theirs.getByRole('link', { name: 'log.txt' }).waitFor();

    const last = page.getByRole('article', { name: /^cleo_0/ }).filter({ hasText: 'look at this' });
    await last.hover();
    await last.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog', { name: 'Delete message' }).getByRole('button', { name: 'Delete' }).click();
    await theirs.getByText('look at this').waitFor({ state: 'detached' });
  },

  async threads() {
    const page = await open({ as: member, channel: server.general_channel });
    const theirs = await open({ as: staff, channel: server.general_channel });
    await write(page, 'my printer is on fire');
    const mine = page.getByRole('article', { name: /^cleo_0/ });
    await mine.hover();
    await mine.getByRole('button', { name: 'More' }).click();
    await page.getByRole('menuitem', { name: 'Start a thread' }).click();
    await page.getByRole('dialog', { name: 'Start a thread' }).getByLabel('Name of the thread').fill('Printer');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Printer' }).waitFor();
    await page.locator('.starter').getByText('my printer is on fire').waitFor();
    await write(page, 'it burns quite well');
    await theirs.locator('.thread-card').getByText('Printer').waitFor();
    await theirs.locator('.thread-card').getByText('1 message').waitFor();
    await theirs.locator('.thread-card').click();
    await messages(theirs).getByText('it burns quite well').waitFor();
    await theirs.getByRole('button', { name: 'Thread' }).click();
    await theirs.getByRole('menuitem', { name: 'Lock' }).click();
    await page.getByText('This thread is locked.').waitFor();
    await write(theirs, 'call the fire brigade');
    await messages(page).getByText('call the fire brigade').waitFor();
    await theirs.getByRole('button', { name: 'Thread' }).click();
    await theirs.getByRole('menuitem', { name: 'Archive' }).click();
    await page.locator('.place-head').getByText('archived').waitFor();
  },

  async forum() {
    const page = await open({ as: member, channel: server.forum });
    const theirs = await open({ as: other, channel: server.general_channel });
    await page.getByText('No post yet.').waitFor();
    await page.getByRole('button', { name: 'New post' }).click();
    const form = page.getByRole('dialog', { name: /^New post/ });
    await form.getByLabel('Title').fill('Where is the **manual**?');
    await form.getByLabel('Message').fill('I cannot find it.');
    await form.getByRole('button', { name: 'Post' }).click();
    await page.getByRole('heading', { level: 1, name: 'Where is the **manual**?' }).waitFor();
    await messages(page).getByText('I cannot find it.').waitFor();
    await theirs.getByRole('navigation', { name: 'Channels and threads' }).getByRole('button', { name: 'questions' }).click();
    await theirs.locator('.post').getByText('Where is the **manual**?').click();
    await write(theirs, 'On the shelf.');
    await messages(page).getByText('On the shelf.').waitFor();
  },

  async permissions() {
    // On the way the support channel is hidden from members, and in the general one they lose their voice.
    const page = await open({ as: member, channel: server.general_channel });
    await draft(page).waitFor();
    const places = page.getByRole('navigation', { name: 'Channels and threads' });
    await places.getByRole('button', { name: 'support' }).waitFor();
    await say('ready');
    await places.getByRole('button', { name: 'support' }).waitFor({ state: 'detached' });
    await page.getByText('You do not have permission to write here.').waitFor();
    assert.equal(await draft(page).isVisible(), false);
    const theirs = await open({ as: staff, channel: server.support_channel });
    await write(theirs, 'among ourselves');
    await messages(theirs).getByText('among ourselves').waitFor();
    const hidden = await open({ as: member, channel: server.support_channel });
    await hidden.getByRole('heading', { level: 1, name: 'general' }).waitFor();
    assert.equal(await hidden.getByText('among ourselves').count(), 0);
  },

  async abuse() {
    const page = await open({ as: member, channel: server.general_channel });
    const watching = await open({ as: other, channel: server.general_channel });
    for (const one of [page, watching]) {
      // What is sent before the page is there stays in the draft, and the next text takes its place.
      await one.getByRole('heading', { level: 1, name: 'general' }).waitFor();
      await one.evaluate(() => { window.hacked = 0; });
    }
    const attempts = [
      '<script>window.hacked = 1</script>',
      '<img src=x onerror="window.hacked = 1">',
      '<svg/onload=window.hacked=1><iframe srcdoc="<script>parent.hacked=1</script>">',
      '[press me](javascript:window.hacked=1) <javascript:window.hacked=1> javascript:window.hacked=1',
      '**<b onmouseover="window.hacked=1">bold</b>** `</code><script>window.hacked=1</script>`',
      '```html\n</code></pre><script>window.hacked=1</script>\n```',
      '||<script>window.hacked=1</script>||',
      '[https://bank.example](https://evil.example) https://user:secret@evil.example/',
      '\u202eevil\u202c \u2067rtl\u2069 \u202eno end',
      'x'.repeat(2000),
      '\u0647\u0630\u0627 نص '.repeat(60),
      'Z\u0351\u036b\u0343\u036a\u0302\u0302'.repeat(200),
      '*_~|`>#-['.repeat(200),
    ];
    for (const text of attempts) await write(page, text);
    await write(page, 'the end');
    for (const one of [page, watching]) {
      await messages(one).getByText('the end').waitFor();
      for (const spoiler of await one.locator('.spoiler').all()) await spoiler.click();
      for (const link of await one.locator('#messages a').all()) assert.match(await link.getAttribute('href'), /^https?:\/\/(?!user)/);
      const found = await one.evaluate(() => ({
        hacked: window.hacked,
        foreign: document.querySelectorAll('#messages script, #messages img, #messages iframe, #messages [onload], #messages [onerror], #messages [onmouseover]').length,
      }));
      assert.deepEqual(found, { hacked: 0, foreign: 0 });
      await fits(one);
      await messages(one).getByText('<script>window.hacked = 1</script>', { exact: true }).waitFor();
      assert.equal(await one.getByRole('link', { name: 'https://bank.example' }).count(), 0, 'a label does not lie about its address');
    }
    // Words that turn direction stay in their message.
    const side = await page.evaluate(() => {
      const after = [...document.querySelectorAll('.said')].find((said) => said.textContent === 'the end').closest('.message');
      return getComputedStyle(after).direction;
    });
    assert.equal(side, 'ltr');
  },

  async embeds() {
    const page = await open({ as: member, channel: server.general_channel });
    await write(page, 'show an order');
    const embed = page.locator('.embed');
    await embed.getByText('Order 42').waitFor();
    assert.equal(await embed.locator('em').innerText(), 'yesterday');
    assert.equal(await embed.locator('code').innerText(), 'Swift');
    assert.equal(await embed.getByRole('link', { name: 'Order 42' }).getAttribute('href'), 'https://shop.example/42');
    assert.equal(await embed.locator('img').count(), 0, 'a picture from elsewhere is not fetched');
    await embed.getByRole('link', { name: 'elsewhere.example' }).waitFor();
    const line = await embed.evaluate((element) => getComputedStyle(element).borderLeftColor);
    assert.equal(line, 'rgb(217, 130, 43)');
    await page.getByRole('button', { name: /^Answer to cleo_0/ }).waitFor();
    // Nobody answers this button: it is busy, then the page says that it failed.
    const button = page.getByRole('button', { name: 'Return it' });
    await button.click();
    await page.locator('.press.busy').waitFor();
    await page.getByText('This interaction failed').waitFor();
    assert.equal(await button.isEnabled(), true, 'it can be pressed again');
  },

  async phone() {
    const page = await open({ as: member, channel: server.support_channel, viewport: { width: 360, height: 740 }, touch: true });
    await draft(page).waitFor();
    await fits(page);
    assert.equal(await page.getByRole('button', { name: 'Find a server' }).isVisible(), false, 'servers are in a drawer');
    await page.getByRole('button', { name: 'Servers and channels' }).tap();
    await page.getByRole('button', { name: 'general' }).tap();
    await page.getByRole('heading', { level: 1, name: 'general' }).waitFor();
    await page.locator('.places').waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Servers and channels' }).tap();
    await page.getByRole('button', { name: 'support' }).first().tap();
    await page.getByRole('heading', { level: 1, name: 'support' }).waitFor();
    await draft(page).fill(QUESTION);
    await page.getByRole('button', { name: 'Send' }).tap();
    await page.locator('.thread-card').tap();
    await page.getByText('Sources: [1] Refunds').waitFor();
    await fits(page);
    const button = page.getByRole('button', { name: 'Ask a human' });
    assert.ok((await button.boundingBox()).height >= 40, 'a finger hits it');
    await button.tap();
    await page.getByText('Only you can see this').waitFor();
    await page.getByRole('button', { name: 'People' }).tap();
    await page.getByRole('button', { name: 'ben_0' }).tap();
    await page.locator('.calls-me').waitFor();
    await fits(page);
  },

  async servers() {
    const page = await open({});
    await page.getByText('This is the beginning of').waitFor();
    await page.getByRole('button', { name: 'Find a server' }).click();
    const dialog = page.getByRole('dialog', { name: 'Find a server' });
    await dialog.getByRole('searchbox').fill('nowhere');
    await dialog.getByText('No server is called').waitFor();
    await dialog.getByRole('searchbox').fill(settings.servers[2].name.toLowerCase());
    await dialog.getByRole('button', { name: settings.servers[2].name }).click();
    await page.getByRole('heading', { name: settings.servers[2].name }).waitFor();
    await page.getByRole('button', { name: /Be somebody else/ }).click();
    const people = page.getByRole('dialog', { name: 'Act as' });
    await people.getByRole('heading', { name: /^Owner/ }).waitFor();
    const [owner] = settings.servers[2].staff;
    await people.locator(`[data-user="${owner}"]`).click();
    await page.getByText('owner', { exact: true }).waitFor();
    await write(page, 'good morning');
    await messages(page).getByText('good morning').waitFor();
    // The address leads back to the same place as the same person.
    const address = page.url();
    assert.match(address, new RegExp(`#/${settings.servers[2].id}/\\d+\\?as=${owner}$`));
    const again = await open({ address });
    await again.getByText('owner', { exact: true }).waitFor();
    await messages(again).getByText('good morning').waitFor();
    await again.keyboard.press('Escape');
  },

  async direct() {
    const page = await open({ as: member, channel: server.general_channel });
    await page.getByRole('navigation', { name: 'Channels and threads' }).getByRole('button', { name: 'helpline' }).click();
    await page.getByText('Only you and helpline see what is written here.').waitFor();
    await write(page, QUESTION);
    await messages(page).getByText('14 days').waitFor();
    const theirs = await open({ as: other, channel: server.general_channel });
    await theirs.getByRole('navigation', { name: 'Channels and threads' }).getByRole('button', { name: 'helpline' }).click();
    await theirs.getByText('Nothing has been said yet.').waitFor();
  },

  async history() {
    const page = await open({ as: member, channel: server.general_channel });
    await messages(page).getByText('message 129', { exact: true }).waitFor();
    assert.equal(await page.locator('.message').count(), 50);
    assert.equal(await page.getByText('message 129', { exact: true }).isVisible(), true);
    const scroller = page.locator('#scroller');
    for (const last of ['message 30', 'message 0']) {
      await scroller.evaluate((element) => { element.scrollTop = 0; });
      await messages(page).getByText(last, { exact: true }).waitFor();
    }
    await page.getByText('This is the beginning of #general').waitFor();
    assert.equal(await page.locator('.message').count(), 130);
    // One who reads above is not torn away by what is said below.
    const before = await scroller.evaluate((element) => element.scrollTop);
    await page.evaluate(() => document.querySelector('#scroller').scrollTo(0, 0));
    await page.getByRole('button', { name: 'To the newest message' }).click();
    assert.ok((await scroller.evaluate((element) => element.scrollTop)) > before);
  },

  async afresh() {
    const page = await open({ as: member, channel: server.general_channel });
    await write(page, 'soon forgotten');
    await messages(page).getByText('soon forgotten').waitFor();
    await say('ready');
    await messages(page).getByText('soon forgotten').waitFor({ state: 'detached' });
    await page.getByText('Nothing has been said yet').waitFor();
    await write(page, 'a new beginning');
    await messages(page).getByText('a new beginning').waitFor();
  },

  async connection() {
    const page = await open({ as: member, channel: server.support_channel, lossy: true });
    await draft(page).waitFor();
    await page.getByText('Nothing has been said yet').waitFor();
    await say('ready');
    await page.getByRole('alert').filter({ hasText: 'Connection to the simulator lost' }).waitFor();
    await write(page, 'into the void');
    await page.getByText('The simulator cannot be reached.').waitFor();
    assert.equal(await draft(page).inputValue(), 'into the void', 'what was not taken is not lost');
    await say('lost');
    await messages(page).getByText('said meanwhile').waitFor();
    await page.locator('#connection').waitFor({ state: 'hidden' });
    await say('back');
    await messages(page).getByText('said afterwards').waitFor();
  },

  async foreign() {
    const target = JSON.stringify(settings.base);
    const body = JSON.stringify({ as: member, channel: server.support_channel, do: 'say', text: 'x' });
    const say_ = JSON.stringify({ channel: server.support_channel, member, text: 'x' });
    const html = `<!doctype html><body><iframe id=frame src="${settings.base}/playground"></iframe><script>
      window.read = [];
      const tries = [['/playground/api/act', ${JSON.stringify(body)}], ['/sim/say', ${JSON.stringify(say_)}]];
      window.done = (async () => {
        for (const base of [${target}, location.origin]) {
          for (const [path, body] of tries) for (const type of ['application/json', 'text/plain']) {
            await fetch(base + path, { method: 'POST', headers: { 'content-type': type }, body, mode: type === 'text/plain' ? 'no-cors' : 'cors' }).catch(() => {});
          }
          await fetch(base + '/playground/api/hello').then((r) => r.ok && r.json()).then((b) => b && window.read.push(b)).catch(() => {});
          await fetch(base + '/sim/servers').then((r) => r.ok && r.json()).then((b) => b && window.read.push(b)).catch(() => {});
          const source = new EventSource(base + '/playground/api/events?as=${member}&server=${server.id}');
          await new Promise((resolve) => { source.onerror = resolve; source.addEventListener('hello', () => { window.read.push('events'); resolve(); }); });
          source.close();
        }
      })();
    </script>`;
    const elsewhere = http.createServer((request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(html));
    await new Promise((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    // Another page on this machine, one of a foreign name, and a name that was turned to this machine (DNS rebinding).
    const port = new URL(settings.base).port;
    for (const address of [`http://127.0.0.1:${elsewhere.address().port}/`, `http://evil.example:${elsewhere.address().port}/`]) {
      const page = await open({ address, lossy: true });
      await page.evaluate(() => window.done);
      assert.deepEqual(await page.evaluate(() => window.read), [], address);
    }
    const rebound = await open({ address: `http://evil.example:${port}/playground`, lossy: true });
    await rebound.getByText('open the playground by the address that was printed').waitFor();
    elsewhere.close();
  },
};

module.exports = { scenarios, ask, write, QUESTION };

if (require.main === module) {
  const { close, wrong } = require('./browser.cjs');
  const [, , which] = process.argv;
  const ended = scenarios[which] ? scenarios[which]() : Promise.reject(new Error(`there is no scenario ${which}`));
  ended.then(() => wrong(), async (error) => { await require('./browser.cjs').picture(which); throw error; })
    .then(close)
    .then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
}

/** Types a command; again while the page has not heard yet which commands there are. */
async function typeOffered(page, text) {
  const offer = page.getByRole('listbox', { name: 'Suggestions' }).getByText('/status');
  for (let tries = 0; tries < 40; tries += 1) {
    await draft(page).fill('');
    await draft(page).focus();
    await page.keyboard.type(text);
    if (await offer.waitFor({ timeout: 500 }).then(() => true, () => false)) return;
  }
}
