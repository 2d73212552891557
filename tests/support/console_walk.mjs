//! A walk through the console in real Chromium: every page, on a desk and on a phone, light and dark; its forms by keyboard alone and
//! without JavaScript; and the same console at the admin listener, over plain HTTP on this machine.
//!
//! usage: console_walk.mjs --ca FILE --port N --admin N --mail URL [--shots FOLDER]
import { openBrowser } from './browser.mjs';
import { critic } from './look.mjs';

const options = {};
for (const argv = process.argv.slice(2); argv.length;) options[argv.shift().replace(/^--/, '')] = argv.shift();

const HABITS = [
  { name: 'console-desk-light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'console-phone-dark', colorScheme: 'dark', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
];
const PAGES = ['/', '/domains', '/domains/orders.test', '/sources', '/people?app=orders&q=', '/records', '/records/new?app=orders',
  '/invitations', '/sessions', '/previews', '/usage?app=orders', '/usage?app=orders&customer=42', '/notify?app=orders', '/notify?app=shop',
  '/audit', '/audit/verify', '/config', '/tokens'];

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

const HOME = `https://console.test:${options.port}`;

/** Logs in at an origin, and says whether the browser is in. */
async function logIn(page, home, email) {
  const before = await lastMail();
  await page.goto(`${home}/people`);
  await page.fill('input[name=email]', email);
  await page.locator('form[action="/.access/login"] button').first().click();
  await page.waitForURL('**/.access/check');
  await page.goto(await linkTo(email, before));
  await page.locator('form[action="/.access/link"] button').first().click();
  await page.waitForURL((url) => !url.pathname.startsWith('/.access/link'));
  return new URL(page.url()).pathname === '/people';
}

/** Goes from stop to stop with the Tab key until a field or button is reached. */
async function tabTo(page, wanted) {
  for (let stops = 0; stops < 120; stops += 1) {
    await page.keyboard.press('Tab');
    const here = await page.evaluate(() => {
      const element = document.activeElement;
      const ring = getComputedStyle(element);
      return { name: element.name || element.textContent.trim(), seen: ring.outlineStyle !== 'none' };
    });
    if (here.name === wanted) {
      if (!here.seen) complain('keyboard', `nobody sees that ${wanted} has the focus`);
      return;
    }
  }
  throw new Error(`no key leads to ${wanted}`);
}

/** Makes a record with a mistake first, by keyboard alone, and takes it away again. */
async function byKeyboard(page, step, email) {
  await page.goto(`${HOME}/records/new?app=orders&customer=42`);
  await tabTo(page, 'email');
  await page.keyboard.type(email);
  await tabTo(page, 'role');
  await page.keyboard.type('Reads');
  await tabTo(page, 'days_back');
  await page.keyboard.type('soon');
  await page.keyboard.press('Enter');
  await page.locator('#days_back-problem').waitFor();
  await look(page, step('wrong'), { title: 'Error: A new record' });
  // The focus is where the mistake is.
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type('30');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/records/*?done=invited');
  await look(page, step('made'), { title: 'Reads only (reader)' });
  await page.goto(`${HOME}/invitations?app=orders`);
  await look(page, step('invited'), { title: email });
  await tabTo(page, `Withdraw that of ${email}`);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/remove');
  await look(page, step('ask'), { title: email });
  await tabTo(page, 'Withdraw it');
  await page.keyboard.press('Enter');
  await page.waitForURL('**done=withdrawn');
  await look(page, step('withdrawn'), { title: 'The invitation is withdrawn.' });
}

/** A field of the form that does something; the one that chooses an app only asks. */
const field = (page, name) => page.locator(`form.fields[method=post] [name=${name}]`);

/** Tells a customer's people something, with a mistake first. */
async function notify(page, step) {
  await page.goto(`${HOME}/notify?app=orders`);
  await field(page, 'customer').fill('43');
  await field(page, 'text').fill('It left.');
  await page.getByRole('button', { name: /^Send it/ }).click();
  await page.locator('#subject-problem').waitFor();
  await look(page, step('notify-wrong'), { title: 'Error: Notifications' });
  await field(page, 'subject').fill('On its way');
  await page.getByRole('button', { name: /^Send it/ }).click();
  await page.waitForURL(/\/notify\/./);
  await look(page, step('notify-sent'), { title: 'On its way' });
}

const browser = await openBrowser({ ca: options.ca });
try {
  for (const { name, ...habits } of HABITS) {
    const step = (what) => `${name}-${what}`;
    const person = await browser.person(habits);
    const page = await person.newPage();
    listen(page, name);
    if (!await logIn(page, HOME, 'kim@staff.example')) complain(name, 'does not come back to where it was going');
    for (const path of PAGES) {
      await page.goto(`${HOME}${path}`);
      await look(page, step(path.replace(/[^a-z0-9]+/g, '-')));
      if ((await page.locator('nav a[aria-current=page]').count()) !== 1) complain(name, `${path} has no place in the menu`);
    }
    // As staff would: who is it, why, and how does it look to them.
    await page.goto(`${HOME}/people?app=orders&q=ann`);
    await page.locator('a', { hasText: 'ann@example.com' }).first().click();
    await look(page, step('person'));
    await page.fill('input[name=path]', '/admin/x');
    await page.getByRole('button', { name: 'Explain' }).click();
    await look(page, step('person-path'), { title: 'Reads only (reader)' });
    await page.getByRole('link', { name: 'Preview as this person' }).click();
    await page.waitForURL(/orders\.(test|big\.test).*\.access\/login/);
    await page.goto(`${HOME}/config`);
    await page.fill('textarea[name=config]', 'no = "config"');
    await page.locator('form[action="/config/impact"] button').click();
    // Its lines name the config's file, so it is not looked at as customers' pages are.
    if (!(await page.innerText('main')).includes('unknown key')) complain(name, 'does not say what is wrong with a config');
    await byKeyboard(page, step, `${name}@example.com`);
    await notify(page, step);
    await person.close();
  }

  // Without JavaScript, all of it works.
  const bare = await browser.person({ javaScriptEnabled: false });
  const page = await bare.newPage();
  if (!await logIn(page, HOME, 'kim@staff.example')) complain('no-script', 'does not come back to where it was going');
  await page.goto(`${HOME}/records/new?app=orders`);
  await field(page, 'email').fill('bare@example.com');
  await field(page, 'customer').fill('42');
  await field(page, 'role').selectOption('reader');
  await field(page, 'welcome').selectOption('at-once');
  await page.getByRole('button', { name: /^Make it/ }).click();
  await page.waitForURL('**/records/*?done=made');
  await field(page, 'notes').fill('no script');
  await page.getByRole('button', { name: 'Change it' }).click();
  await page.waitForURL('**done=changed');
  await page.getByRole('link', { name: 'Remove the record' }).click();
  await page.getByRole('button', { name: 'Remove it' }).click();
  await page.waitForURL('**done=removed');
  await page.goto(`${HOME}/previews`);
  await page.getByRole('button', { name: /^End the preview of kim/ }).click();
  await page.waitForURL('**/previews?done=ended');
  console.log('ok without JavaScript');
  await bare.close();

  // A viewer looks, and finds nothing to press but the way out.
  const viewer = await browser.person(HABITS[0]);
  const seen = await viewer.newPage();
  listen(seen, 'viewer');
  await logIn(seen, HOME, 'lou@staff.example');
  for (const path of ['/records', '/invitations', '/previews', '/usage?app=orders', '/config', '/tokens']) {
    await seen.goto(`${HOME}${path}`);
    await look(seen, `console-viewer${path.replace(/[^a-z0-9]+/g, '-')}`);
    if ((await seen.locator('form[method=post]').count()) !== 1) complain('viewer', `${path} offers what a viewer may not do`);
  }
  await viewer.close();

  // At the admin listener, over plain HTTP: what this machine asks of itself is as safe as a browser wants it.
  for (const host of ['127.0.0.1', 'localhost']) {
    const home = `http://${host}:${options.admin}`;
    const local = await browser.person(HABITS[0]);
    const there = await local.newPage();
    listen(there, home);
    if (!await logIn(there, home, 'kim@staff.example')) complain(home, `is not logged in, but at ${new URL(there.url()).pathname}`);
    await there.goto(`${home}/records/new?app=orders&customer=42`);
    await look(there, `console-admin-${host}`);
    await field(there, 'email').fill(`${host.replaceAll('.', '-')}@example.com`);
    await field(there, 'role').selectOption('reader');
    await there.getByRole('button', { name: /^Make it/ }).click();
    await there.waitForURL('**/records/*?done=invited');
    await there.getByRole('button', { name: 'Log out' }).click();
    await there.goto(`${home}/people`);
    if (!there.url().includes('/.access/login')) complain(home, 'is not logged out');
    await local.close();
  }
} finally {
  await browser.close();
}
if (!isContent()) process.exit(1);
