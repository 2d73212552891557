//! A walk through the log-in in German and in Bulgarian, on a phone and at a desk, in real Chromium. Words are longer there.
//!
//! usage: language_walk.mjs --ca FILE --port N --mail URL [--shots FOLDER]
//!
//! Every page is checked as in `walk.mjs`, for its language, and for words that are cut off or run over their button.
import { openBrowser } from './browser.mjs';
import { critic } from './look.mjs';

const options = {};
for (const argv = process.argv.slice(2); argv.length;) options[argv.shift().replace(/^--/, '')] = argv.shift();

const HABITS = [
  { name: 'desk', viewport: { width: 1280, height: 800 } },
  { name: 'phone', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
];
const LANGUAGES = [
  { code: 'de', locale: 'de-DE', email: 'bob@example.com', name: 'Deutsch', words: { login: 'Anmelden', check: 'Sehen Sie in Ihrem Posteingang nach', denied: 'Sie können diese Seite nicht öffnen', account: 'Ihr Konto' } },
  { code: 'bg', locale: 'en-GB', email: 'eve@example.com', name: 'Български', words: { login: 'Вход', check: 'Проверете пощата си', denied: 'Не можете да отворите тази страница', account: 'Вашият профил' } },
];

const { complain, isContent, listen, look } = critic(options);
let lastMail = 0;

async function mailTo(address) {
  const answer = await fetch(`${options.mail}&to=${encodeURIComponent(address)}&after=${lastMail}`);
  if (!answer.ok) throw new Error(`no mail came to ${address}`);
  const mail = await answer.json();
  lastMail = mail.n;
  return mail;
}

const press = (page, action) => page.locator(`form[action="${action}"] button`).first().click();

/** Elements whose words do not fit into them. */
const overfull = (page) => page.evaluate(() => [...document.querySelectorAll('button, .button, h1, h2, p, li, dt, dd, label, summary, .badge')]
  .filter((element) => !element.closest('.unseen') && getComputedStyle(element).display !== 'inline' && element.scrollWidth > element.clientWidth + 1)
  .map((element) => `${element.tagName} ${element.textContent.trim().slice(0, 40)}`));

const browser = await openBrowser({ ca: options.ca });
try {
  for (const { name, ...habits } of HABITS) {
    for (const { code, locale, email, name: endonym, words } of LANGUAGES) {
      const person = await browser.person({ ...habits, locale });
      const page = await person.newPage();
      listen(page, name);
      const see = async (what, heading) => {
        const step = `${code}-${name}-${what}`;
        await look(page, step, { title: 'Acme Orders' });
        if (await page.getAttribute('html', 'lang') !== code) complain(step, 'is in another language');
        if (heading && (await page.innerText('h1')) !== heading) complain(step, `is headed ${await page.innerText('h1')}`);
        for (const found of await overfull(page)) complain(step, `words run over: ${found}`);
      };

      // German as the browser is set; Bulgarian by the button at the foot, which an English page has too.
      await page.goto(`https://orders.test:${options.port}/admin/first?x=1`);
      if (code === 'bg') {
        await page.getByRole('button', { name: endonym }).click();
        await page.waitForURL('**/.access/login?stay=1&to=%2Fadmin%2Ffirst%3Fx%3D1');
      }
      await see('log-in', words.login);
      await page.fill('input[name=email]', 'nobody');
      await page.evaluate(() => { for (const form of document.forms) form.noValidate = true; });
      await press(page, '/.access/login');
      await see('log-in-again', words.login);
      await page.fill('input[name=email]', email);
      await press(page, '/.access/login');
      await page.waitForURL('**/.access/check');
      await see('check', words.check);
      const mail = await mailTo(email);
      if (!mail.html.includes(`<html lang="${code}">`)) complain(`${code}-${name}-mail`, mail.html.slice(0, 200));
      if (options.shots) {
        const letter = await person.newPage();
        await letter.setContent(mail.html);
        await letter.screenshot({ path: `${options.shots}/${code}-${name}-mail.png`, fullPage: true });
        await letter.close();
      }
      await page.goto(mail.links.find((link) => link.includes('/.access/link/')));
      await see('confirm');
      await press(page, '/.access/link');
      await page.waitForURL('**/admin/first?x=1');
      await see('denied', words.denied);
      await page.goto(`https://orders.test:${options.port}/.access/account`);
      await see('account', words.account);
      // To the other language and back, by the account page's own buttons.
      await page.getByRole('button', { name: 'Français' }).click();
      await page.waitForURL('**/.access/account');
      if (await page.getAttribute('html', 'lang') !== 'fr') complain(`${code}-${name}-account`, 'does not turn French');
      await page.getByRole('button', { name: endonym }).click();
      await page.waitForURL('**/.access/account');
      await press(page, '/.access/logout');
      await page.waitForURL('**/.access/logged-out');
      await see('logged-out');
      await page.goto(`https://orders.test:${options.port}/.access/nothing`);
      await see('error');
      await person.close();
    }
  }
} finally {
  await browser.close();
}
process.exit(isContent() ? 0 : 1);
