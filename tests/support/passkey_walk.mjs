//! A person's walk through passkeys in real Chromium, with its virtual authenticator.
//!
//! usage: passkey_walk.mjs --ca FILE --port N --mail URL [--shots FOLDER]
//!
//! `--mail` is the mail catcher's `/wait?user=U` address. Bob's role asks for nothing, Ann's for a passkey. Every page is checked
//! with axe-core and for messages in the console. Prints a line a step; exits 1 when anything is wrong.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { accessibility, openBrowser } from './browser.mjs';

const options = {};
for (const argv = process.argv.slice(2); argv.length;) options[argv.shift().replace(/^--/, '')] = argv.shift();

const HABITS = [
  { name: 'desk-light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'phone-dark', colorScheme: 'dark', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
];
const SITE = `https://orders.test:${options.port}`;
const BIG = `https://orders.big.test:${options.port}`;

let wrong = 0;
let lastMail = 0;
const complain = (where, what) => { wrong += 1; console.log(`WRONG ${where}: ${what}`); };
const press = (page, action) => page.locator(`form[action="${action}"] button`).first().click();

async function codeTo(address) {
  for (;;) {
    const answer = await fetch(`${options.mail}&to=${encodeURIComponent(address)}&after=${lastMail}`);
    if (!answer.ok) throw new Error(`no mail came to ${address}`);
    const mail = await answer.json();
    lastMail = mail.n;
    // The mail that tells of a new passkey has no code.
    const code = mail.text.match(/\b\d{6}\b/);
    if (code) return code[0];
  }
}

/** Somebody with a page and an authenticator of their own. */
async function visitor(browser, habits, name) {
  const person = await browser.person(habits);
  const page = await person.newPage();
  page.on('console', (message) => message.type() === 'error' && !/status of 4\d\d/.test(message.text()) && complain(name, message.text()));
  page.on('pageerror', (error) => complain(name, error.message));
  const devtools = await person.newCDPSession(page);
  await devtools.send('WebAuthn.enable', { enableUI: false });
  const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true,
    },
  });
  const tell = (method, parameters) => devtools.send(`WebAuthn.${method}`, { authenticatorId, ...parameters });
  return {
    person,
    page,
    /** Whether finger or face are recognised from now on. */
    isRecognised: (isUserVerified) => tell('setUserVerified', { isUserVerified }),
    /** Whether somebody touches it as soon as they are asked to. */
    touches: (enabled) => tell('setAutomaticPresenceSimulation', { enabled }),
    has: async () => (await tell('getCredentials', {})).credentials,
    async logInByMail(email, to) {
      await page.goto(to);
      await page.fill('input[name=email]', email);
      await press(page, '/.access/login');
      await page.waitForURL('**/.access/check');
      await page.fill('input[name=code]', await codeTo(email));
      await press(page, '/.access/code');
    },
    async logOut() {
      await page.goto(`${new URL(page.url()).origin}/.access/account`);
      await press(page, '/.access/logout');
      await page.waitForURL('**/.access/logged-out');
    },
    /** The sentence that the script says. */
    async says(part) {
      const problem = page.locator('#passkey-problem');
      await problem.waitFor({ state: 'visible' });
      const said = await problem.innerText();
      if (!said.includes(part)) complain(name, `says "${said}" and not "${part}"`);
    },
    /** Checks the page that is open now. */
    async look(what) {
      const where = `${name}-${what}`;
      for (const finding of await accessibility(page)) complain(where, finding);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth + 1);
      if (wide) complain(where, 'scrolls sideways');
      if (options.shots) {
        mkdirSync(options.shots, { recursive: true });
        await page.screenshot({ path: join(options.shots, `${where}.png`), fullPage: true });
      }
      console.log(`ok ${where}`);
    },
    step: (what) => console.log(`ok ${name}-${what}`),
  };
}

const browser = await openBrowser({ ca: options.ca });
try {
  for (const { name, ...habits } of HABITS) {
    // Bob adds one after his log-in, and logs in with it.
    const bob = await visitor(browser, habits, `passkeys-${name}`);
    const { page } = bob;
    await bob.logInByMail('bob@example.com', `${SITE}/orders?x=1`);
    await page.waitForURL('**/.access/passkey/offer**');
    await page.locator('#passkey').waitFor({ state: 'visible' });
    await bob.look('offer');
    await bob.isRecognised(false);
    await page.click('#passkey');
    await bob.says('cancelled');
    await bob.look('offer-cancelled');
    await bob.isRecognised(true);
    await page.click('#passkey');
    await page.waitForURL('**/orders?x=1');
    const [credential] = await bob.has();
    if (!credential.isResidentCredential || credential.rpId !== 'orders.test') complain(name, JSON.stringify(credential));
    if (!(await page.innerText('body')).includes('bob@example.com')) complain(name, 'the app does not know who came');
    bob.step('added');

    await page.goto(`${SITE}/.access/account`);
    await bob.look('account');
    await page.click('.passkeys summary');
    await bob.look('account-change');
    await page.fill('.passkeys input[name=name]', 'My <b>phone</b>');
    await press(page, '/.access/passkey/name');
    await page.getByText('My <b>phone</b>').first().waitFor();
    bob.step('named');
    await page.click('#passkey');
    await bob.says('already');
    bob.step('known');

    // Nobody touches the authenticator until the button is pressed: the address field waits for a passkey too.
    await bob.touches(false);
    await bob.logOut();
    await page.goto(`${SITE}/orders?x=2`);
    await page.locator('#passkey').waitFor({ state: 'visible' });
    await bob.look('log-in');
    await bob.touches(true);
    await page.click('#passkey');
    await page.waitForURL('**/orders?x=2');
    bob.step('logged-in');

    // The address field has them too, in browsers that show passkeys there: here the first one is taken at once.
    await bob.logOut();
    await page.goto(`${SITE}/orders?x=7`);
    await page.waitForURL('**/orders?x=7');
    bob.step('field');

    // Elsewhere it is of no use: the browser does not even find it.
    await page.goto(`${BIG}/orders`);
    await page.locator('#passkey').waitFor({ state: 'visible' });
    await page.click('#passkey');
    await bob.says('cancelled');
    bob.step('other-domain');

    // Deleted here, it is still on the device.
    await page.goto(`${SITE}/.access/account`);
    await page.click('.passkeys summary');
    await press(page, '/.access/passkey/remove');
    await page.getByText('You have none yet').waitFor();
    await bob.look('account-none');
    await bob.touches(false);
    await bob.logOut();
    await page.goto(`${SITE}/orders`);
    await page.locator('#passkey').waitFor({ state: 'visible' });
    await bob.touches(true);
    await page.click('#passkey');
    await bob.says('does not open anything here');
    await bob.look('refused');

    // Not now, and not again.
    await bob.touches(false);
    await bob.logInByMail('bob@example.com', `${SITE}/orders?x=3`);
    await page.waitForURL('**/.access/passkey/offer**');
    await press(page, '/.access/passkey/offer');
    await page.waitForURL('**/orders?x=3');
    await bob.logOut();
    await bob.logInByMail('bob@example.com', `${SITE}/orders?x=4`);
    await page.waitForURL('**/orders?x=4');
    bob.step('not-now');
    await bob.person.close();
  }

  // Ann's role asks for one, so she adds her first to go on, and to change it she must have come by it.
  const ann = await visitor(browser, HABITS[0], 'passkeys-ann');
  await ann.logInByMail('ann@example.com', `${SITE}/orders`);
  await ann.page.waitForURL('**/.access/passkey/offer**');
  await ann.page.locator('#passkey').waitFor({ state: 'visible' });
  await ann.look('required');
  await ann.page.click('#passkey');
  await ann.page.waitForURL('**/orders');
  ann.step('went-on');
  await ann.page.goto(`${SITE}/.access/account`);
  await ann.page.click('.passkeys summary');
  await ann.page.getByText('This is your last passkey').waitFor();
  await ann.look('last');

  // Her mailbox alone is too little now; one step more, and she is where she was going.
  await ann.touches(false);
  await ann.logOut();
  await ann.logInByMail('ann@example.com', `${SITE}/orders?x=8`);
  await ann.page.waitForURL('**/.access/step-up**');
  await ann.page.locator('#passkey').waitFor({ state: 'visible' });
  await ann.look('step-up');
  await ann.page.goto(`${SITE}/.access/account`);
  await ann.page.getByText('log in with one of them first').waitFor();
  await ann.look('account-locked');
  await ann.page.goto(`${SITE}/orders?x=8`);
  await ann.page.locator('#passkey').waitFor({ state: 'visible' });
  await ann.touches(true);
  await ann.page.click('#passkey');
  await ann.page.waitForURL('**/orders?x=8');
  ann.step('stepped-up');
  await ann.person.close();

  // A browser that knows no passkeys is not kept.
  const old = await visitor(browser, HABITS[0], 'passkeys-old-browser');
  await old.person.addInitScript(() => { delete window.PublicKeyCredential; });
  await old.logInByMail('bob@example.com', `${SITE}/orders?x=5`);
  await old.page.waitForURL('**/orders?x=5');
  await old.page.goto(`${SITE}/.access/login`);
  if (await old.page.locator('#passkey').isVisible()) complain('old-browser', 'shows a button that does nothing');
  await old.page.goto(`${SITE}/.access/account`);
  if (await old.page.locator('#passkey').isVisible()) complain('old-browser', 'shows a button that does nothing');
  await old.look('account');
  await old.person.close();

  // And neither is one without JavaScript.
  const bare = await visitor(browser, { javaScriptEnabled: false }, 'passkeys-no-script');
  await bare.logInByMail('bob@example.com', `${SITE}/orders?x=6`);
  await bare.page.waitForURL('**/.access/passkey/offer**');
  if (!(await bare.page.content()).includes('<noscript>')) complain('no-script', 'does not say why');
  if (await bare.page.locator('#passkey').isVisible()) complain('no-script', 'shows a button that does nothing');
  await press(bare.page, '/.access/passkey/offer');
  await bare.page.waitForURL('**/orders?x=6');
  bare.step('went-on');
  await bare.person.close();
} finally {
  await browser.close();
}
process.exit(wrong ? 1 : 0);
