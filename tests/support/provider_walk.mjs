//! A person's walk through the log-in by OpenID providers in real Chromium: two of them and the hub between three branded domains.
//!
//! usage: provider_walk.mjs --ca FILE --port N --mail URL [--shots FOLDER]
//!
//! `--mail` is the mail catcher's `/wait?user=U` address. The gateway has a hub, the app the ways email, google, big (which speaks for
//! big.example) and gone (which is down), and Ann's role asks for a provider. Every page is checked as in `walk.mjs`; above all, none may be
//! stopped by its own policy. Prints a line a page; exits 1 when anything is wrong.
import { openBrowser } from './browser.mjs';
import { critic } from './look.mjs';

const options = {};
for (const argv = process.argv.slice(2); argv.length;) options[argv.shift().replace(/^--/, '')] = argv.shift();

const HABITS = [
  { name: 'desk-light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'phone-dark', colorScheme: 'dark', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
];
const at = (host, path) => `https://${host}:${options.port}${path}`;
const { complain, isContent, listen, look } = critic(options);
let lastMail = 0;

async function codeTo(address) {
  const answer = await fetch(`${options.mail}&to=${encodeURIComponent(address)}&after=${lastMail}`);
  if (!answer.ok) throw new Error(`no mail came to ${address}`);
  const mail = await answer.json();
  lastMail = mail.n;
  return mail.text.match(/\b\d{6}\b/)[0];
}

/** Presses a provider's button. */
const choose = (page, provider) => page.locator(`a[href*="/.access/oidc/start?provider=${provider}&"]`).first().click();

/** Logs in on the provider's own page. */
async function signIn(page, login) {
  await page.waitForURL('http://127.0.0.1:*/interaction/**');
  await page.fill('input[name=login]', login);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** The app knows who came. */
async function isSeen(page, email, where) {
  const text = await page.innerText('body');
  if (!text.includes(email)) complain(where, `the app does not know ${email}: ${text.slice(0, 200)}`);
  console.log(`ok ${where}`);
}

const browser = await openBrowser({ ca: options.ca });
try {
  for (const { name, ...habits } of HABITS) {
    const person = await browser.person(habits);
    const page = await person.newPage();
    const step = (what) => `${name}-provider-${what}`;
    listen(page, name);

    // From a page of the app, by a button, through the hub, to the page.
    await page.goto(at('orders.test', '/orders?page=2'));
    await look(page, step('log-in'), { title: 'Log in with Google' });
    await choose(page, 'google');
    await signIn(page, 'cat@example.com');
    await page.waitForURL('**/.access/choose**');
    await page.getByRole('button', { name: /acme/i }).first().click();
    await page.waitForURL(at('orders.test', '/orders?page=2'));
    await isSeen(page, 'cat@example.com', step('orders'));

    // Once more on another domain: the provider knows her. The page with the button, which a script presses, is looked at first.
    await page.route('**/.access/continue.js', (route) => route.fulfill({ contentType: 'text/javascript', body: '' }));
    await page.goto(at('orders.big.test', '/orders'));
    await choose(page, 'google');
    await page.waitForURL('**/.access/oidc/ticket**');
    await look(page, step('ticket'), { title: 'BigCustomer' });
    await page.unroute('**/.access/continue.js');
    await page.locator('form[action="/.access/oidc/ticket"] button').click();
    await page.waitForURL(at('orders.big.test', '/orders'));
    await isSeen(page, 'cat@example.com', step('big'));
    // The way there is nothing to go back to.
    await page.goBack();
    if (/ticket=/.test(page.url()) && (await page.innerText('body')).includes('Continue')) {
      await page.locator('form[action="/.access/oidc/ticket"] button').click();
      await look(page, step('used-ticket'));
    }
    await person.close();

    // By an address of the provider's domain: a form, whose answer leaves for another site.
    const gil = await browser.person(habits);
    const his = await gil.newPage();
    listen(his, name);
    await his.goto(at('orders.test', '/orders'));
    await his.fill('input[name=email]', 'gil@big.example');
    await his.locator('form[action="/.access/login"] button').click();
    await his.waitForURL('http://127.0.0.1:*/interaction/**');
    if (await his.inputValue('input[name=login]') !== 'gil@big.example') complain(step('home'), 'the provider was not told who comes');
    await his.getByRole('button', { name: 'Sign in' }).click();
    await his.waitForURL(at('orders.test', '/orders'));
    await isSeen(his, 'gil@big.example', step('home'));

    // Out again, here and there: a form whose answer leaves for the provider, which asks, and sends back by way of the hub.
    await his.goto(at('orders.test', '/.access/account'));
    await look(his, step('account'), { title: 'gil@big.example' });
    await his.locator('form[action="/.access/logout"] button').first().click();
    await his.waitForURL('http://127.0.0.1:*/session/end**');
    await his.getByRole('button', { name: 'Yes' }).click();
    await his.waitForURL(at('orders.test', '/.access/logged-out'));
    await look(his, step('logged-out'), { title: 'Acme Orders' });
    await his.goto(at('orders.test', '/orders'));
    if (!his.url().includes('/.access/login')) complain(step('logged-out'), `still at ${his.url()}`);
    await his.fill('input[name=email]', 'gil@big.example');
    await his.locator('form[action="/.access/login"] button').click();
    // The provider has forgotten him, and asks again.
    await his.waitForURL('http://127.0.0.1:*/interaction/**');
    await gil.close();

    // A stronger way: by mail first, then at the provider, and on where she was.
    const ann = await browser.person(habits);
    const hers = await ann.newPage();
    listen(hers, name);
    await hers.goto(at('orders.test', '/c/42/list'));
    await hers.fill('input[name=email]', 'ann@example.com');
    await hers.locator('form[action="/.access/login"] button').click();
    await hers.fill('input[name=code]', await codeTo('ann@example.com'));
    await hers.locator('form[action="/.access/code"] button').click();
    await hers.waitForURL('**/.access/step-up**');
    await look(hers, step('step-up'));
    await choose(hers, 'google');
    await signIn(hers, 'ann@example.com');
    await hers.waitForURL(at('orders.test', '/c/42/list'));
    await isSeen(hers, 'ann@example.com', step('stronger'));
    await ann.close();

    // What goes wrong: one who may not, one who refuses, one whom the provider does not vouch for, and a provider that is down.
    const nobody = await browser.person(habits);
    const theirs = await nobody.newPage();
    listen(theirs, name);
    await theirs.goto(at('portal.globex.test', '/.access/login'));
    await choose(theirs, 'google');
    await theirs.waitForURL('http://127.0.0.1:*/interaction/**');
    await theirs.getByRole('button', { name: 'Refuse' }).click();
    await theirs.waitForURL('**/.access/login**');
    await look(theirs, step('refused'), { title: 'Globex' });
    await choose(theirs, 'google');
    await signIn(theirs, 'nobody@example.com');
    await theirs.waitForURL('**/.access/oidc/ticket');
    await look(theirs, step('no-access'), { title: 'nobody@example.com' });
    await choose(theirs, 'google');
    await signIn(theirs, 'unverified');
    await theirs.waitForURL('**/.access/login**');
    await look(theirs, step('unverified'), { title: 'Globex' });
    await choose(theirs, 'gone');
    await theirs.waitForURL('**/.access/login**');
    await look(theirs, step('down'), { title: 'Gone' });
    await theirs.goto(at('login.test', '/.access/oidc/callback?state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&code=x'));
    await look(theirs, step('lost-at-the-hub'));
    await theirs.goto(at('orders.test', '/.access/oidc/callback?state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&code=x'));
    await look(theirs, step('lost'));
    await nobody.close();

    // The page that leaves for the provider after a form, held for a look.
    const held = await browser.person(habits);
    const still = await held.newPage();
    // A way that is aborted leaves the page as it is; one that fails would put an error page in its place.
    await still.route('http://127.0.0.1:*/**', (route) => route.abort('aborted'));
    await still.route('**/.access/oidc/begin**', (route) => route.abort('aborted'));
    await still.goto(at('orders.test', '/.access/login'));
    await still.fill('input[name=email]', 'gil@big.example');
    const [left] = await Promise.all([
      still.waitForResponse((answer) => answer.request().method() === 'POST'),
      still.locator('form[action="/.access/login"] button').click({ noWaitAfter: true }),
    ]);
    if (left.status() !== 200) complain(step('leaving'), `${left.status()}`);
    await still.waitForSelector('meta[http-equiv="refresh" i]', { state: 'attached' });
    await held.close();
  }

  // The whole way through the hub without JavaScript.
  const plain = await browser.person({ javaScriptEnabled: false });
  const page = await plain.newPage();
  listen(page, 'no-js');
  await page.goto(at('orders.big.test', '/orders'));
  await choose(page, 'google');
  await signIn(page, 'bob@example.com');
  await page.waitForURL('**/.access/oidc/ticket**');
  await page.locator('form[action="/.access/oidc/ticket"] button').click();
  await page.waitForURL(at('orders.big.test', '/orders'));
  await isSeen(page, 'bob@example.com', 'without JavaScript');
  await page.goto(at('portal.globex.test', '/.access/login'));
  await page.fill('input[name=email]', 'gil@big.example');
  await page.locator('form[action="/.access/login"] button').click();
  await page.waitForURL('http://127.0.0.1:*/interaction/**');
  console.log('ok home without JavaScript');
  await plain.close();
} finally {
  await browser.close();
}
process.exit(isContent() ? 0 : 1);
