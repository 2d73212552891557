//! A person's walk through the log-in in real Chromium: two branded domains, light and dark, desk and phone.
//!
//! usage: walk.mjs --ca FILE --port N --mail URL [--shots FOLDER]
//!
//! `--mail` is the mail catcher's `/wait?user=U` address. Every page is checked with axe-core, for a message in the console, for
//! a sideways scroll bar, and (without JavaScript) for working at all. Prints a line a page; exits 1 when anything is wrong.
import { openBrowser } from './browser.mjs';
import { critic } from './look.mjs';

const options = {};
for (const argv = process.argv.slice(2); argv.length;) options[argv.shift().replace(/^--/, '')] = argv.shift();

const HABITS = [
  { name: 'desk-light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'desk-dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  { name: 'phone-light', colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
  { name: 'phone-dark', colorScheme: 'dark', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
];

const { complain, isContent, listen, look } = critic(options);
let lastMail = 0;

async function mailTo(address) {
  const answer = await fetch(`${options.mail}&to=${encodeURIComponent(address)}&after=${lastMail}`);
  if (!answer.ok) throw new Error(`no mail came to ${address}`);
  const mail = await answer.json();
  lastMail = mail.n;
  return { link: mail.links.find((link) => link.includes('/.access/link/')), code: mail.text.match(/\b\d{6}\b/)[0] };
}

/** Presses the button of the form that goes to this path. */
const press = (page, action) => page.locator(`form[action="${action}"] button`).first().click();

const browser = await openBrowser({ ca: options.ca });
try {
  for (const { name, ...habits } of HABITS) {
    for (const [host, title, email] of [['orders.test', 'Acme Orders', 'cat@example.com'], ['orders.big.test', 'BigCustomer', 'bob@example.com']]) {

      const person = await browser.person(habits);
      const page = await person.newPage();
      const step = (what) => `${name}-${host}-${what}`;
      listen(page, name);

      await page.goto(`https://${host}:${options.port}/admin/first?x=1`);
      await look(page, step('log-in'), { title });
      await page.fill('input[name=email]', 'nobody');
      await page.evaluate(() => { for (const form of document.forms) form.noValidate = true; });
      await press(page, '/.access/login');
      await look(page, step('log-in-again'));
      await page.fill('input[name=email]', email);
      await press(page, '/.access/login');
      await page.waitForURL('**/.access/check');
      await look(page, step('check'), { title });
      const mail = await mailTo(email);

      const elsewhere = await (await browser.person(habits)).newPage();
      await elsewhere.goto(mail.link);
      await look(elsewhere, step('link-elsewhere'));
      if (!(await elsewhere.innerText('body')).replaceAll(/\s/g, '').includes(mail.code)) complain(step('link-elsewhere'), 'shows no code');
      await elsewhere.context().close();

      await page.fill('input[name=code]', mail.code === '000000' ? '111111' : '000000');
      await press(page, '/.access/code');
      await look(page, step('wrong-code'));
      await page.goto(mail.link);
      await look(page, step('confirm'), { title });
      await press(page, '/.access/link');
      if (email === 'cat@example.com') {
        await page.waitForURL('**/.access/choose**');
        await look(page, step('choose'), { title });
        await page.getByRole('button', { name: /acme/i }).first().click();
      }
      // Where she was going is not hers.
      await page.waitForURL('**/admin/first?x=1');
      await look(page, step('denied'), { title });
      await page.goto(`https://${host}:${options.port}/orders`);
      if (!(await page.innerText('body')).includes(email)) complain(step('app'), 'the app does not know who came');
      await page.goto(`https://${host}:${options.port}/.access/account`);
      await look(page, step('account'), { title });
      await press(page, '/.access/logout');
      await page.waitForURL('**/.access/logged-out');
      await look(page, step('logged-out'), { title });
      await page.goto(mail.link);
      await look(page, step('used-link'));
      await page.goto(`https://${host}:${options.port}/.access/nothing`);
      await look(page, step('error'));
      await person.close();
    }
  }

  // The whole way without JavaScript.
  const person = await browser.person({ javaScriptEnabled: false });
  const page = await person.newPage();
  await page.goto(`https://orders.test:${options.port}/orders`);
  await page.fill('input[name=email]', 'ann@example.com');
  await press(page, '/.access/login');
  const { code } = await mailTo('ann@example.com');
  await page.fill('input[name=code]', code);
  await press(page, '/.access/code');
  await page.waitForURL('**/orders');
  console.log('ok without JavaScript');
} finally {
  await browser.close();
}
process.exit(isContent() ? 0 : 1);
