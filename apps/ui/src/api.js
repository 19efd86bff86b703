import http from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';

/**
 * @typedef {object} Product
 * @property {number} id
 * @property {string} name
 * @property {string} description
 * @property {string} price
 * @property {number} stock
 * @property {string | null} picture_url
 *
 * @typedef {object} ProductPage
 * @property {Product[]} items
 * @property {number} total
 * @property {number} page
 * @property {number} size
 * @property {number} pages
 *
 * @typedef {object} Picture
 * @property {import('node:fs/promises').FileHandle} file
 * @property {string} type
 *
 * @typedef {ReturnType<typeof createApi>} Api
 */

const PAGE_SIZE = 12;
const TIMEOUT_MS = 5000;
const READY_TIMEOUT_MS = 2000;
const MAX_CALLS = 32;
const AWAY_STATUSES = [502, 503, 504];

/** The API could not be asked, or did not answer in a usable way. */
export class ApiUnavailable extends Error {
  /**
   * @param {'away' | 'slow' | 'broken' | 'busy'} kind
   * @param {{ retryAfter?: number, cause?: unknown }} [more]
   */
  constructor(kind, { retryAfter = 5, cause } = {}) {
    super(`API is ${kind}`, { cause });
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

/** The API answered, and said no. */
export class ApiRefused extends Error {
  /**
   * @param {number} status
   * @param {unknown} detail
   */
  constructor(status, detail) {
    super(`API answered ${status}`);
    this.status = status;
    this.detail = detail;
  }
}

/**
 * @param {string} baseUrl
 * @param {{ timeoutMs?: number }} [options]
 */
export function createApi(baseUrl, { timeoutMs = TIMEOUT_MS } = {}) {
  let underWay = 0;

  /**
   * @template T
   * @param {() => Promise<T>} ask
   * @returns {Promise<T>}
   */
  async function limited(ask) {
    if (underWay >= MAX_CALLS) throw new ApiUnavailable('busy');
    underWay += 1;
    return ask().finally(() => { underWay -= 1; });
  }

  /**
   * @param {string} path
   * @param {RequestInit} [init]
   * @returns {Promise<any>}
   */
  async function call(path, init = {}) {
    return limited(async () => {
      const signal = AbortSignal.timeout(timeoutMs);
      return readAnswer(await request(baseUrl + path, { ...init, signal }));
    });
  }

  /**
   * @param {string} path
   * @param {'POST' | 'PUT'} method
   * @param {unknown} body
   */
  function send(path, method, body) {
    const headers = { 'content-type': 'application/json' };
    return call(path, { method, headers, body: JSON.stringify(body) });
  }

  return {
    /**
     * @param {string} q
     * @param {number} page
     * @returns {Promise<ProductPage>}
     */
    list(q, page) {
      const query = new URLSearchParams({ q, page: String(page), size: String(PAGE_SIZE) });
      return call(`/products?${query}`);
    },
    /** @param {string} id @returns {Promise<Product>} */
    get: (id) => call(`/products/${id}`),
    /** @param {object} fields @returns {Promise<Product>} */
    create: (fields) => send('/products', 'POST', fields),
    /** @param {string} id @param {object} fields @returns {Promise<Product>} */
    replace: (id, fields) => send(`/products/${id}`, 'PUT', fields),
    /** @param {string} id @returns {Promise<void>} */
    remove: (id) => call(`/products/${id}`, { method: 'DELETE' }),
    /** @param {string | number} id @param {Picture} picture @returns {Promise<void>} */
    putPicture: (id, picture) => call(`/products/${id}/picture`, /** @type {any} */ ({
      method: 'PUT',
      headers: { 'content-type': picture.type },
      body: Readable.toWeb(picture.file.createReadStream({ start: 0 })),
      duplex: 'half',
    })),
    /** @param {string | number} id @returns {Promise<void>} */
    removePicture: (id) => call(`/products/${id}/picture`, { method: 'DELETE' }),
    /** @param {string} id @param {Record<string, string>} headers */
    openPicture: (id, headers) => limited(() => open(`${baseUrl}/products/${id}/picture`, headers, timeoutMs)),
    isReady: () => isReady(baseUrl),
  };
}

/**
 * The time limit covers the wait for the head only: how long the body takes depends on the
 * browser's line. Not fetch(): that holds more of what a browser does not take.
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {number} timeoutMs
 * @returns {Promise<import('node:http').IncomingMessage>}
 */
function open(url, headers, timeoutMs) {
  const { get } = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    const asked = get(url, { headers, agent: false }, resolve);
    const tooSlow = () => asked.destroy(new DOMException('too slow', 'TimeoutError'));
    const timer = setTimeout(tooSlow, timeoutMs);
    asked.once('response', () => clearTimeout(timer));
    asked.once('error', (error) => {
      clearTimeout(timer);
      reject(asUnavailable(error));
    });
  });
}

/** @param {string} baseUrl */
async function isReady(baseUrl) {
  const probes = ['/readyz', '/healthz'].map(async (path) => {
    const response = await fetch(baseUrl + path, { signal: AbortSignal.timeout(READY_TIMEOUT_MS) });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  });
  return Promise.any(probes).then(() => true, () => false);
}

/**
 * @param {string} url
 * @param {RequestInit} init
 * @returns {Promise<Response>}
 */
async function request(url, init) {
  const options = { ...init, redirect: /** @type {const} */ ('error') };
  try {
    return await fetch(url, options);
  } catch (error) {
    const failure = asUnavailable(error);
    // A kept-alive connection may have died with an API pod: reads are safe to ask again.
    if (failure.kind === 'slow' || (init.method ?? 'GET') !== 'GET') throw failure;
  }
  return fetch(url, options).catch((error) => Promise.reject(asUnavailable(error)));
}

/** @param {any} error */
function asUnavailable(error) {
  return new ApiUnavailable(error?.name === 'TimeoutError' ? 'slow' : 'away', { cause: error });
}

/** @param {Response} response */
async function readAnswer(response) {
  const text = await response.text().catch((error) => Promise.reject(asUnavailable(error)));
  if (AWAY_STATUSES.includes(response.status)) {
    throw new ApiUnavailable('away', { retryAfter: retryAfter(response) });
  }
  if (response.status >= 500) throw new ApiUnavailable('broken', { cause: `status ${response.status}` });
  if (!response.ok) throw new ApiRefused(response.status, parse(text)?.detail);
  if (response.status === 204) return undefined;
  const answer = parse(text);
  if (answer === undefined) throw new ApiUnavailable('broken', { cause: 'answer is not JSON' });
  return answer;
}

/** @param {Response} response */
function retryAfter(response) {
  const value = response.headers.get('retry-after') ?? '';
  return /^\d{1,4}$/.test(value) ? Number(value) : undefined;
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
