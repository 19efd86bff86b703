import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { startApi } from './stand-in-api.js';
import { spawnUi } from './start.js';

/** @type {import('./stand-in-api.js').StandInApi} */
let api;
before(async () => { api = await startApi(); });
after(() => api.stop());

/** @param {number} ms */
const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

describe('the server process', { concurrency: true }, () => {
  describe('SIGTERM', { concurrency: true }, () => {
    test('lets requests in flight finish, then ends with 0', async () => {
      const ui = spawnUi({ API_URL: api.url, PORT: '0' });
      const url = `http://127.0.0.1:${await ui.port()}`;
      assert.equal((await fetch(`${url}/readyz`)).status, 200);
      api.add({ name: 'Teapot' });
      api.store.delayMs = 3000;
      const inFlight = fetch(url).then(async (response) => ({ status: response.status, text: await response.text() }));
      await sleep(300);
      const start = performance.now();
      ui.child.kill('SIGTERM');
      await sleep(200);

      const ready = await fetch(`${url}/readyz`);
      assert.equal(ready.status, 503);
      assert.equal(ready.headers.get('connection'), 'close');
      await sleep(1800);
      await assert.rejects(fetch(`${url}/healthz`));

      const { status, text } = await inFlight;
      assert.equal(status, 200);
      assert.match(text, /Teapot/);
      const { code, logged } = await ui.ended;
      assert.equal(code, 0);
      assert.ok(performance.now() - start < 5000);
      assert.deepEqual(logged.filter(({ msg }) => msg !== 'request').map(({ msg }) => msg),
        ['listening', 'draining', 'stopped']);
      api.store.delayMs = 0;
    });

    test('ends within 8 seconds, whatever a browser does', async () => {
      const ui = spawnUi({ API_URL: api.url, PORT: '0' });
      const socket = connect(await ui.port(), '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.write('POST /products HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n'
        + 'content-type: application/x-www-form-urlencoded\r\n\r\na');
      await sleep(200);
      const start = performance.now();
      ui.child.kill('SIGTERM');
      const { code } = await ui.ended;
      const took = performance.now() - start;
      assert.equal(code, 0);
      assert.ok(took < 8000, `took ${took} ms`);
      socket.destroy();
    });
  });

  describe('settings', { concurrency: 4 }, () => {
    for (const [name, value, shown, words] of [
      ['PORT', 'abc', '"abc"', /whole number from 1 to 65535/],
      ['PORT', '65536', '"65536"', /whole number from 1 to 65535/],
      ['PORT', '-1', '"-1"', /whole number from 1 to 65535/],
      ['PORT', '80.5', '"80.5"', /whole number from 1 to 65535/],
      ['PORT', '', '""', /whole number from 1 to 65535/],
      ['API_URL', 'api:8000', '"api:8000"', /http:\/\/ or https:\/\//],
      ['API_URL', 'ftp://api', '"ftp://api"', /http:\/\/ or https:\/\//],
      ['API_URL', 'http://api:99999', '"http://api:99999"', /http:\/\/ or https:\/\//],
      ['API_URL', 'http://api/?x=1', '"http://api/?x=1"', /without user name/],
      ['API_URL', 'http://a:secret@api', '"http://***@api"', /without user name/],
      ['ALLOWED_HOSTS', 'shop.example; x', '"shop.example; x"', /commas between/],
      ['IMAGE_URL', "http://a; script-src 'x'", '"http://a; script-src \'x\'"', /http:\/\/ or https:\/\//],
    ]) {
      test(`${name}=${value} is refused in one line`, async () => {
        const { code, stderr, logged } = await spawnUi({ PORT: '0', [String(name)]: String(value) }).ended;
        assert.equal(code, 2);
        assert.equal(stderr.trimEnd().split('\n').length, 1);
        assert.ok(stderr.startsWith(`kubeup-ui: ${name} is ${shown}, but must be `), stderr);
        assert.match(stderr, /** @type {RegExp} */ (words));
        assert.deepEqual(logged, []);
      });
    }

    test('a port that is taken is named', async () => {
      const { code, stderr } = await spawnUi({ API_URL: api.url, PORT: String(api.port) }).ended;
      // The stand-in listens on IPv4 only, the server on every address.
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`^kubeup-ui: cannot listen on PORT ${api.port}: .*EADDRINUSE`));
    });

    test('may end with a slash, and an empty IMAGE_URL means none', async () => {
      const ui = spawnUi({ API_URL: `${api.url}/`, PORT: '0', IMAGE_URL: '' });
      const response = await fetch(`http://127.0.0.1:${await ui.port()}/`);
      assert.equal(response.status, 200);
      assert.ok(response.headers.get('content-security-policy')?.includes("img-src 'self' blob:;"));
      ui.child.kill('SIGKILL');
      await ui.ended;
      assert.ok(api.store.requests.includes('GET /products?q=&page=1&size=12'));
    });
  });
});
