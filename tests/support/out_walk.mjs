//! A person's way out in real Chromium: here, at the provider, and everywhere at once.
//!
//! usage: out_walk.mjs --ca FILE --port N [--shots FOLDER]
//!
//! The gateway has a hub, and two apps that are entered by google alone. What a browser does by itself is looked at: it is sent on by our
//! page though that page lets no form leave, drops what the app has stored, and shows nothing again when the person goes back. Prints a line
//! a page; exits 1 when anything is wrong.
import { openBrowser } from './browser.mjs';
import { critic } from './look.mjs';

const options = {};
for (const argv = process.argv.slice(2); argv.length;) options[argv.shift().replace(/^--/, '')] = argv.shift();

const at = (host, path) => `https://${host}:${options.port}${path}`;
const { complain, isContent, listen, look } = critic(options);
const press = (page, action) => page.locator(`form[action="${action}"] button`).first().click();
const LOGGED_OUT = at('orders.test', '/.access/logged-out');

/** Logs in at the provider, or is known there. */
async function logIn(page, host, login, script = true) {
  await page.goto(at(host, '/orders'));
  await page.waitForURL((url) => url.pathname.startsWith('/interaction/') || url.pathname === '/orders');
  if (new URL(page.url()).pathname !== '/orders') {
    await page.fill('input[name=login]', login);
    await page.getByRole('button', { name: 'Sign in' }).click();
  }
  if (!script) await page.getByRole('button', { name: 'Continue' }).click();
  await page.waitForURL(at(host, '/orders'));
}

/** Waits until a WebSocket that a page opened is over. */
const isOver = (page) => page.waitForFunction(() => globalThis.socket.readyState === 3, undefined, { timeout: 10_000 });

const openSocket = (page) => page.evaluate(() => new Promise((done, fail) => {
  globalThis.socket = new WebSocket(`wss://${location.host}/ws`);
  globalThis.socket.onopen = done;
  globalThis.socket.onerror = fail;
}));

const browser = await openBrowser({ ca: options.ca });
try {
  for (const script of [true, false]) {
    const person = await browser.person({ javaScriptEnabled: script });
    const page = await person.newPage();
    const step = (what) => `${script ? 'script' : 'no-script'}-out-${what}`;
    listen(page, step('console'));
    await logIn(page, 'orders.test', 'ann@example.com', script);
    const other = await person.newPage();
    if (script) {
      await page.evaluate(() => localStorage.setItem('draft', 'secret'));
      await other.goto(at('orders.test', '/orders'));
      await openSocket(other);
    }
    await page.goto(at('orders.test', '/.access/account'));
    if (script) await look(page, step('account'));
    await press(page, '/.access/logout');
    // Our page sends the browser on; the provider asks, and sends it to the hub, which sends it home.
    await page.getByRole('button', { name: 'Yes' }).click();
    await page.waitForURL(LOGGED_OUT);
    if (script) {
      await look(page, step('logged-out'));
      await isOver(other);
      const left = await page.evaluate(() => localStorage.length);
      if (left !== 0) complain(step('storage'), 'the browser keeps what the app has stored');
    }
    const cookies = (await person.cookies(at('orders.test', '/'))).map((cookie) => cookie.name);
    if (cookies.some((name) => name !== '__Host-access-known')) complain(step('cookies'), cookies.join(', '));
    for (let n = 0; n < 6; n += 1) {
      await page.goBack().catch(() => {});
      const text = await page.innerText('body').catch(() => '');
      if (text.includes('ann@example.com')) complain(step('back'), `${page.url()} is shown again: ${text.slice(0, 100)}`);
    }
    await page.goto(LOGGED_OUT);
    await page.getByRole('link', { name: 'Log in again' }).click();
    await page.waitForURL('**/.access/login?stay=1');
    console.log(`ok ${step('again')}`);
    await person.close();
  }

  // Everywhere at once: another device, another app.
  const [desk, phone] = [await browser.person(), await browser.person()];
  const [here, there] = [await desk.newPage(), await phone.newPage()];
  listen(here, 'everywhere');
  await logIn(here, 'orders.test', 'ann@example.com');
  await logIn(there, 'reports.test', 'ann@example.com');
  await openSocket(there);
  await here.goto(at('orders.test', '/.access/account'));
  await here.getByRole('button', { name: 'Log out everywhere' }).click();
  await here.getByRole('button', { name: 'Yes' }).click();
  await here.waitForURL(LOGGED_OUT);
  await isOver(there);
  const status = await there.evaluate(() => fetch('/orders', { headers: { accept: 'application/json' } }).then((answer) => answer.status));
  if (status !== 401) complain('everywhere', `the other device gets ${status}`);
  console.log('ok everywhere');
} finally {
  await browser.close();
}
process.exit(isContent() ? 0 : 1);
