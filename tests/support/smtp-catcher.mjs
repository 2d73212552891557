//! A mail server for the tests: real SMTP (npm's smtp-server and mailparser) with STARTTLS and AUTH, faults on demand.
//!
//! usage: smtp-catcher.mjs --cert FILE --key FILE
//!
//! It takes three ports of the system's choice and prints one line: {"starttls":PORT,"implicit":PORT,"plain":PORT,"http":PORT}.
//! Any user may log in with the password `gwpass`, and mail is kept apart by user: many gateways share one server without
//! reading each other's mail. STARTTLS and implicit TLS ask for a user, the plain port takes anyone. It ends with its standard input,
//! so it never outlives the test that started it.
//!
//!     GET  /messages?user=U            [{n,to,from,subject,text,html,links,headers,tls,user}], newest last
//!     GET  /wait?user=U&to=A&after=N   the next one; 404 when none came for 15 seconds
//!     POST /fault?user=U&kind=K&times=N  defer (451 at RCPT), reject (550 at RCPT), defer-data (452 after the text),
//!                                      drop (the connection is cut after DATA), slow (3 s before the answer), none
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';

const WAIT_MS = 15_000;
const SLOW_MS = 3_000;

const options = {};
for (const argv = process.argv.slice(2); argv.length;) options[argv.shift().replace(/^--/, '')] = argv.shift();
const tls = { cert: readFileSync(options.cert), key: readFileSync(options.key) };

let count = 0;
const messages = [];
const faults = new Map();
let waiters = [];

const refuse = (code, text) => Object.assign(new Error(text), { responseCode: code });
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

/** Takes one due fault of these kinds for this user, if there is any. */
function take(user, ...kinds) {
  const fault = faults.get(user);
  if (!fault || fault.times < 1 || !kinds.includes(fault.kind)) return null;
  fault.times -= 1;
  return fault.kind;
}

const userOf = (session) => session.user ?? 'anonymous';

const handlers = {
  authMethods: ['PLAIN', 'LOGIN'],
  size: 10 * 1024 * 1024,
  disableReverseLookup: true,
  onAuth(auth, session, done) {
    if (auth.password === 'gwpass') done(null, { user: auth.username });
    else done(refuse(535, 'authentication failed'));
  },
  onRcptTo(address, session, done) {
    const kind = take(userOf(session), 'defer', 'reject');
    if (kind === 'defer') done(refuse(451, 'try again later'));
    else if (kind === 'reject') done(refuse(550, 'no such mailbox'));
    else done();
  },
  async onData(stream, session, done) {
    const chunks = [];
    try {
      for await (const chunk of stream) chunks.push(chunk);
    } catch (error) {
      // The gateway was killed in the middle of a mail, as some stories do: that mail never came.
      return done(refuse(451, error.message));
    }
    const kind = take(userOf(session), 'defer-data', 'drop', 'slow');
    if (kind === 'defer-data') return done(refuse(452, 'mailbox full for now'));
    if (kind === 'drop') {
      for (const server of servers) for (const c of server.connections) if (c.session === session) c._socket.destroy();
      return undefined;
    }
    if (kind === 'slow') await pause(SLOW_MS);
    const raw = Buffer.concat(chunks);
    const mail = await simpleParser(raw);
    const shown = `${mail.text ?? ''} ${mail.html || ''}`.replaceAll('&amp;', '&');
    const message = {
      n: ++count,
      user: userOf(session),
      tls: Boolean(session.secure),
      to: session.envelope.rcptTo.map((r) => r.address),
      from: session.envelope.mailFrom.address,
      subject: mail.subject ?? '',
      text: mail.text ?? '',
      html: mail.html || '',
      links: [...new Set(shown.match(/https?:\/\/[^\s"'<>)\]]+/g) ?? [])],
      headers: Object.fromEntries(mail.headerLines.map((h) => [h.key, h.line.slice(h.key.length + 1).trim()])),
    };
    messages.push(message);
    waiters = waiters.filter((waiting) => !waiting(message));
    return done(null, `queued as ${message.n}`);
  },
};

const servers = [
  new SMTPServer({ ...handlers, ...tls, authOptional: false }),
  new SMTPServer({ ...handlers, ...tls, secure: true, authOptional: false }),
  new SMTPServer({ ...handlers, disabledCommands: ['STARTTLS'], allowInsecureAuth: true, authOptional: true }),
];
for (const server of servers) server.on('error', (error) => console.error(error.message));
// One story's broken connection must not take the mail away from all others.
for (const event of ['uncaughtException', 'unhandledRejection']) process.on(event, (error) => console.error(event, error));

const web = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const asked = (name) => url.searchParams.get(name);
  const json = (value, status = 200) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  };
  const after = Number(asked('after') ?? 0);
  const matches = (m) => m.user === asked('user') && m.n > after
    && (!asked('to') || m.to.some((to) => to.toLowerCase() === asked('to').toLowerCase()));

  if (url.pathname === '/messages') return json(messages.filter(matches));
  if (url.pathname === '/fault' && request.method === 'POST') {
    faults.set(asked('user'), { kind: asked('kind'), times: Number(asked('times') ?? 1) });
    return json({ set: true });
  }
  if (url.pathname === '/wait') {
    const found = messages.find(matches);
    if (found) return json(found);
    const waiter = (m) => matches(m) && (clearTimeout(timer), json(m), true);
    const timer = setTimeout(() => {
      waiters = waiters.filter((w) => w !== waiter);
      json({ error: 'nothing came' }, 404);
    }, WAIT_MS);
    waiters.push(waiter);
    return undefined;
  }
  return json({ error: 'not found' }, 404);
});

const port = (server) => new Promise((done) => {
  const socket = server.listen(0, '127.0.0.1', () => done(socket.address().port));
});
const [starttls, implicit, plain, inbox] = await Promise.all([...servers, web].map(port));
console.log(JSON.stringify({ starttls, implicit, plain, http: inbox }));

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
process.stdin.on('close', () => process.exit(0));
