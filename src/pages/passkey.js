'use strict';

// Logs in with a passkey, or adds one: whichever the page's one button is for (WebAuthn Level 3, section 5.1).
//
// The button stands hidden on the page and holds, in its data attributes, where to go on to and every sentence that may have
// to be said. Without this script, or in a browser without passkeys, it stays hidden, and the page works without it.

const button = document.getElementById('passkey');
const problem = document.getElementById('passkey-problem');
// The address field of the log-in page, in which browsers show passkeys beside the addresses they know.
const field = document.querySelector('input[autocomplete~="webauthn"]');

const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

/** Asks the server; throws the name of what is wrong. */
async function ask(path, body = {}) {
  let answer;
  try {
    answer = await fetch(`/.access/passkey/${path}`, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      body: JSON.stringify(body),
      redirect: 'error',
    });
  } catch {
    throw new Error('unavailable');
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.error ?? 'failed');
  return said;
}

/** A credential as the server reads it. */
function written(credential) {
  const response = { clientDataJSON: toText(credential.response.clientDataJSON) };
  for (const name of ['attestationObject', 'authenticatorData', 'signature', 'userHandle']) {
    if (credential.response[name]) response[name] = toText(credential.response[name]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return {
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    response,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

async function add() {
  const { publicKey } = await ask('add/begin');
  publicKey.challenge = toBytes(publicKey.challenge);
  publicKey.user.id = toBytes(publicKey.user.id);
  for (const known of publicKey.excludeCredentials) known.id = toBytes(known.id);
  const credential = await navigator.credentials.create({ publicKey });
  return ask('add/finish', { credential: written(credential), to: button.dataset.to });
}

async function logIn(how) {
  const { publicKey } = await ask('login/begin');
  publicKey.challenge = toBytes(publicKey.challenge);
  const credential = await navigator.credentials.get({ publicKey, ...how });
  return ask('login/finish', { credential: written(credential), to: button.dataset.to });
}

function say(error) {
  // Given up for another try of our own.
  if (error.name === 'AbortError') return;
  const name = { NotAllowedError: 'cancelled', InvalidStateError: 'known' }[error.name] ?? error.message;
  if (name === 'log_in_again') {
    location.assign(`/.access/login?to=${encodeURIComponent('/.access/account')}`);
  } else if (name === 'step_up_required') {
    location.assign(`/.access/step-up?to=${encodeURIComponent('/.access/account')}`);
  } else {
    problem.textContent = button.dataset[name] ?? button.dataset.failed;
    problem.hidden = false;
  }
}

// What waits for the person to choose a passkey in the address field, if anything does, and since when.
let waiting = null;

/** Lets the browser show passkeys in the address field. */
async function waitInField() {
  waiting?.abort();
  const mine = (waiting = new AbortController());
  mine.since = Date.now();
  try {
    const { to } = await logIn({ mediation: 'conditional', signal: mine.signal });
    location.assign(to);
  } catch (error) {
    // Nobody has pressed anything yet, so only a passkey that was chosen and refused is worth a word.
    if (error.message === 'refused') say(error);
  }
}

async function press() {
  button.disabled = true;
  problem.hidden = true;
  waiting?.abort();
  try {
    const { to } = await (button.dataset.does === 'add' ? add() : logIn({}));
    location.assign(to);
  } catch (error) {
    say(error);
  } finally {
    button.disabled = false;
  }
}

async function start() {
  if (!window.PublicKeyCredential) {
    if (button.dataset.onward) location.replace(button.dataset.onward);
    return;
  }
  button.hidden = false;
  button.addEventListener('click', press);
  if (field && await PublicKeyCredential.isConditionalMediationAvailable?.()) {
    waitInField();
    // A challenge is good for five minutes, and a page may stand open for longer.
    field.addEventListener('focus', () => {
      if (waiting.signal.aborted || Date.now() - waiting.since > 240_000) waitInField();
    });
  }
}

if (button) start();
