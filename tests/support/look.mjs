//! What every page is checked for in a walk: accessibility, messages in the console, sideways scroll bars, and our own name.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { accessibility } from './browser.mjs';

/** Notes what is wrong; `shots` is a folder for pictures, if any are wanted. */
export function critic({ shots }) {
  let wrong = 0;
  const complain = (where, what) => { wrong += 1; console.log(`WRONG ${where}: ${what}`); };
  return {
    complain,
    isContent: () => wrong === 0,
    /** Listens to what the browser says of a page: its policy breaking it, above all. */
    listen(page, name) {
      page.on('console', (message) => message.type() === 'error' && !/status of [45]\d\d/.test(message.text()) && complain(name, message.text()));
      page.on('pageerror', (error) => complain(name, error.message));
    },
    /** Checks the page that is open now. */
    async look(page, name, { title } = {}) {
      const where = `${name} (${new URL(page.url()).host}${new URL(page.url()).pathname.replace(/link\/.*/, 'link/…')})`;
      for (const finding of await accessibility(page)) complain(where, finding);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth + 1);
      if (wide) complain(where, 'scrolls sideways');
      const text = await page.innerText('body');
      if (/vestibule/i.test(text) || /vestibule/i.test(await page.title())) complain(where, 'names the gateway');
      if (title && !`${await page.title()} ${text}`.includes(title)) complain(where, `does not say ${title}`);
      if (shots) {
        mkdirSync(shots, { recursive: true });
        await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
      }
      console.log(`ok ${where}`);
    },
  };
}
