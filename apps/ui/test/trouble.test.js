import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { PNG } from './samples.js';
import { startApi } from './stand-in-api.js';
import { startUi } from './start.js';

/** @type {import('./stand-in-api.js').StandInApi} */
let api;
/** @type {Awaited<ReturnType<typeof startUi>>} */
let ui;

before(async () => {
  api = await startApi();
  ui = await startUi(api.url, { apiTimeoutMs: 300 });
});
after(() => Promise.all([api.stop(), ui.stop()]));
beforeEach(() => api.reset());

describe('when the API', () => {
  test('is away: a friendly page, health tells, and all is well when it is back', async () => {
    const { id } = api.add({ name: 'Cup' });
    assert.equal((await ui.get('/')).status, 200);
    assert.equal((await ui.get('/readyz')).status, 200);
    const { port } = api;
    await api.stop();
    for (const path of ['/?q=cup&page=2', `/products/${id}`, `/products/${id}/edit`]) {
      const { status, headers, text } = await ui.get(path);
      assert.equal(status, 503, path);
      assert.match(headers.get('retry-after') ?? '', /^\d+$/);
      assert.match(text, /not available at the moment/);
      assert.ok(text.includes(`href="${path.replaceAll('&', '&amp;')}">Try again</a>`), text);
    }
    assert.equal((await ui.get(`/pictures/${id}`)).status, 503);
    assert.equal((await ui.post(`/products/${id}/delete`)).status, 503);
    assert.equal((await ui.get('/readyz')).status, 503);
    assert.equal((await ui.get('/healthz')).status, 200);
    assert.equal((await ui.get('/products/new')).status, 200);

    api = await startApi(port);
    api.add({ name: 'Kettle' });
    const back = await ui.get('/');
    assert.equal(back.status, 200);
    assert.match(back.text, /Kettle/);
    assert.equal((await ui.get('/readyz')).status, 200);
  });

  test('says 503: its Retry-After is passed on', async () => {
    api.store.refusal = { status: 503, headers: { 'retry-after': '42' } };
    const { status, headers, text } = await ui.get('/');
    assert.equal(status, 503);
    assert.equal(headers.get('retry-after'), '42');
    assert.match(text, />Try again<\/a>/);
  });

  test('is slow: a page says so in time', async () => {
    api.store.delayMs = 2000;
    const start = performance.now();
    const { status, text } = await ui.get('/');
    assert.equal(status, 503);
    assert.match(text, /took too long/);
    assert.ok(performance.now() - start < 1500);
    const added = await ui.post('/products', { name: 'Cup', price: '1', stock: '1' });
    assert.equal(added.status, 503);
    assert.match(added.text, /look in the list whether the change was made/);
    assert.match(added.text, /value="Cup"/);
  });

  test('breaks: the page admits it without giving anything away', async () => {
    api.store.refusal = { status: 500, detail: 'secret stack' };
    const { status, text } = await ui.get('/');
    assert.equal(status, 502);
    assert.match(text, /problem of its own/);
    assert.doesNotMatch(text, /secret/);
  });

  test('stops in the middle of a picture: the browser can tell', async () => {
    const { id } = api.add({ name: 'Cup' });
    api.addPicture(id, Buffer.concat(Array.from({ length: 50 }, () => PNG)));
    api.store.pictureChunks = 5;
    const { port } = api;
    const response = await fetch(`${ui.url}/pictures/${id}`);
    await api.stop();
    await assert.rejects(response.arrayBuffer());
    api = await startApi(port);
    assert.equal((await ui.get('/')).status, 200);
  });
});

test('every request gives one line of log, without what people searched for', async () => {
  ui.logged.length = 0;
  await ui.get('/?q=private');
  await ui.get('/healthz');
  const lines = ui.logged.filter(({ msg }) => msg === 'request');
  assert.equal(lines.length, 1);
  assert.deepEqual({ ...lines[0], ms: 0 },
    { level: 'info', msg: 'request', method: 'GET', path: '/', status: 200, ms: 0 });
});
