import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { PNG, XSS } from './samples.js';
import { startApi } from './stand-in-api.js';
import { startUi } from './start.js';

/** @type {import('./stand-in-api.js').StandInApi} */
let api;
/** @type {Awaited<ReturnType<typeof startUi>>} */
let ui;

before(async () => {
  api = await startApi();
  ui = await startUi(api.url);
});
after(() => Promise.all([api.stop(), ui.stop()]));
beforeEach(() => api.reset());

/** @param {string} html */
function cardNames(html) {
  const cards = html.match(/<article class="product" data-id="\d+">.*?<\/article>/gs) ?? [];
  return cards.map((card) => /<h2><a [^>]*>(.*?)<\/a><\/h2>/s.exec(card)?.[1]);
}

describe('list', () => {
  test('shows products as cards with price and stock', async () => {
    const teapot = api.add({ name: 'Teapot', price: '12.5', stock: 40 });
    const mug = api.add({ name: 'Mug', price: '3', stock: 0 });
    const { status, text } = await ui.get('/');
    assert.equal(status, 200);
    assert.match(text, /<html lang="en">/);
    assert.match(text, /<title>Products<\/title>/);
    assert.deepEqual(cardNames(text), ['Teapot', 'Mug']);
    assert.ok(text.includes(`<article class="product" data-id="${teapot.id}">`));
    assert.ok(text.includes(`action="/products/${mug.id}/delete"`));
    assert.match(text, /12\.50.*40 in stock.*3\.00.*Out of stock/s);
    assert.match(text, /2 products/);
  });

  test('pages with links that keep the search', async () => {
    for (let n = 1; n <= 30; n += 1) api.add({ name: `Cup & saucer ${n}` });
    api.add({ name: 'Kettle' });
    const first = await ui.get('/?q=cup+%26');
    assert.equal(cardNames(first.text).length, 12);
    assert.equal(cardNames(first.text)[0], 'Cup &amp; saucer 1');
    assert.match(first.text, /30 matches for “cup &amp;”/);
    assert.doesNotMatch(first.text, /rel="prev"/);
    const next = /rel="next" href="([^"]*)"/.exec(first.text)?.[1].replaceAll('&amp;', '&') ?? '';
    assert.equal(next, '/?q=cup+%26&page=2');
    const second = await ui.get(next);
    assert.equal(cardNames(second.text)[0], 'Cup &amp; saucer 13');
    assert.match(second.text, /aria-label="Page 2" aria-current="page"/);
    const third = await ui.get('/?q=cup&page=3');
    assert.equal(cardNames(third.text).length, 6);
    assert.doesNotMatch(third.text, /rel="next"/);
  });

  test('leads from a page that is gone to the last one', async () => {
    for (let n = 1; n <= 13; n += 1) api.add({ name: `Cup ${n}` });
    const { status, headers } = await ui.get('/?q=cup&page=9');
    assert.equal(status, 302);
    assert.equal(headers.get('location'), '/?q=cup&page=2');
  });

  test('takes nonsense in the address for the first page', async () => {
    api.add({ name: 'Cup' });
    for (const query of ['page=abc', 'page=-1', 'page=0', 'page=1&page=2', 'q=a&q=b', 'page=1e9']) {
      const { status, text } = await ui.get(`/?${query}`);
      assert.equal(status, 200, query);
      assert.deepEqual(cardNames(text), ['Cup'], query);
    }
  });

  test('searches, and escapes what was searched for', async () => {
    api.add({ name: 'Cup' });
    api.add({ name: 'Kettle' });
    assert.deepEqual(cardNames((await ui.get('/?q=kett')).text), ['Kettle']);
    const { text } = await ui.get(`/?q=${encodeURIComponent(XSS)}`);
    assert.match(text, /Nothing found/);
    assert.ok(text.includes('value="&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;'));
    assert.doesNotMatch(text, /<script>|<img src=x/);
  });

  test("tells the API's reason for refusing a search", async () => {
    api.store.refusal = { status: 422, detail: [{ loc: ['query', 'q'], msg: 'String is too long', type: 'x' }] };
    const { status, text } = await ui.get('/?q=long');
    assert.equal(status, 400);
    assert.match(text, /role="alert">String is too long\./);
    assert.match(text, /value="long"/);
  });

  test('invites to add the first product', async () => {
    const { text } = await ui.get('/');
    assert.match(text, /No products yet/);
    assert.match(text, /href="\/products\/new">Add the first one/);
  });

  test('shows only known flash messages', async () => {
    assert.match((await ui.get('/?flash=deleted')).text, /role="status">The product was deleted\./);
    for (const code of [XSS, 'constructor', 'toString']) {
      const { text } = await ui.get(`/?flash=${encodeURIComponent(code)}`);
      assert.doesNotMatch(text, /class="flash|<script>|<img src=x/);
    }
  });
});

describe('product', () => {
  test('has a page of its own, with everything escaped', async () => {
    const { id } = api.add({ name: XSS, description: XSS, price: '7', stock: 3 });
    for (const path of ['/', `/products/${id}`, `/products/${id}/edit`]) {
      const { status, text } = await ui.get(path);
      assert.equal(status, 200);
      assert.ok(text.includes('&lt;script&gt;alert(1)&lt;/script&gt;'), path);
      assert.doesNotMatch(text, /<script>|<img src=x/, path);
    }
    assert.match((await ui.get(`/products/${id}`)).text, /Only 3 left/);
  });

  test('keeps line breaks of the description', async () => {
    const { id } = api.add({ name: 'Cup', description: '\nfirst\nsecond' });
    const { text } = await ui.get(`/products/${id}/edit`);
    assert.match(text, /<textarea[^>]*>\n\nfirst\nsecond<\/textarea>/);
  });

  test('that does not exist gives the 404 page', async () => {
    for (const path of ['/products/77', '/products/77/edit', '/products/abc', '/products/0', '/products/1e3',
      '/products/99999999999999999999', '/nowhere', '/products', '/static/none.css', '/static/../src/app.js']) {
      const { status, text, headers } = await ui.get(path);
      assert.equal(status, 404, path);
      assert.match(headers.get('content-type') ?? '', /text\/html/);
      assert.match(text, /Page not found/, path);
    }
    assert.equal((await ui.get('/products/%E0%A4%A')).status, 400);
  });

  test('shows its picture, or a drawing instead', async () => {
    const without = api.add({ name: 'Plain' });
    const pictured = api.add({ name: 'Pictured' });
    api.addPicture(pictured.id, PNG);
    const { text } = await ui.get('/');
    assert.ok(text.includes(`src="/pictures/${pictured.id}" alt="Picture of Pictured"`));
    assert.ok(!text.includes(`/pictures/${without.id}"`));
    const drawing = /src="(\/static\/placeholder\.svg[^"]*)" alt="No picture"/.exec(text)?.[1] ?? '';
    const { status, headers } = await ui.get(drawing);
    assert.equal(status, 200);
    assert.match(headers.get('content-type') ?? '', /image\/svg\+xml/);
  });
});

describe('pictures', () => {
  test('come through this server, with ETag and type', async () => {
    const { id } = api.add({ name: 'Cup' });
    api.addPicture(id, PNG);
    const response = await fetch(`${ui.url}/pictures/${id}`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'image/png');
    assert.equal(response.headers.get('content-length'), String(PNG.length));
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    assert.match(response.headers.get('content-security-policy') ?? '', /^default-src 'none'.*sandbox/);
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), PNG);

    const etag = response.headers.get('etag') ?? '';
    const again = await ui.get(`/pictures/${id}`, { headers: { 'if-none-match': etag } });
    assert.equal(again.status, 304);
    assert.equal(again.headers.get('etag'), etag);
    const changed = await ui.get(`/pictures/${id}`, { headers: { 'if-none-match': '"other"' } });
    assert.equal(changed.status, 200);
    const head = await ui.get(`/pictures/${id}`, { method: 'HEAD' });
    assert.equal(head.headers.get('content-type'), 'image/png');
  });

  test('that are missing, or no pictures, give 404', async () => {
    const { id } = api.add({ name: 'Cup' });
    assert.equal((await ui.get(`/pictures/${id}`)).status, 404);
    assert.equal((await ui.get('/pictures/abc')).status, 404);
    api.addPicture(id, Buffer.from('<script>alert(1)</script>'), 'text/html');
    const { status, text } = await ui.get(`/pictures/${id}`);
    assert.equal(status, 404);
    assert.doesNotMatch(text, /<script>/);
  });

  test('may take longer than the API call limit once they have begun', async () => {
    const patient = await startUi(api.url, { apiTimeoutMs: 250 });
    const { id } = api.add({ name: 'Cup' });
    const data = Buffer.alloc(1000, 7);
    api.addPicture(id, data);
    api.store.pictureChunks = 6;
    const response = await fetch(`${patient.url}/pictures/${id}`);
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), data);
    await patient.stop();
  });

  test('come from IMAGE_URL when that is set, and the policy allows it', async () => {
    const direct = await startUi(api.url, { imageUrl: 'http://192.0.2.7:31000/api' });
    const { id } = api.add({ name: 'Cup' });
    api.addPicture(id, PNG);
    for (const path of ['/', `/products/${id}`, `/products/${id}/edit`]) {
      const { text, headers } = await direct.get(path);
      assert.ok(text.includes(`src="http://192.0.2.7:31000/api/products/${id}/picture"`), path);
      assert.equal(headers.get('content-security-policy'), "default-src 'self';base-uri 'none';"
        + "form-action 'self';frame-ancestors 'none';img-src 'self' blob: http://192.0.2.7:31000;"
        + "object-src 'none';script-src 'self';style-src 'self'");
    }
    await direct.stop();
  });
});

describe('safety', () => {
  test('every page has the strict policy, and needs nothing it forbids', async () => {
    const { id } = api.add({ name: 'Cup' });
    for (const path of ['/', '/products/new', `/products/${id}`, `/products/${id}/edit`, '/nowhere']) {
      const { text, headers } = await ui.get(path);
      assert.equal(headers.get('content-security-policy'), "default-src 'self';base-uri 'none';"
        + "form-action 'self';frame-ancestors 'none';img-src 'self' blob:;object-src 'none';"
        + "script-src 'self';style-src 'self'");
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('referrer-policy'), 'same-origin');
      assert.equal(headers.get('x-powered-by'), null);
      assert.doesNotMatch(text, /<style|\sstyle=|\son\w+=|<script(?! src="\/static\/)/);
      for (const [, address] of text.matchAll(/(?:src|href)="(\/static\/[^"]+)"/g)) {
        assert.equal((await ui.get(address)).status, 200, address);
      }
    }
  });

  test('every form field has a label', async () => {
    const { id } = api.add({ name: 'Cup' });
    api.addPicture(id, PNG);
    for (const path of ['/', '/products/new', `/products/${id}/edit`]) {
      const { text } = await ui.get(path);
      const fields = [...text.matchAll(/<(?:input|textarea) id="(\w+)" name="(\w+)"/g)];
      assert.equal(fields.length, (text.match(/<(input|textarea)\b/g) ?? []).length);
      for (const [, name] of fields) assert.ok(text.includes(` for="${name}"`), `${path} ${name}`);
    }
  });
});
