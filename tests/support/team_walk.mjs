//! Three people side by side in real Chromium, an owner, a moderator and whoever they invite, on desk and phone, light and dark.
//!
//! usage: team_walk.mjs --ca FILE --port N --mail URL [--shots FOLDER]
//!
//! `--mail` is the mail catcher's `/wait?user=U` address. Every page is checked with axe-core, for a message in the console and for a
//! sideways scroll bar; one way is walked without JavaScript. Prints a line a page; exits 1 when anything is wrong.
import { openBrowser } from './browser.mjs';
import { critic } from './look.mjs';

const options = {};
for (const argv = process.argv.slice(2); argv.length;) options[argv.shift().replace(/^--/, '')] = argv.shift();

const HABITS = [
  { name: 'desk-light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'phone-dark', colorScheme: 'dark', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
  { name: 'desk-dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 }, locale: 'de-DE' },
  { name: 'phone-light', colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, locale: 'bg-BG' },
];

const { complain, isContent, listen, look } = critic(options);
const home = `https://orders.test:${options.port}`;
let lastMail = 0;

async function mailTo(address) {
  const answer = await fetch(`${options.mail}&to=${encodeURIComponent(address)}&after=${lastMail}`);
  if (!answer.ok) throw new Error(`no mail came to ${address}`);
  const mail = await answer.json();
  lastMail = mail.n;
  return mail;
}

/** Presses the button of the form that goes to this path. */
const press = (page, action) => page.locator(`form[action="${action}"] button`).first().click();

async function logIn(page, email, go = true) {
  if (go) await page.goto(`${home}/.access/login?stay=1`);
  await page.fill('input[name=email]', email);
  await press(page, '/.access/login');
  await page.waitForURL('**/.access/check');
  const { text } = await mailTo(email);
  await page.fill('input[name=code]', text.match(/\b\d{6}\b/)[0]);
  await press(page, '/.access/code');
  await page.waitForURL(`${home}/`);
}

/** Says whether the row of an address is there, and opens its page. */
async function openPerson(page, email) {
  await page.goto(`${home}/.access/team?q=${encodeURIComponent(email)}`);
  await page.locator('table.people a.button').first().click();
}

const browser = await openBrowser({ ca: options.ca });
try {
  let round = 0;
  for (const { name, ...habits } of HABITS) {
    round += 1;
    const step = (what) => `${name}-team-${what}`;
    const guest = `ines${round}@example.com`;
    const people = [];
    for (const who of ['olga', 'mona', 'guest']) {
      const context = await browser.person(habits);
      const page = await context.newPage();
      listen(page, `${name} ${who}`);
      people.push(page);
    }
    const [olga, mona, ines] = people;
    await logIn(olga, 'olga@example.com');
    await logIn(mona, 'mona@example.com');

    await olga.goto(`${home}/.access/account`);
    await look(olga, step('account'));
    await olga.goto(`${home}/.access/team`);
    await look(olga, step('list'), { title: 'Acme Ltd' });

    // A moderator invites, and mistakes something first.
    await mona.goto(`${home}/.access/team`);
    await look(mona, step('list-moderator'));
    // Later there are invitations, which a moderator may send again.
    if (round === 1 && await mona.locator('a[href^="/.access/team/member/"]').count() > 0) complain(step('list-moderator'), 'offers what a moderator may not do');
    await mona.locator('a[href="/.access/team/invite"]').click();
    await look(mona, step('invite'));
    await mona.fill('#email', 'ines at example');
    await mona.fill('#first_name', 'Inés');
    await mona.fill('#last_name', 'Núñez');
    await mona.fill('#days_back', 'many');
    await press(mona, '/.access/team/invite');
    await look(mona, step('invite-wrong'));
    if ((await mona.inputValue('#last_name')) !== 'Núñez') complain(step('invite-wrong'), 'lost what was typed');
    await mona.fill('#email', guest);
    await mona.fill('#days_back', '90');
    await mona.selectOption('#role', 'member');
    await mona.selectOption('#language', habits.locale?.slice(0, 2) ?? 'es');
    await mona.fill('#note', 'Begins in May');
    await press(mona, '/.access/team/invite');
    await mona.waitForURL('**/.access/team/invited/*');
    await look(mona, step('invited'), { title: 'Inés Núñez' });

    // The invited person reads the mail in another browser.
    const mail = await mailTo(guest);
    if (!mail.text.includes('Acme Ltd') || !mail.html.includes('Acme Ltd')) complain(step('mail'), 'does not say for whom');
    const link = mail.links.find((link) => link.includes('/.access/invitation/'));
    await ines.goto(link);
    await look(ines, step('invitation'), { title: 'Acme Ltd' });
    await ines.locator('main a.button').click();
    await look(ines, step('log-in'));
    if ((await ines.inputValue('input[name=email]')) !== guest) complain(step('log-in'), 'does not know the address');
    await logIn(ines, guest, false);
    if (!(await ines.innerText('body')).includes(guest)) complain(step('app'), 'the app does not know who came');
    await ines.goto(link);
    await look(ines, step('invitation-used'));

    // The owner sees both, changes the role, and somebody else has been there before.
    await olga.goto(`${home}/.access/team`);
    await look(olga, step('list-more'), { title: 'Inés Núñez' });
    await openPerson(olga, guest);
    await look(olga, step('member'), { title: 'Inés Núñez' });
    const other = await olga.context().newPage();
    await other.goto(olga.url());
    await olga.selectOption('#role', 'moderator');
    await olga.locator('form.under button').click();
    await olga.waitForURL('**/.access/team?done=saved');
    await look(olga, step('saved'));
    await other.fill('#note', 'Begins in June');
    await other.locator('form.under button').click();
    await look(other, step('stale'));
    await ines.goto(`${home}/.access/team`);
    await look(ines, step('promoted'));

    // Pause, and the end, which is felt within a second.
    await openPerson(olga, guest);
    await olga.locator('form[action$="/suspend"] button').click();
    await olga.waitForURL('**/.access/team?done=suspended');
    await openPerson(olga, guest);
    await look(olga, step('suspended'));
    await olga.locator('form[action$="/let-in"] button').click();
    await olga.waitForURL('**/.access/team?done=let-in');
    await openPerson(olga, guest);
    await olga.locator('main a.button[href$="/remove"]').last().click();
    await look(olga, step('remove'), { title: 'Inés Núñez' });
    await olga.locator('main form button').click();
    await olga.waitForURL('**/.access/team?done=removed');
    const gone = Date.now();
    await ines.goto(`${home}/orders`);
    await look(ines, step('out'));
    if ((await ines.innerText('body')).includes('x-access')) complain(step('out'), 'is still in');
    if (Date.now() - gone > 5000) complain(step('out'), 'took long');

    // Many at once: looked at first, then sent.
    await mona.goto(`${home}/.access/team/invite-many`);
    await look(mona, step('many'));
    await mona.fill('#list', `Ann Example <ann${round}@example.com>\nbob${round}@example.com\nbert@example.com\nnot an address\nann${round}@example.com`);
    await mona.selectOption('#role', 'member');
    await mona.locator('button[name=do]').click();
    await look(mona, step('many-check'));
    await press(mona, '/.access/team/invite-many');
    await look(mona, step('many-report'));
    await mona.goto(`${home}/.access/team`);
    await look(mona, step('list-invitations'));

    // What cannot be done says why.
    await olga.goto(`${home}/.access/team/leave`);
    await look(olga, step('leave'));
    await press(olga, '/.access/team/leave');
    await look(olga, step('last-owner'));
    await mona.goto(`${home}/.access/independent`);
    await look(mona, step('no-right'));
    await olga.goto(`${home}/.access/team/member/999999`);
    await look(olga, step('nobody'));

    // Somebody else's invitation.
    await openPerson(olga, `ann${round}@example.com`);
    await look(olga, step('open-invitation'));
    const foreign = (await mailTo(`bob${round}@example.com`)).links.find((link) => link.includes('/.access/invitation/'));
    await olga.goto(foreign);
    await look(olga, step('invitation-other'));

    // Independence, as far as the last question.
    await olga.goto(`${home}/.access/independent`);
    await look(olga, step('independent'));
    await olga.fill('#name', 'Olga & Co');
    await press(olga, '/.access/independent');
    await look(olga, step('independent-sure'), { title: 'Olga & Co' });

    for (const page of people) await page.context().close();
  }

  // The same form without JavaScript.
  const page = await (await browser.person({ javaScriptEnabled: false })).newPage();
  await logIn(page, 'olga@example.com');
  await page.goto(`${home}/.access/team/invite`);
  await page.fill('#email', 'nora@example.com');
  await page.selectOption('#role', 'member');
  await press(page, '/.access/team/invite');
  await page.waitForURL('**/.access/team/invited/*');
  console.log('ok without JavaScript');
} finally {
  await browser.close();
}
process.exit(isContent() ? 0 : 1);
