import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startApi } from './stand-in-api.js';
import { startUi } from './start.js';

/** @type {import('./stand-in-api.js').StandInApi} */
let api;
/** @type {Awaited<ReturnType<typeof startUi>>} */
let ui;

before(async () => {
  api = await startApi();
  ui = await startUi(api.url, { allowedHosts: ['shop.example', '.svc'] });
});
after(() => Promise.all([api.stop(), ui.stop()]));
beforeEach(() => api.reset());

describe('a change is', () => {
  /** @param {Record<string, string>} headers */
  function add(headers) {
    const body = new URLSearchParams({ name: 'Cup', price: '2.50', stock: '4' }).toString();
    return new Promise((resolve, reject) => {
      const req = request(`${ui.url}/products`, {
        method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      }, (res) => resolve(res.resume().statusCode));
      req.on('error', reject);
      req.end(body);
    });
  }

  test('refused when another web site sent it', async () => {
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site', origin: ui.url },
      { origin: 'http://evil.example' },
      { origin: `http://127.0.0.1:${ui.port + 1}` },
      { origin: 'null' },
      { origin: 'nonsense' },
    ]) {
      assert.equal(await add(/** @type {any} */ (headers)), 403, JSON.stringify(headers));
    }
    const { id } = api.add({ name: 'Kept' });
    const { status, text } = await ui.post(`/products/${id}/delete`, {}, { origin: 'http://evil.example' });
    assert.equal(status, 403);
    assert.match(text, /sent from another web site/);
    assert.deepEqual([...api.store.products.values()].map((product) => product.name), ['Kept']);
  });

  test('accepted from our own pages, also behind another name, and from programs', async () => {
    for (const headers of [
      { 'sec-fetch-site': 'same-origin', origin: ui.url },
      { origin: ui.url },
      { origin: 'https://shop.example', host: 'shop.example' },
      { origin: 'http://shop.example', host: 'shop.example:80' },
      {},
    ]) {
      assert.equal(await add(/** @type {any} */ (headers)), 303, JSON.stringify(headers));
    }
  });
});

describe('a request by', () => {
  /** @param {string} host @param {string} [path] @returns {Promise<{ status: number | undefined, text: string }>} */
  function get(host, path = '/') {
    return new Promise((resolve, reject) => {
      request(`${ui.url}${path}`, { headers: { host } }, async (res) => {
        const chunks = await res.toArray();
        resolve({ status: res.statusCode, text: Buffer.concat(chunks).toString() });
      }).on('error', reject).end();
    });
  }

  test('an address, a name without a dot, or one of ours is answered', async () => {
    for (const host of ['127.0.0.1:30001', '192.168.60.12', '[::1]:8080', 'localhost:8080', 'UI', 'shop.example',
      'shop.example.:80', 'ui.default.svc']) {
      assert.equal((await get(host)).status, 200, host);
    }
  });

  test('a program that says no name is answered', async () => {
    const { port } = new URL(ui.url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write('GET / HTTP/1.0\r\n\r\n');
    assert.match(Buffer.concat(await socket.toArray()).toString(), /^HTTP\/1\.1 200 /);
  });

  test('the name of another site is refused, but for health', async () => {
    for (const host of ['evil.example', 'www.shop.example', '127.0.0.1.evil.example:30001', 'svc.evil.example', '@']) {
      const { status, text } = await get(host);
      assert.equal(status, 421, host);
      assert.match(text, /ALLOWED_HOSTS/);
      assert.equal((await get(host, '/healthz')).status, 200);
      assert.equal((await get(host, '/pictures/1')).status, 421);
    }
  });
});
