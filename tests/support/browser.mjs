//! Debian's Chromium, driven by npm's playwright-core: a private CA is trusted for real, every name leads to loopback.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const WAYS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Opens a browser that trusts `ca` (a file) and finds every name at 127.0.0.1. */
export async function openBrowser({ ca }) {
  // Chromium reads the CAs that a user trusts from $HOME/.pki/nssdb, whatever its profile: it gets a HOME of its own.
  const home = mkdtempSync(join(tmpdir(), 'browser-'));
  const db = join(home, '.pki/nssdb');
  mkdirSync(db, { recursive: true });
  execFileSync('certutil', ['-d', `sql:${db}`, '-N', '--empty-password']);
  execFileSync('certutil', ['-d', `sql:${db}`, '-A', '-t', 'C,,', '-n', 'test-ca', '-i', ca]);
  const executablePath = process.env.CHROMIUM ?? WAYS.find((path) => { try { readFileSync(path); return true; } catch { return false; } });
  const browser = await chromium.launch({
    executablePath,
    // Root, in a container, gets no sandbox from Chromium. What it opens here is ours.
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * 127.0.0.1'],
    env: { ...process.env, HOME: home },
  });
  return {
    /** Another person, or the same one with other habits: no cookies are shared. */
    person: (habits = {}) => browser.newContext(habits),
    async close() {
      await browser.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/**
 * What axe-core finds wrong with a page; the driver evaluates it, so the page's policy does not stop it. A sandbox without scripts does:
 * there its timers never fire. Who asks there hears so after a minute.
 */
export async function accessibility(page) {
  await page.evaluate(AXE);
  let timer;
  const isOver = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`axe-core did not come to an end at ${page.url()}`)), 60_000);
  });
  const found = page.evaluate((tags) => globalThis.axe.run(document, { runOnly: tags }), RULES);
  const { violations } = await Promise.race([found, isOver]).finally(() => clearTimeout(timer));
  return violations.map((v) => `${v.id}: ${v.help} at ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
}
