import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { file } from './samples.js';
import { startApi } from './stand-in-api.js';
import { spawnUi } from './start.js';

// Whoever holds what the server has: others are answered within seconds, and memory stays below
// half the limit of manifests/base/ui/ui.yaml, 256Mi.
const MIB = 1024 * 1024;
const HALF_OF_THE_PODS_MEMORY = 128 * MIB;
const WITHIN_MS = 8000; // a few seconds, on a machine that does other things as well
const PICTURE = Buffer.alloc(5 * MIB - 100, 7);

/** @type {import('./stand-in-api.js').StandInApi} */
let api;
/** @type {ReturnType<typeof spawnUi>} */
let ui;
/** @type {number} */
let port;
/** @type {import('node:net').Socket[]} */
let sockets;

before(async () => { api = await startApi(); });
after(() => api.stop());
beforeEach(async () => {
  api.reset();
  sockets = [];
  ui = spawnUi({ API_URL: api.url, PORT: '0' });
  port = await ui.port();
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  ui.child.kill('SIGKILL');
  await ui.ended;
});

/** The most memory that the process had at once. */
function peak() {
  const found = /VmHWM:\s*(\d+) kB/.exec(readFileSync(`/proc/${ui.child.pid}/status`, 'utf8'));
  return Number(found?.[1]) * 1024;
}

function assertMemoryIsBounded() {
  assert.ok(peak() < HALF_OF_THE_PODS_MEMORY, `${Math.round(peak() / MIB)} MiB`);
}

/**
 * Connections that send this, and read nothing.
 * @param {number} count
 * @param {(string | Buffer)[]} parts
 */
async function hold(count, ...parts) {
  const held = Array.from({ length: count }, () => {
    const socket = connect(port, '127.0.0.1').pause();
    socket.on('error', () => {});
    for (const part of parts) socket.write(part);
    return socket;
  });
  sockets.push(...held);
  await Promise.all(held.map((socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')])));
  await new Promise((resolve) => { setTimeout(resolve, 1500); });
  return held;
}

/** @param {string} path @param {RequestInit} [init] */
async function ask(path, init) {
  const signal = AbortSignal.timeout(WITHIN_MS);
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual', signal, ...init });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function assertOthersAreAnswered() {
  assert.equal((await ask('/healthz')).status, 200);
  assert.equal((await ask('/')).status, 200);
  const body = new FormData();
  for (const [name, value] of Object.entries({ name: 'Cup', price: '1', stock: '1' })) body.append(name, value);
  assert.equal((await ask('/products', { method: 'POST', body })).status, 303);
}

/** @param {number} length */
function formHead(length) {
  return `POST /products HTTP/1.1\r\nhost: ui\r\ncontent-length: ${length}\r\n`
    + 'content-type: multipart/form-data; boundary=x\r\n\r\n'
    + '--x\r\ncontent-disposition: form-data; name="picture"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n';
}

function uploadForm() {
  const body = new FormData();
  for (const [name, value] of Object.entries({ name: 'Cup', price: '1', stock: '1' })) body.append(name, value);
  body.append('picture', file(PICTURE, 'image/png'));
  return body;
}

describe('others are answered, in bounded memory, while', () => {
  test('60 uploads are held', async () => {
    await hold(60, formHead(5 * MIB + 1000), PICTURE);
    await assertOthersAreAnswered();
    const { status, headers, text } = await ask('/products', { method: 'POST', body: uploadForm() });
    assert.equal(status, 503);
    assert.match(headers.get('retry-after') ?? '', /^\d+$/);
    assert.match(text, /try again/i);
    assertMemoryIsBounded();
  });

  test('many pictures arrive at once, some of which are saved', async () => {
    const answers = await Promise.all(Array.from({ length: 24 }, () => (
      ask('/products', { method: 'POST', body: uploadForm(), signal: AbortSignal.timeout(30_000) })
        .then(({ status }) => status))));
    assert.deepEqual(answers.filter((status) => status !== 303 && status !== 503), []);
    assert.ok(answers.includes(303), String(answers));
    await assertOthersAreAnswered();
    assertMemoryIsBounded();
  });

  test('300 heads are sent in part; none is waited for', async () => {
    const held = await hold(300, 'GET / HTTP/1.1\r\nhost: ui\r\nx-more: ');
    // Those past their number go at once; the time for a head ends the others.
    held.forEach((socket) => socket.resume());
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
    assert.ok(held.filter(isOpen).length <= 48, `${held.filter(isOpen).length} are open`);
    await assertOthersAreAnswered();
    for (let waited = 0; waited < 20_000 && held.some(isOpen); waited += 1000) {
      for (const socket of held) if (isOpen(socket)) socket.write('x');
      await new Promise((resolve) => { setTimeout(resolve, 1000); });
    }
    assert.equal(held.filter(isOpen).length, 0);
    assertMemoryIsBounded();
  });

  test('300 small forms are held', async () => {
    await hold(300, formHead(200_000), PICTURE.subarray(0, 190_000));
    await assertOthersAreAnswered();
    assertMemoryIsBounded();
  });

  test('150 clients do not read the picture that they asked for', async () => {
    const { id } = api.add({ name: 'Cup' });
    api.addPicture(id, PICTURE);
    await hold(150, `GET /pictures/${id} HTTP/1.1\r\nhost: ui\r\n\r\n`);
    await assertOthersAreAnswered();
    assert.equal((await ask(`/pictures/${id}`)).status, 200);
    assertMemoryIsBounded();
  });

  test('clients pile up requests in one connection', async () => {
    api.store.delayMs = 1000;
    await hold(20, 'GET / HTTP/1.1\r\nhost: ui\r\n\r\n'.repeat(500));
    assert.ok(api.store.requests.length <= 20, `${api.store.requests.length} requests to the API`);
    await assertOthersAreAnswered();
    assertMemoryIsBounded();
  });

  test('more wait for the API than it takes: those are told to come back', async () => {
    api.store.delayMs = 4000;
    const answers = await Promise.all(Array.from({ length: 90 }, () => ask('/', { signal: AbortSignal.timeout(9000) })));
    const refused = answers.filter(({ status }) => status === 503);
    assert.ok(refused.length > 0 && refused.length < 90, `${refused.length} refused`);
    for (const { headers } of refused) assert.match(headers.get('retry-after') ?? '', /^\d+$/);
  });
});

/** @param {import('node:net').Socket} socket */
function isOpen(socket) {
  return !socket.destroyed && !socket.readableEnded;
}

test('a connection that is idle is ended', async () => {
  const [socket] = await hold(1, 'GET /healthz HTTP/1.1\r\nhost: ui\r\n\r\n');
  const start = performance.now();
  await once(socket.resume(), 'end');
  assert.ok(performance.now() - start < 9000);
});
