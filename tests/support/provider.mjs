//! OpenID providers for the tests: npm's certified `oidc-provider`, as many as are asked for, in one process.
//!
//! usage: provider.mjs
//!
//! It takes a port of the system's choice for its control interface and prints one line: {"control":PORT}. It ends with its standard
//! input, so it never outlives the test that started it. Each provider listens on a port of its own, and is ruled from here:
//!
//!     POST   /           a new provider with these settings: {"id":N,"issuer":URL}
//!     PATCH  /N          other settings; what is known of people, sessions and tokens stays
//!     GET    /N          what it was asked: {"counts":{"authorize":1,"token:authorization_code":1,…},"backchannel":[…],"log":[…]}
//!     POST   /N/rotate   a new signing key; `{"keep":true}` leaves the old one in the key set
//!     POST   /N/down     closes the listener and every connection;   POST /N/up    listens again, on the same port
//!     POST   /N/revoke   {"login":L}: every grant and token of a person ends, and with `"sessions":true` what they have open here
//!     POST   /N/logout   {"login":L,"sid":S?}: logs them out of what they have open here, or one of it, and says so to the clients
//!     DELETE /N          ends it
//!
//! Settings, all of them optional:
//!
//!     tls               {"cert":PEM,"key":PEM}: https on localhost; otherwise http on 127.0.0.1
//!     redirect_uris, post_logout_redirect_uris
//!     backchannel       where log-outs are told;   client_ca   PEM of the CA of that address
//!     alg               of ID tokens: RS256, PS256, ES256 (the default) or EdDSA
//!     claims            where claims are told: "id_token" (the default) or "userinfo"
//!     users             {LOGIN:{"sub":…,"email":…,"email_verified":…,"name":…,"groups":[…],"gone":true}}; null takes a claim away.
//!                       Who is not named here is known too: with the login as a verified address.
//!     faults            [{"path":"token","kind":"delay"|"status"|"lose","times":N,"ms":M,"status":S}]: what happens to the next
//!                       requests to a path. What is lost has been done; only the answer never comes.
//!
//! Clients: `gateway` with the secret `gateway-secret-gateway-secret-0001`, and `gateway-public` without one. PKCE is required, and
//! refresh tokens are good once. (Version 8 of the package, since 9 wants a newer node than Debian 12 brings.) The log-in page is one form with the field `login`; `deny` refuses.
import { createHash, generateKeyPair, randomBytes } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { promisify } from 'node:util';

// It warns of older nodes and of memory as a store, and would fill the tests' report with it.
console.info = console.warn = () => {};
const { default: Provider } = await import('oidc-provider');

const KEYS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};
const LOOPBACK = (host, options, done) => (options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4));

async function newKey(alg) {
  const { privateKey } = await promisify(generateKeyPair)(...KEYS[alg]);
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid: randomBytes(6).toString('hex') };
}

const listen = (server, port) => new Promise((done, fail) => {
  server.once('error', fail).listen(port, '127.0.0.1', () => done(server.address().port));
});

async function read(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
const page = (body) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>Test provider</title><main><h1>Test provider</h1>${body}</main></html>`;
const loginPage = (hint, text) => page(`<p>${text}</p><form method="post"><label>Login <input name="login" value="${escape(hint)}"></label>
<button>Sign in</button></form><form method="post"><button name="deny" value="1">Refuse</button></form>`);

/** One provider: its listener, its people, and the newest `oidc-provider` over them. */
class Tenant {
  settings = {};
  keys = [];
  counts = {};
  backchannel = [];
  log = [];
  store = new Map();
  logins = new Map();
  sockets = new Set();
  cookieKey = randomBytes(24).toString('hex');

  async start(settings) {
    this.settings = settings;
    this.keys = [await newKey(this.alg)];
    this.port = await this.up();
    this.issuer = settings.tls ? `https://localhost:${this.port}` : `http://127.0.0.1:${this.port}`;
    this.rebuild();
  }

  get alg() {
    return this.settings.alg ?? 'ES256';
  }

  change(settings) {
    Object.assign(this.settings, settings);
    this.rebuild();
  }

  async up() {
    const handler = (request, response) => this.serve(request, response);
    const { tls } = this.settings;
    this.server = tls ? https.createServer(tls, handler) : http.createServer(handler);
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
    });
    return listen(this.server, this.port ?? 0);
  }

  async down() {
    const closed = new Promise((done) => { this.server.close(done); });
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  async rotate({ keep }) {
    this.keys = [await newKey(this.alg), ...(keep ? this.keys : [])];
    this.rebuild();
  }

  /** Every record of a kind that is a person's. */
  recordsOf(sub, ...kinds) {
    return [...this.store].filter(([key, { payload }]) => payload.accountId === sub && kinds.includes(key.split(':')[0]));
  }

  revoke({ login, sessions }) {
    const kinds = ['Grant', 'RefreshToken', 'AccessToken', 'AuthorizationCode', ...(sessions ? ['Session'] : [])];
    for (const [key] of this.recordsOf(this.subOf(login), ...kinds)) this.store.delete(key);
  }

  async logout({ login, sid }) {
    const sub = this.subOf(login);
    for (const [key, { payload }] of this.recordsOf(sub, 'Session')) {
      for (const [clientId, authorization] of Object.entries(payload.authorizations ?? {})) {
        if (sid && authorization.sid !== sid) continue;
        const client = await this.provider.Client.find(clientId);
        await client.backchannelLogout(sub, authorization.sid).catch((error) => this.log.push(`backchannel: ${error.message}`));
        this.store.delete(key);
      }
    }
  }

  subOf(login) {
    const sub = this.settings.users?.[login]?.sub ?? createHash('sha256').update(login).digest('hex').slice(0, 20);
    this.logins.set(sub, login);
    return sub;
  }

  claimsOf(login) {
    const { gone, sub, ...told } = this.settings.users?.[login] ?? {};
    if (gone) return undefined;
    const claims = { email: login, email_verified: true, name: login.split('@')[0], ...told };
    return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== null));
  }

  /** Where `oidc-provider` keeps what it must remember: a map that outlives each of its instances. */
  adapter(kind) {
    const { store } = this;
    const find = (wanted) => {
      for (const [key, { payload, until }] of store) {
        if (key.startsWith(`${kind}:`) && until > Date.now() && wanted(key.slice(kind.length + 1), payload)) return payload;
      }
      return undefined;
    };
    return {
      upsert: async (id, payload, seconds) => {
        store.set(`${kind}:${id}`, { payload, until: seconds ? Date.now() + seconds * 1000 : Infinity });
      },
      find: async (id) => find((key) => key === id),
      findByUid: async (uid) => find((key, payload) => payload.uid === uid),
      findByUserCode: async (code) => find((key, payload) => payload.userCode === code),
      consume: async (id) => { store.get(`${kind}:${id}`).payload.consumed = Math.floor(Date.now() / 1000); },
      destroy: async (id) => { store.delete(`${kind}:${id}`); },
      revokeByGrantId: async (grant) => {
        for (const [key, { payload }] of store) if (payload.grantId === grant) store.delete(key);
      },
    };
  }

  rebuild() {
    const { redirect_uris = [], post_logout_redirect_uris = [], backchannel, claims } = this.settings;
    const client = {
      // One must be registered before the gateway's port is known.
      redirect_uris: redirect_uris.length ? redirect_uris : ['https://nobody.invalid/'],
      post_logout_redirect_uris,
      id_token_signed_response_alg: this.alg,
      response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'],
      require_auth_time: true,
      ...(backchannel && { backchannel_logout_uri: backchannel, backchannel_logout_session_required: true }),
    };
    const others = Object.values(this.settings.users ?? {}).flatMap(Object.keys).filter((claim) => !['sub', 'gone'].includes(claim) && !claim.startsWith('email'));
    const name = (kind) => `${kind}-${this.port}`;
    this.provider = new Provider(this.issuer, {
      adapter: (kind) => this.adapter(kind),
      clients: [
        { client_id: 'gateway', client_secret: 'gateway-secret-gateway-secret-0001', ...client },
        { client_id: 'gateway-public', token_endpoint_auth_method: 'none', ...client },
      ],
      jwks: { keys: this.keys },
      cookies: {
        keys: [this.cookieKey],
        // Browsers keep cookies of all ports together, and there may be two providers at one address.
        names: { session: name('session'), interaction: name('interaction'), resume: name('resume') },
      },
      claims: { openid: ['sub', 'amr'], email: ['email', 'email_verified'], profile: [...new Set(['name', 'groups', ...others])] },
      conformIdTokenClaims: claims === 'userinfo',
      enabledJWA: { idTokenSigningAlgValues: Object.keys(KEYS) },
      pkce: { required: () => true },
      scopes: ['openid', 'offline_access', 'email', 'profile'],
      features: {
        devInteractions: { enabled: false },
        backchannelLogout: { enabled: true },
        rpInitiatedLogout: {
          enabled: true,
          logoutSource: (ctx, form) => {
            ctx.body = page(`<p>Log out?</p>${form}<button form="op.logoutForm" name="logout" value="yes">Yes</button>`);
          },
          postLogoutSuccessSource: (ctx) => { ctx.body = page('<p>You are logged out here.</p>'); },
        },
      },
      renderError: (ctx, out) => { ctx.type = 'html'; ctx.body = page(`<p>${escape(JSON.stringify(out))}</p>`); },
      interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
      issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
      rotateRefreshToken: () => true,
      expiresWithSession: () => false,
      ttl: { Session: 86400, AccessToken: 600, IdToken: 600, AuthorizationCode: 60, Grant: 86400, Interaction: 600, RefreshToken: 86400 },
      findAccount: (ctx, sub) => {
        const login = this.logins.get(sub);
        if (login === undefined || !this.claimsOf(login)) return undefined;
        return { accountId: sub, claims: () => ({ sub, ...this.claimsOf(login) }) };
      },
      // The gateway is a first party here: nobody is asked for consent.
      loadExistingGrant: async (ctx) => {
        const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
        grant.addOIDCScope('openid email profile offline_access');
        await grant.save();
        return grant;
      },
    });
    const tenant = this;
    this.provider.Client.prototype.backchannelLogout = function backchannelLogout(sub, sid) { return tenant.tell(this, sub, sid); };
    for (const event of ['server_error', 'authorization.error', 'grant.error', 'backchannel.error']) {
      this.provider.on(event, (...all) => {
        const error = all.find((one) => one instanceof Error);
        this.log.push(`${event}: ${error?.message} ${error?.error_description ?? ''} ${error?.error_detail ?? ''}`);
      });
    }
    this.callback = this.provider.callback();
  }

  /** Tells a client of a log-out, as the package would; but every name is this machine, the client's CA is trusted, and all is noted. */
  async tell(client, sub, sid) {
    const token = new this.provider.IdToken({ sub }, { client, ctx: undefined });
    token.mask = { sub: null };
    token.set('events', { 'http://schemas.openid.net/event/backchannel-logout': {} });
    token.set('jti', randomBytes(16).toString('hex'));
    token.set('sid', sid);
    const told = { url: client.backchannelLogoutUri, token: await token.issue({ use: 'logout' }), status: 0 };
    this.backchannel.push(told);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const options = { method: 'POST', headers, ca: this.settings.client_ca, lookup: LOOPBACK, timeout: 5000 };
    await new Promise((done, fail) => {
      const request = (told.url.startsWith('https:') ? https : http).request(told.url, options, (answer) => {
        told.status = answer.statusCode;
        answer.resume().on('end', done);
      });
      request.on('error', fail).on('timeout', () => request.destroy(new Error('timeout'))).end(`logout_token=${told.token}`);
    });
  }

  async serve(request, response) {
    const path = request.url.split('?')[0].replace(/^\/(\.well-known\/)?/, '');
    const fault = (this.settings.faults ?? []).find((one) => one.path === path && one.times > 0);
    let kind = path;
    if (path === 'token') {
      // Which grant it is stands in the body; oidc-provider takes one that was read before.
      request.body = Object.fromEntries(new URLSearchParams(await read(request)));
      kind = `token:${request.body.grant_type}`;
    }
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    if (fault) {
      fault.times -= 1;
      if (fault.kind === 'delay') await new Promise((done) => { setTimeout(done, fault.ms); });
      if (fault.kind === 'status') return void response.writeHead(fault.status).end('out of order');
      if (fault.kind === 'lose') {
        response.write = () => true;
        response.end = () => { request.socket.destroy(); return response; };
      }
    }
    if (path.startsWith('interaction/')) return this.interact(request, response);
    return this.callback(request, response);
  }

  async interact(request, response) {
    const html = (status, text) => response.writeHead(status, { 'content-type': 'text/html' }).end(text);
    try {
      const { params, prompt } = await this.provider.interactionDetails(request, response);
      const finish = (result) => this.provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
      if (prompt.name === 'consent') return void await finish({ consent: {} });
      if (request.method !== 'POST') return void html(200, loginPage(params.login_hint ?? '', 'Anybody, without a password.'));
      const form = new URLSearchParams(await read(request));
      if (form.get('deny')) return void await finish({ error: 'access_denied', error_description: 'the person refused' });
      const login = (form.get('login') ?? '').trim();
      if (!login || !this.claimsOf(login)) return void html(422, loginPage(login, 'Nobody is called that.'));
      return void await finish({ login: { accountId: this.subOf(login), amr: ['pwd'] } });
    } catch (error) {
      this.log.push(`interaction: ${error.message}`);
      return void html(400, page(`<p>${escape(error.message)}</p>`));
    }
  }
}

const tenants = new Map();
let count = 0;

async function control(request) {
  const [, id, verb] = request.url.split('/');
  const asked = JSON.parse((await read(request)) || '{}');
  if (!id) {
    const tenant = new Tenant();
    await tenant.start(asked);
    count += 1;
    tenants.set(String(count), tenant);
    return { id: count, issuer: tenant.issuer };
  }
  const tenant = tenants.get(id);
  if (request.method === 'GET') return { counts: tenant.counts, backchannel: tenant.backchannel, log: tenant.log };
  if (request.method === 'PATCH') tenant.change(asked);
  else if (request.method === 'DELETE') {
    tenants.delete(id);
    if (tenant.server.listening) await tenant.down();
  } else if (['rotate', 'down', 'up', 'revoke', 'logout'].includes(verb)) await tenant[verb](asked);
  else throw new Error(`there is no ${request.method} ${request.url}`);
  return {};
}

const web = http.createServer(async (request, response) => {
  try {
    const answer = await control(request);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  } catch (error) {
    response.writeHead(500).end(String(error.stack));
  }
});

// One story's broken connection must not take the providers away from all others.
for (const event of ['uncaughtException', 'unhandledRejection']) process.on(event, (error) => console.error(event, error));
console.log(JSON.stringify({ control: await listen(web, 0) }));

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
process.stdin.on('close', () => process.exit(0));
