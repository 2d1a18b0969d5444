// Drives two tabs of headless Chromium through the chat example, and says on stdout how far it has come.
//
//     node chat.mjs URL SCREENSHOT-FOLDER
//
// After "chatted" it waits for the line "stopped" on stdin, after "noticed" for "started".
import assert from 'node:assert/strict';
import readline from 'node:readline';
import { chromium } from 'playwright-core';

const [url, screenshots] = process.argv.slice(2);
const WAIT_MS_MAX = 30_000;
const HOSTILE = '<img src=x onerror="document.title=1"> & "quotes"';

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function hear(expected) {
  assert.equal((await lines.next()).value, expected);
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
  ],
});

class Tab {
  static async open(name, look) {
    const context = await browser.newContext({ viewport: { width: 1120, height: 760 }, locale: 'en-GB', ...look });
    context.setDefaultTimeout(WAIT_MS_MAX);
    const page = await context.newPage();
    const tab = new Tab(name, page);
    page.on('pageerror', (error) => tab.errors.push(error.message));
    page.on('console', (message) => message.type() === 'error' && tab.errors.push(message.text()));
    await page.goto(url);
    return tab;
  }

  constructor(name, page) {
    Object.assign(this, { name, page, errors: [] });
  }

  async join(name = this.name) {
    await this.page.getByLabel('What shall we call you?').fill(name);
    await this.page.getByRole('button', { name: 'Join' }).click();
  }

  async say(text) {
    await this.page.getByLabel('Message', { exact: true }).fill(text);
    await this.page.keyboard.press('Enter');
    await this.sees(text);
  }

  sees(text) {
    return this.page.locator('.message .text').getByText(text, { exact: true }).last().waitFor();
  }

  notice(text) {
    return this.page.locator('.notice').getByText(text, { exact: true }).last().waitFor();
  }

  async online(...names) {
    await this.page.locator('#online-title', { hasText: `Online · ${names.length}` }).waitFor();
    assert.deepEqual(await this.page.locator('#online .name').allTextContents(), names);
  }

  state(state) {
    return this.page.locator(`#status[data-state=${state}]`).waitFor();
  }

  count(selector) {
    return this.page.locator(selector).count();
  }

  screenshot(name) {
    return this.page.screenshot({ path: `${screenshots}/${name}.png` });
  }
}

const ada = await Tab.open('Ada', { colorScheme: 'light' });
await ada.join('');
assert.ok(await ada.page.locator('#door').isVisible(), 'an empty name does not get in');
await ada.join();
await ada.notice('You joined');

const grace = await Tab.open('Grace', { colorScheme: 'dark' });
await grace.join('ada');
await grace.page.getByText('is already here').waitFor();
await grace.screenshot('chat-join');
await grace.join();
await ada.notice('Grace joined');
for (const tab of [ada, grace]) await tab.online('Ada', 'Grace');

await ada.say('Morning! Is the new server up?');
await grace.sees('Morning! Is the new server up?');
await grace.say('It is – one process, and ten thousand people could listen in.');
await grace.say('You are number two.');
await ada.sees('You are number two.');
await ada.say(HOSTILE);
await grace.sees(HOSTILE);
await ada.say('Grüße aus München – and whatever you type stays text.');
await grace.say('So I see. 😄');
await ada.sees('So I see. 😄');
assert.equal(await grace.count('.message img'), 0);
assert.deepEqual([await ada.count('.message.own'), await ada.count('.message')], [3, 6]);

const late = await Tab.open('Linus', { viewport: { width: 390, height: 780 }, colorScheme: 'dark' });
await late.join();
await late.sees('Morning! Is the new server up?');  // the history
for (const tab of [ada, grace, late]) await tab.online('Ada', 'Grace', 'Linus');
await ada.notice('Linus joined');
await ada.screenshot('chat');
await grace.screenshot('chat-dark');
await late.screenshot('chat-phone');
await late.page.close();
await ada.notice('Linus left');
for (const tab of [ada, grace]) await tab.online('Ada', 'Grace');
for (const tab of [ada, grace, late]) assert.deepEqual(tab.errors, [], tab.name);
console.log('chatted');

await hear('stopped');
for (const tab of [ada, grace]) await tab.state('offline');
await ada.screenshot('chat-offline');
console.log('noticed');

await hear('started');
for (const tab of [ada, grace]) await tab.online('Ada', 'Grace');
await ada.say('Back again, without a reload?');
await grace.sees('Back again, without a reload?');
await grace.page.reload();
await grace.notice('You joined');  // the name was remembered
await grace.sees('Back again, without a reload?');
console.log('came back');
await browser.close();
process.exit(0);
