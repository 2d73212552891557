//! A walk through the console in real Chromium: every page, on a desk and on a phone, light and dark.
//!
//! usage: console_walk.mjs --ca FILE --port N --mail URL [--shots FOLDER]
import { openBrowser } from './browser.mjs';
import { critic } from './look.mjs';

const options = {};
for (const argv = process.argv.slice(2); argv.length;) options[argv.shift().replace(/^--/, '')] = argv.shift();

const HABITS = [
  { name: 'console-desk-light', colorScheme: 'light', viewport: { width: 1280, height: 800 }, javaScriptEnabled: true },
  { name: 'console-phone-dark', colorScheme: 'dark', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
];
const PAGES = ['/', '/domains', '/domains/orders.test', '/sources', '/people?app=orders&q=', '/records', '/sessions', '/audit', '/config', '/tokens'];

const { complain, isContent, listen, look } = critic(options);

async function lastMail() {
  const all = await (await fetch(options.mail.replace('/wait?', '/messages?'))).json();
  return Math.max(0, ...all.map((mail) => mail.n));
}

async function linkTo(address, after) {
  for (;;) {
    const answer = await fetch(`${options.mail}&to=${encodeURIComponent(address)}&after=${after}`);
    if (!answer.ok) throw new Error(`no mail came to ${address}`);
    const mail = await answer.json();
    const link = mail.links.find((link) => link.includes('/.access/link/'));
    if (link) return link;
    after = mail.n;
  }
}

const at = (path) => `https://console.test:${options.port}${path}`;

const browser = await openBrowser({ ca: options.ca });
try {
  for (const { name, ...habits } of HABITS) {
    const person = await browser.person(habits);
    const page = await person.newPage();
    listen(page, name);
    const before = await lastMail();
    await page.goto(at('/people'));
    await page.fill('input[name=email]', 'kim@staff.example');
    await page.locator('form[action="/.access/login"] button').first().click();
    await page.waitForURL('**/.access/check');
    await page.goto(await linkTo('kim@staff.example', before));
    await page.locator('form[action="/.access/link"] button').first().click();
    await page.waitForURL(at('/**'));
    for (const path of PAGES) {
      await page.goto(at(path));
      await look(page, `${name}-${path.replace(/[^a-z]+/g, '-')}`);
      if ((await page.locator('nav a[aria-current=page]').count()) !== 1) complain(name, `${path} has no place in the menu`);
    }
    // As staff would: who is it, why, and out with them.
    await page.goto(at('/people?app=orders&q=ann'));
    await page.locator('a', { hasText: 'ann@example.com' }).first().click();
    await look(page, `${name}-person`);
    await page.fill('input[name=path]', '/admin/x');
    await page.locator('form[action^="/people/"] button').click();
    await look(page, `${name}-person-path`);
    await page.goto(at('/config'));
    await page.fill('textarea[name=config]', 'no = "config"');
    await page.locator('form[action="/config/impact"] button').click();
    // Its lines name the config's file, so it is not looked at as customers' pages are.
    if (!(await page.innerText('main')).includes('unknown key')) complain(name, 'does not say what is wrong with a config');
    await person.close();
  }
} finally {
  await browser.close();
}
if (!isContent()) process.exit(1);
