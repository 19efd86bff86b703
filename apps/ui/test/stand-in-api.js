import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const MAX_PICTURE_BYTES = 5 * 1024 * 1024;
const TYPES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];

/**
 * The API's HTTP contract, in memory, on a real port.
 * @typedef {Awaited<ReturnType<typeof startApi>>} StandInApi
 */
export async function startApi(port = 0) {
  const store = {
    /** @type {Map<number, any>} */ products: new Map(),
    /** @type {Map<number, { type: string, data: Buffer, etag: string }>} */ pictures: new Map(),
    /** @type {string[]} */ requests: [],
    delayMs: 0,
    /** @type {{ status: number, headers?: Record<string, string>, detail?: unknown } | null} */ refusal: null,
    /** @type {{ status: number, detail: unknown } | null} */ pictureRefusal: null,
    pictureChunks: 0,
    nextId: 1,
  };
  const server = createServer((req, res) => {
    answer(store, req, res).catch(() => res.destroy());
  });
  await new Promise((resolve) => { server.listen(port, '127.0.0.1', () => resolve(undefined)); });
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    store,
    port: address.port,
    url: `http://127.0.0.1:${address.port}`,
    /** @param {Record<string, unknown>} fields */
    add: (fields) => insert(store, { description: '', price: '1.00', stock: 0, ...fields }),
    /** @param {number} id @param {Buffer} data @param {string} [type] */
    addPicture: (id, data, type = 'image/png') => setPicture(store, id, data, type),
    reset() {
      store.products.clear();
      store.pictures.clear();
      store.requests.length = 0;
      Object.assign(store, { delayMs: 0, refusal: null, pictureRefusal: null, pictureChunks: 0 });
    },
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => { server.close(resolve); });
    },
  };
}

/** @param {any} store @param {import('node:http').IncomingMessage} req @param {import('node:http').ServerResponse} res */
async function answer(store, req, res) {
  const url = new URL(String(req.url), 'http://api');
  const body = await readAll(req);
  store.requests.push(`${req.method} ${req.url}`);
  if (url.pathname === '/healthz' || url.pathname === '/readyz') return json(res, 200, { status: 'ok' });
  await sleep(store.delayMs);
  if (store.refusal) return json(res, store.refusal.status, { detail: store.refusal.detail }, store.refusal.headers);
  const [, , id, picture] = url.pathname.split('/');
  if (picture) return pictureRoute(store, req, res, Number(id), body);
  if (id) return productRoute(store, req, res, Number(id), body);
  if (req.method === 'GET') return json(res, 200, list(store, url.searchParams));
  return write(store, res, body, (fields) => {
    const product = insert(store, fields);
    return json(res, 201, view(store, product), { location: `/products/${product.id}` });
  });
}

/** @param {any} store @param {any} req @param {any} res @param {number} id @param {Buffer} body */
function productRoute(store, req, res, id, body) {
  if (!store.products.has(id)) return json(res, 404, { detail: 'no such product' });
  if (req.method === 'GET') return json(res, 200, view(store, store.products.get(id)));
  if (req.method === 'DELETE') {
    store.products.delete(id);
    store.pictures.delete(id);
    return res.writeHead(204).end();
  }
  return write(store, res, body, (fields) => {
    store.products.set(id, { id, ...fields });
    return json(res, 200, view(store, store.products.get(id)));
  });
}

/** @param {any} store @param {any} req @param {any} res @param {number} id @param {Buffer} body */
async function pictureRoute(store, req, res, id, body) {
  if (!store.products.has(id)) return json(res, 404, { detail: 'no such product' });
  if (req.method === 'PUT') return putPicture(store, req, res, id, body);
  const picture = store.pictures.get(id);
  if (!picture) return json(res, 404, { detail: 'no picture' });
  if (req.method === 'DELETE') {
    store.pictures.delete(id);
    return res.writeHead(204).end();
  }
  if (req.headers['if-none-match'] === picture.etag) return res.writeHead(304, { etag: picture.etag }).end();
  res.writeHead(200, { 'content-type': picture.type, 'content-length': picture.data.length, etag: picture.etag });
  if (!store.pictureChunks) return res.end(picture.data);
  const size = Math.ceil(picture.data.length / store.pictureChunks);
  for (let at = 0; at < picture.data.length; at += size) {
    await sleep(100);
    res.write(picture.data.subarray(at, at + size));
  }
  return res.end();
}

/** @param {any} store @param {any} req @param {any} res @param {number} id @param {Buffer} body */
function putPicture(store, req, res, id, body) {
  if (store.pictureRefusal) return json(res, store.pictureRefusal.status, { detail: store.pictureRefusal.detail });
  const type = req.headers['content-type'] ?? '';
  if (!TYPES.includes(type)) return json(res, 415, { detail: 'not a supported picture type' });
  if (body.length > MAX_PICTURE_BYTES) return json(res, 413, { detail: 'picture too large' });
  setPicture(store, id, body, type);
  return res.writeHead(204).end();
}

/** @param {any} store @param {any} res @param {Buffer} body @param {(fields: any) => void} done */
function write(store, res, body, done) {
  const fields = { description: '', stock: 0, ...JSON.parse(body.toString()) };
  const errors = complaints(fields);
  return errors.length > 0 ? json(res, 422, { detail: errors }) : done(fields);
}

/** @param {any} fields */
function complaints(fields) {
  /** @param {string} name @param {string} msg */
  const error = (name, msg) => ({ loc: ['body', name], msg, type: 'value_error' });
  return [
    fields.name ? null : error('name', 'String should have at least 1 character'),
    /^\d+(\.\d{1,2})?$/.test(fields.price) ? null : error('price', 'Input should be a valid decimal'),
    Number.isInteger(fields.stock) && fields.stock >= 0 ? null : error('stock', 'Input should be a valid integer'),
  ].filter(Boolean);
}

/** @param {any} store @param {any} fields */
function insert(store, fields) {
  const product = { ...fields, id: store.nextId };
  store.nextId += 1;
  store.products.set(product.id, product);
  return product;
}

/** @param {any} store @param {number} id @param {Buffer} data @param {string} type */
function setPicture(store, id, data, type) {
  const etag = `"${createHash('sha256').update(data).digest('hex').slice(0, 16)}"`;
  store.pictures.set(id, { type, data, etag });
}

/** @param {any} store @param {any} product */
function view(store, product) {
  return {
    ...product,
    price: Number(product.price).toFixed(2),
    picture_url: store.pictures.has(product.id) ? `/products/${product.id}/picture` : null,
  };
}

/** @param {any} store @param {URLSearchParams} query */
function list(store, query) {
  const q = (query.get('q') ?? '').toLowerCase();
  const page = Number(query.get('page') ?? 1);
  const size = Number(query.get('size') ?? 12);
  const found = [...store.products.values()].filter((product) => product.name.toLowerCase().includes(q));
  return {
    items: found.slice((page - 1) * size, page * size).map((product) => view(store, product)),
    total: found.length,
    page,
    size,
    pages: Math.ceil(found.length / size),
  };
}

/** @param {import('node:http').IncomingMessage} req */
async function readAll(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** @param {any} res @param {number} status @param {unknown} body @param {Record<string, string>} [headers] */
function json(res, status, body, headers = {}) {
  res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}
