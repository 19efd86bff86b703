import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { file, PNG, XSS } from './samples.js';
import { startApi } from './stand-in-api.js';
import { startUi } from './start.js';

/** @type {import('./stand-in-api.js').StandInApi} */
let api;
/** @type {Awaited<ReturnType<typeof startUi>>} */
let ui;

const CUP = { name: 'Cup', description: 'For tea', price: '2.50', stock: '4' };
const MIB = 1024 * 1024;

before(async () => {
  api = await startApi();
  ui = await startUi(api.url);
});
after(() => Promise.all([api.stop(), ui.stop()]));
beforeEach(() => api.reset());

const stored = () => [...api.store.products.values()];

describe('adding', () => {
  test('a product with a picture, then shows it', async () => {
    const { status, headers } = await ui.post('/products', { ...CUP, picture: file(PNG, 'image/png') });
    assert.equal(status, 303);
    const [cup] = stored();
    assert.equal(headers.get('location'), `/products/${cup.id}?flash=created`);
    assert.deepEqual(cup, { id: cup.id, name: 'Cup', description: 'For tea', price: '2.50', stock: 4 });
    assert.deepEqual(api.store.pictures.get(cup.id)?.data, PNG);
    assert.equal(api.store.pictures.get(cup.id)?.type, 'image/png');
    assert.match((await ui.get(headers.get('location') ?? '')).text, /The product was added\./);
  });

  test('without a picture, as a browser sends an empty file field', async () => {
    const { status } = await ui.post('/products', { ...CUP, picture: file('', 'application/octet-stream', '') });
    assert.equal(status, 303);
    assert.equal(stored().length, 1);
    assert.equal(api.store.pictures.size, 0);
  });

  test('as a plain form, with a decimal comma and spaces', async () => {
    const body = new URLSearchParams({ name: ' Größe ☕ ', description: 'a\r\nb', price: ' 2,5 ', stock: ' 7 ' });
    const { status } = await ui.get('/products', { method: 'POST', body });
    assert.equal(status, 303);
    const [{ name, description, price, stock }] = stored();
    assert.deepEqual({ name, description, price, stock },
      { name: 'Größe ☕', description: 'a\nb', price: '2.5', stock: 7 });
  });

  test("bad input: the form again, with the API's words and what was typed", async () => {
    const typed = { name: '', description: XSS, price: 'cheap"', stock: 'many' };
    const { status, text } = await ui.post('/products', { ...typed, picture: file(PNG, 'image/png') });
    assert.equal(status, 422);
    assert.equal(stored().length, 0);
    assert.match(text, /id="name-error">.*String should have at least 1 character\./);
    assert.match(text, /id="price-error">.*Input should be a valid decimal\./);
    assert.match(text, /id="stock-error">.*Input should be a valid integer\./);
    assert.doesNotMatch(text, /id="description-error"/);
    assert.match(text, /name="price"[^>]* value="cheap&quot;"[^>]* aria-describedby="price-hint price-error" aria-invalid="true"/);
    assert.match(text, /name="stock"[^>]* value="many"/);
    assert.match(text, /&lt;script&gt;alert\(1\)&lt;\/script&gt;[^<]*<\/textarea>/);
    assert.doesNotMatch(text, /<script>|<img src=x/);
    assert.match(text, /choose the picture again/);
    assert.match(text, /<form class="edit" method="post" action="\/products" enctype="multipart\/form-data"/);
  });

  test('a refusal in one sentence is shown above the form, escaped', async () => {
    api.store.refusal = { status: 409, detail: `taken ${XSS}` };
    const { status, text } = await ui.post('/products', CUP);
    assert.equal(status, 409);
    assert.match(text, /role="alert"[^>]*>\s*<p>taken &lt;script&gt;/);
    assert.match(text, /value="Cup"/);
  });

  test('while the API is away keeps what was typed', async () => {
    api.store.refusal = { status: 503, headers: { 'retry-after': '7' }, detail: 'no database' };
    const { status, headers, text } = await ui.post('/products', CUP);
    assert.equal(status, 503);
    assert.equal(headers.get('retry-after'), '7');
    assert.match(text, /nothing was saved/);
    assert.match(text, /value="Cup"/);
    assert.match(text, /For tea<\/textarea>/);
  });
});

describe('editing', () => {
  test('shows what is stored, and saves everything', async () => {
    const { id } = api.add({ name: 'Cup', description: 'Old', price: '1.20', stock: 9 });
    const form = await ui.get(`/products/${id}/edit`);
    assert.match(form.text, /name="name"[^>]* value="Cup"/);
    assert.match(form.text, /Old<\/textarea>/);
    assert.match(form.text, /name="price"[^>]* value="1\.20"/);
    assert.match(form.text, /name="stock"[^>]* value="9"/);
    const { status, headers } = await ui.post(`/products/${id}`, { ...CUP, name: 'Mug' });
    assert.equal(status, 303);
    assert.equal(headers.get('location'), `/products/${id}?flash=updated`);
    assert.deepEqual(stored(), [{ id, name: 'Mug', description: 'For tea', price: '2.50', stock: 4 }]);
  });

  test('keeps, replaces and removes the picture', async () => {
    const { id } = api.add({ name: 'Cup' });
    api.addPicture(id, PNG);
    assert.match((await ui.get(`/products/${id}/edit`)).text, /type="checkbox"/);
    await ui.post(`/products/${id}`, CUP);
    assert.deepEqual(api.store.pictures.get(id)?.data, PNG);

    const other = Buffer.from('GIF89a');
    await ui.post(`/products/${id}`, { ...CUP, remove_picture: '1', picture: file(other, 'image/gif') });
    assert.deepEqual(api.store.pictures.get(id)?.data, other);

    await ui.post(`/products/${id}`, { ...CUP, remove_picture: '1' });
    assert.equal(api.store.pictures.has(id), false);
    assert.doesNotMatch((await ui.get(`/products/${id}/edit`)).text, /type="checkbox"/);
    const again = await ui.post(`/products/${id}`, { ...CUP, remove_picture: '1' });
    assert.equal(again.headers.get('location'), `/products/${id}?flash=updated`);
  });

  test('bad input: the form again, still for this product', async () => {
    const { id } = api.add({ name: 'Cup' });
    api.addPicture(id, PNG);
    const { status, text } = await ui.post(`/products/${id}`, { ...CUP, price: '-' });
    assert.equal(status, 422);
    assert.match(text, /id="price-error"/);
    assert.ok(text.includes(`action="/products/${id}" enctype`));
    assert.ok(text.includes(`src="/pictures/${id}"`));
    assert.equal(stored()[0].price, '1.00');
  });

  test('a product that is gone gives the 404 page', async () => {
    const { status, text } = await ui.post('/products/99', CUP);
    assert.equal(status, 404);
    assert.match(text, /Page not found/);
  });
});

describe('deleting', () => {
  test('removes the product, and says so', async () => {
    const { id } = api.add({ name: 'Cup' });
    const { status, headers } = await ui.post(`/products/${id}/delete`);
    assert.equal(status, 303);
    assert.equal(headers.get('location'), '/?flash=deleted');
    assert.equal(stored().length, 0);
    const again = await ui.post(`/products/${id}/delete`);
    assert.equal(again.headers.get('location'), '/?flash=already-deleted');
  });

  test('does not happen by following a link', async () => {
    const { id } = api.add({ name: 'Cup' });
    assert.equal((await ui.get(`/products/${id}/delete`)).status, 404);
    assert.equal(stored().length, 1);
  });
});

describe('a picture is refused in words when', () => {
  test('it is too large: nothing is saved, and what was typed stays', async () => {
    const { status, text } = await ui.post('/products',
      { ...CUP, picture: file(Buffer.alloc(5 * MIB + 1), 'image/png') });
    assert.equal(status, 413);
    assert.match(text, /id="picture-error">.*It can have up to 5 MiB\./);
    assert.match(text, /value="Cup"/);
    assert.deepEqual(api.store.requests, []);
  });

  test('but exactly 5 MiB are accepted', async () => {
    const { status } = await ui.post('/products', { ...CUP, picture: file(Buffer.alloc(5 * MIB, 1), 'image/png') });
    assert.equal(status, 303);
    assert.equal(api.store.pictures.get(stored()[0].id)?.data.length, 5 * MIB);
  });

  test('it is no picture, or empty', async () => {
    const { id } = api.add({ name: 'Cup' });
    const text = await ui.post(`/products/${id}`, { ...CUP, picture: file('hello', 'text/plain', 'a.txt') });
    assert.equal(text.status, 415);
    assert.match(text.text, /id="picture-error">.*not a picture/);
    const empty = await ui.post(`/products/${id}`, { ...CUP, picture: file('', 'image/png') });
    assert.equal(empty.status, 422);
    assert.match(empty.text, /id="picture-error">.*empty/);
    assert.equal(stored()[0].price, '1.00');
  });

  test('the API does not take it: the product stays, and the form says why', async () => {
    for (const [status, words] of /** @type {const} */ ([
      [413, /it is too large/], [415, /not supported/], [500, /could not be stored just now/]])) {
      api.reset();
      api.store.pictureRefusal = { status, detail: 'no' };
      const { status: answered, headers } = await ui.post('/products',
        { ...CUP, picture: file(PNG, 'image/png') });
      assert.equal(answered, 303);
      const location = headers.get('location') ?? '';
      assert.match(location, /^\/products\/\d+\/edit\?flash=picture-/);
      const { text } = await ui.get(location);
      assert.match(text, words);
      assert.match(text, /role="alert">The product was saved, but its picture was not/);
    }
  });

  test('it goes on far beyond the limit: the rest is not waited for', async () => {
    const answer = await new Promise((resolve, reject) => {
      const req = request(`${ui.url}/products`, {
        method: 'POST',
        headers: { 'content-type': 'multipart/form-data; boundary=x', 'content-length': 500 * MIB },
      }, resolve);
      req.on('error', reject);
      req.write('--x\r\ncontent-disposition: form-data; name="picture"; filename="a.png"\r\n'
        + 'content-type: image/png\r\n\r\n');
      const chunk = Buffer.alloc(MIB);
      for (let sent = 0; sent < 65; sent += 1) req.write(chunk);
    });
    assert.equal(answer.statusCode, 413);
    assert.equal(answer.headers.connection, 'close');
    answer.destroy();
    assert.deepEqual(api.store.requests, []);
  });
});

describe('a form that cannot be read', () => {
  /** @param {string} type @param {string} body */
  const send = (type, body) => ui.get('/products', { method: 'POST', headers: { 'content-type': type }, body });

  test('is refused, and the server lives on', async () => {
    assert.equal((await send('application/json', '{}')).status, 415);
    assert.equal((await send('multipart/form-data', 'x')).status, 400);
    const cut = '--x\r\ncontent-disposition: form-data; name="picture"; filename="a"\r\n'
      + 'content-type: image/png\r\n\r\nabc';
    assert.equal((await send('multipart/form-data; boundary=x', cut)).status, 400);
    const nameless = '--x\r\ncontent-disposition: form-data\r\n\r\nabc\r\n--x--\r\n';
    assert.equal((await send('multipart/form-data; boundary=x', nameless)).status, 422);
    const { status, text } = await ui.post('/products', { ...CUP, description: 'x'.repeat(200 * 1024) });
    assert.equal(status, 413);
    assert.match(text, /far too long/);
    assert.equal(stored().length, 0);
    assert.equal((await ui.get('/')).status, 200);
  });

  test('because the browser went away is dropped', async () => {
    const req = request(`${ui.url}/products`, {
      method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=x', 'content-length': 1000 },
    });
    req.on('error', () => {});
    req.write('--x\r\ncontent-disposition: form-data; name="name"\r\n\r\nCup');
    await new Promise((resolve) => { setTimeout(resolve, 50); });
    req.destroy();
    await new Promise((resolve) => { setTimeout(resolve, 50); });
    assert.equal((await ui.get('/')).status, 200);
    assert.equal(stored().length, 0);
  });
});
