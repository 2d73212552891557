//! A walk through notification settings, the page behind "unsubscribe" and the dashboard in real Chromium.
//!
//! usage: notify_walk.mjs --ca FILE --port N --mail URL [--shots FOLDER]
import { openBrowser } from './browser.mjs';
import { critic } from './look.mjs';

const options = {};
for (const argv = process.argv.slice(2); argv.length;) options[argv.shift().replace(/^--/, '')] = argv.shift();

const HABITS = [
  { name: 'desk-light', colorScheme: 'light', viewport: { width: 1280, height: 800 }, locale: 'en-GB' },
  { name: 'desk-dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 }, locale: 'de-DE' },
  { name: 'phone-light', colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
  { name: 'phone-dark', colorScheme: 'dark', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
];

const { complain, isContent, listen, look } = critic(options);
/** The number of the last mail that came to anybody. */
async function lastMail() {
  const all = await (await fetch(options.mail.replace('/wait?', '/messages?'))).json();
  return Math.max(0, ...all.map((mail) => mail.n));
}

/** The link of this kind in the first mail that has one and came after that number. */
async function mailTo(address, what, after) {
  for (;;) {
    const answer = await fetch(`${options.mail}&to=${encodeURIComponent(address)}&after=${after}`);
    if (!answer.ok) throw new Error(`no mail came to ${address}`);
    const mail = await answer.json();
    const link = mail.links.find((link) => link.includes(what));
    if (link) return link;
    after = mail.n;
  }
}

const press = (page, action) => page.locator(`form[action="${action}"] button`).first().click();
const at = (path) => `https://orders.test:${options.port}${path}`;

async function logIn(page, email) {
  const before = await lastMail();
  await page.goto(at('/.access/login'));
  await page.fill('input[name=email]', email);
  await press(page, '/.access/login');
  await page.waitForURL('**/.access/check');
  await page.goto(await mailTo(email, '/.access/link/', before));
  await press(page, '/.access/link');
  await page.waitForURL(at('/**'));
}

const browser = await openBrowser({ ca: options.ca });
try {
  for (const { name, ...habits } of HABITS) {
    const person = await browser.person(habits);
    const page = await person.newPage();
    const step = (what) => `${name}-${what}`;
    listen(page, name);
    await logIn(page, 'ann@example.com');
    await page.goto(at('/.access/account'));
    await look(page, step('account-with-links'));
    await page.locator('a[href="/.access/notifications"]').click();
    await look(page, step('notifications'));
    await page.locator('input[name="on.news"]').uncheck();
    await press(page, '/.access/notifications');
    await page.waitForURL('**/.access/notifications?saved=1');
    await look(page, step('notifications-saved'));
    if (await page.locator('input[name="on.news"]').isChecked()) complain(step('notifications-saved'), 'it is still on');
    await page.locator('input[name="on.news"]').check();
    await press(page, '/.access/notifications');
    await page.goto(at('/.access/dashboard'));
    await look(page, step('dashboard'));
    const charts = await page.locator('svg[role=img]').evaluateAll((all) => all.map((svg) => svg.getBoundingClientRect().height));
    if (charts.length !== 3 || charts.some((height) => height < 100)) complain(step('dashboard'), `charts of ${charts}`);
    await page.locator('details.numbers summary').click();
    await look(page, step('dashboard-numbers'));
    await person.close();

    const staff = await browser.person(habits);
    const hers = await staff.newPage();
    listen(hers, name);
    await logIn(hers, 'sue@example.com');
    await hers.goto(at('/.access/dashboard'));
    await hers.selectOption('select[name=customer]', '42');
    await press(hers, '/.access/dashboard');
    await hers.waitForURL('**/.access/dashboard?customer=42');
    await look(hers, step('dashboard-of-staff'), { title: 'Acme Ltd' });
    await staff.close();
  }

  // The link of a mail, without a log-in and without JavaScript.
  const person = await browser.person({ javaScriptEnabled: false });
  const page = await person.newPage();
  const link = await mailTo('bob@example.com', '/.access/unsubscribe/', 0);
  await page.goto(link);
  await page.locator('form button').click();
  if (!(await page.innerText('body')).includes('BigCustomer')) complain('unsubscribe', 'does not say whose');
  await person.close();
  const other = await (await browser.person({})).newPage();
  listen(other, 'unsubscribe');
  await other.goto(link);
  await look(other, 'unsubscribe');
  await other.locator('form button').click();
  await look(other, 'unsubscribed');
  await other.goto(`${link}x`);
  await look(other, 'unsubscribe-wrong');
  await other.context().close();
} finally {
  await browser.close();
}
process.exit(isContent() ? 0 : 1);
