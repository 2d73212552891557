//! A member of staff's walk through the eyes of customers, in real Chromium: Datasette, Radicale, and pages with strict policies.
//!
//! usage: preview_walk.mjs --ca FILE --port N --mail URL [--shots FOLDER]
//!
//! On every page: the bar is there and styled as it should be, the browser complains of nothing, axe-core finds nothing wrong with it, and the
//! app's own elements stand where they stood, further down by the bar's height and no more.
import { openBrowser } from './browser.mjs';
import { critic } from './look.mjs';
import { accessibility } from './browser.mjs';
import { join } from 'node:path';
import { mkdirSync } from 'node:fs';

const options = {};
for (const argv = process.argv.slice(2); argv.length;) options[argv.shift().replace(/^--/, '')] = argv.shift();

const HABITS = [
  { name: 'desk', height: 48, viewport: { width: 1280, height: 800 } },
  { name: 'phone', height: 88, viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
];
const APPS = [
  ['data.test', ['/', '/data/orders', '/data/orders?_size=3']],
  ['books.test', ['/.web/']],
  ['orders.test', ['/plain', '/strict', '/hostile', '/meta', '/none', '/sandbox', '/two']],
];
/** Whether the page lets any script run to its end: axe-core is one, and where there is none it is not asked. */
const letsScriptsRun = (path) => path !== '/sandbox';

const { complain, isContent, look } = critic(options);
let lastMail = 0;
/** Whether what the browser says is about the page: axe-core reads stylesheets anew and pictures are taken with styles, which policies forbid too. */
let heeds = true;

function listen(page, name) {
  const isTheirs = (text) => !/status of [45]\d\d|Blocked script execution/.test(text);
  page.on('console', (message) => heeds && message.type() === 'error' && isTheirs(message.text()) && complain(name, message.text()));
  page.on('pageerror', (error) => complain(name, error.message));
}

/** Opens a page and hears what the browser says of it, until it has said all. */
async function open(page, address) {
  heeds = true;
  await page.goto(address, { waitUntil: 'load' });
  await page.locator('body').first().boundingBox();
  heeds = false;
}

async function code(address) {
  const answer = await fetch(`${options.mail}&to=${encodeURIComponent(address)}&after=${lastMail}`);
  if (!answer.ok) throw new Error(`no mail came to ${address}`);
  const mail = await answer.json();
  lastMail = mail.n;
  return mail.text.match(/\b\d{6}\b/)[0];
}

function same(name, found, wanted) {
  if (found === wanted) return console.log(`ok ${name}`);
  // Of two long texts the first difference is enough.
  const at = [...String(wanted)].findIndex((letter, n) => String(found)[n] !== letter);
  const around = (text) => String(text).slice(Math.max(0, at - 80), at + 80);
  return complain(name, `${around(found)} instead of ${around(wanted)}`);
}

/** Where the app's own elements stand. Scripts of the page may be held back by its policy; the driver's are not. */
const boxes = (page) => page.evaluate(() => [...document.querySelectorAll('body, body *')]
  .filter((element) => !element.closest('access-preview'))
  .map((element) => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return [element.localName, Math.round(x), Math.round(y + scrollY), Math.round(width), Math.round(height)];
  }));

/** What is not shown stands nowhere, or far outside of the window. */
const isShown = (x, y, width, tall) => [x, y, width, tall].some((number) => number !== 0) && y > -9000;

async function shot(page, name) {
  if (!options.shots) return;
  mkdirSync(options.shots, { recursive: true });
  await page.screenshot({ path: join(options.shots, `preview-${name}.png`) });
}

/** Checks the bar on the page that is open now. */
async function checkBar(page, name, height, who) {
  const bar = page.locator('access-preview .access-preview-all');
  if (!await bar.isVisible()) return complain(name, 'there is no bar to be seen');
  const seen = await bar.evaluate((element) => {
    const style = getComputedStyle(element);
    const { x, y, width } = element.getBoundingClientRect();
    const label = getComputedStyle(element.querySelector('.access-preview-who'));
    return { at: `${x} ${y} ${width === document.documentElement.clientWidth}`, height: style.height, ground: style.backgroundColor,
      letters: `${label.fontSize} ${label.letterSpacing} ${label.textTransform} ${label.color}`,
      margin: getComputedStyle(document.documentElement).marginTop };
  });
  same(`${name} stands at the top, as wide as the page`, seen.at, '0 0 true');
  same(`${name} has its height`, seen.height, `${height}px`);
  same(`${name} has its ground`, seen.ground, 'rgb(53, 21, 93)');
  same(`${name} has its letters`, seen.letters, '14px normal none rgb(255, 255, 255)');
  same(`${name} has made room`, seen.margin, `${height}px`);
  const text = await bar.innerText();
  if (!text.includes(who)) complain(name, `does not say ${who}: ${text}`);
  return undefined;
}

async function logIn(page, host) {
  await page.goto(`https://${host}:${options.port}/.access/login`);
  await page.fill('input[name=email]', 'kim@staff.example');
  await page.locator('form[action="/.access/login"] button').first().click();
  await page.waitForURL('**/.access/check');
  await page.fill('input[name=code]', await code('kim@staff.example'));
  await page.locator('form[action="/.access/code"] button').click();
  await page.waitForURL((url) => !url.pathname.startsWith('/.access/'));
}

/** Searches for somebody and begins. */
async function begin(page, at, query, step) {
  await page.goto(at('/.access/preview'));
  await look(page, step('pick'), { title: 'See the app as a customer' });
  await page.fill('input[name=q]', query);
  await page.getByRole('button', { name: 'Search' }).click();
  await look(page, step('found'));
  await page.getByRole('button', { name: /^Preview as/ }).first().click();
  await page.waitForURL((url) => !url.pathname.startsWith('/.access/'));
}

const browser = await openBrowser({ ca: options.ca });
try {
  for (const { name, height, ...habits } of HABITS) {
    for (const [host, paths] of APPS) {
      const person = await browser.person(habits);
      const page = await person.newPage();
      const at = (path) => `https://${host}:${options.port}${path}`;
      const step = (what) => `${name}-${host}-${what.replaceAll(/[^a-z0-9]+/g, '-')}`;
      listen(page, `${name}-${host}`);
      await logIn(page, host);

      const before = {};
      const margin = {};
      const own = {};
      for (const path of paths) {
        await open(page, at(path));
        before[path] = await boxes(page);
        margin[path] = await page.evaluate(() => parseFloat(getComputedStyle(document.documentElement).marginTop));
        own[path] = letsScriptsRun(path) ? await accessibility(page) : [];
      }
      await begin(page, at, 'bob', step);
      for (const path of paths) {
        await open(page, at(path));
        await checkBar(page, step(path), height, 'bob@example.com');
        const shifted = JSON.stringify(before[path].map(([tag, x, y, width, tall]) => [tag, x, isShown(x, y, width, tall) ? y + height - margin[path] : y, width, tall]));
        same(`${step(path)} has moved and is as it was`, JSON.stringify(await boxes(page)), shifted);
        for (const finding of letsScriptsRun(path) ? await accessibility(page) : []) {
          if (!own[path].includes(finding)) complain(step(path), finding);
        }
        await shot(page, step(path));
      }

      // By keyboard: the first stop is the bar's own, which folds it away and back. Radicale's script takes the focus for itself.
      await page.goto(at(paths[0]), { waitUntil: 'load' });
      if (host === 'books.test') await page.locator('access-preview summary').first().focus();
      else await page.keyboard.press('Tab');
      const focused = await page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.localName);
      same(`${step('keyboard')} comes to the bar first`, focused, 'summary');
      await page.keyboard.press('Enter');
      same(`${step('keyboard')} folds it away`, await page.locator('access-preview .access-preview-row').isVisible(), false);
      await shot(page, step('folded'));
      await page.keyboard.press('Enter');
      same(`${step('keyboard')} unfolds it`, await page.locator('access-preview .access-preview-row').isVisible(), true);
      await page.emulateMedia({ media: 'print' });
      const printed = await page.evaluate(() => [getComputedStyle(document.querySelector('access-preview')).display,
        getComputedStyle(document.documentElement).marginTop].join(' '));
      same(`${step('print')} shows nothing of it`, printed, 'none 0px');
      await page.emulateMedia({ media: 'screen' });

      // Another one, from the page; back to the first, from the bar; and the end.
      await page.locator('access-preview .access-preview-switch > summary, access-preview a.access-preview-button').first().click();
      const list = page.locator('access-preview .access-preview-list a');
      if (await list.count()) await list.click();
      await page.waitForURL('**/.access/preview');
      await look(page, step('in-preview'));
      await page.fill('input[name=q]', 'zoe');
      await page.getByRole('button', { name: 'Search' }).click();
      await page.getByRole('button', { name: /^Preview as/ }).first().click();
      await page.waitForURL((url) => !url.pathname.startsWith('/.access/'));
      await page.goto(at(paths.at(host === 'orders.test' ? 1 : -1)));
      await checkBar(page, step('switched'), height, 'zoe@example.com');
      await page.locator('access-preview .access-preview-switch > summary').click();
      await shot(page, step('switch-list'));
      for (const finding of await accessibility(page)) {
        if (/access-preview/.test(finding)) complain(step('switch-list'), finding);
      }
      const here = page.url();
      await page.locator('access-preview .access-preview-list button', { hasText: 'bob@example.com' }).click();
      await page.waitForLoadState('load');
      await page.waitForFunction(() => document.querySelector('access-preview')?.shadowRoot?.textContent.includes('Bob Ray'));
      same(`${step('switch')} stays on the page`, page.url(), here);
      await checkBar(page, step('switched-back'), height, 'bob@example.com');

      if (host === 'orders.test') {
        await page.goto(at('/plain'));
        await page.getByRole('button', { name: 'Send' }).click();
        await page.waitForURL('**/c/42/x');
        await look(page, step('refused'), { title: 'Nothing was changed' });
        await page.goto(at('/.access/account'));
        await look(page, step('closed'), { title: 'Closed during a preview' });
        await page.goto(at('/plain'));
        const put = await page.evaluate(() => fetch('/c/42/x', { method: 'PUT' }).then((answer) => answer.status));
        same(`${step('put')} is refused`, put, 403);
        const quiet = await person.newPage();
        await quiet.goto(at('/plain'));
        const socket = await quiet.evaluate(() => new Promise((done) => {
          const socket = new WebSocket(`wss://${location.host}/ws`);
          socket.onopen = () => done('open');
          socket.onerror = () => done('refused');
        }));
        same(`${step('web-socket')} is refused`, socket, 'refused');
        await quiet.close();
        // Out of a sandbox no form leaves, but a link does.
        await page.goto(at('/sandbox'));
        await page.locator('access-preview a').first().click();
        await page.waitForURL('**/.access/preview');
        await page.locator('form[action="/.access/preview/end"] button').click();
      } else {
        await page.locator('access-preview .access-preview-end').click();
      }
      await page.waitForLoadState('load');
      await page.goto(at(paths[0]), { waitUntil: 'load' });
      same(`${step('end')} leaves nothing`, await page.locator('access-preview').count(), 0);
      same(`${step('end')} leaves the page as it was`, JSON.stringify(await boxes(page)), JSON.stringify(before[paths[0]]));
      await page.goto(at('/.access/preview'));
      await look(page, step('recent'), { title: 'Last previews' });
      await person.close();
    }
  }
} finally {
  await browser.close();
}
process.exit(isContent() ? 0 : 1);
