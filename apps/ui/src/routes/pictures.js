import { pipeline } from 'node:stream/promises';
import { Router } from 'express';
import { ApiUnavailable } from '../api.js';
import { logUnavailable } from '../errors.js';
import { PRODUCT_ID } from './ids.js';

const PASSED_ON = ['content-type', 'content-encoding', 'etag', 'last-modified'];

/**
 * Pictures go through this server, so that browsers need no address but its own.
 * @param {import('../api.js').Api} api
 * @param {import('../log.js').Log} log
 */
export function pictureRoutes(api, log) {
  const router = Router();
  router.get('/pictures/:id', async (req, res, next) => {
    if (!PRODUCT_ID.test(req.params.id)) return next();
    try {
      await sendPicture(api, req, res);
    } catch (error) {
      if (!(error instanceof ApiUnavailable)) throw error;
      logUnavailable(log, error);
      res.set('Retry-After', String(error.retryAfter));
      sayInWords(res, 503, 'The picture is not available at the moment.');
    }
  });
  return router;
}

/**
 * @param {import('../api.js').Api} api
 * @param {import('express').Request} req
 * @param {import('express').Response} res
 */
async function sendPicture(api, req, res) {
  const answer = await api.openPicture(String(req.params.id), requestHeaders(req));
  const status = Number(answer.statusCode);
  if (status === 200 && isPicture(answer)) return stream(answer, req, res);
  answer.destroy();
  if (status === 304) return res.status(304).set(answerHeaders(answer)).end();
  if (status >= 500) throw new ApiUnavailable('away', { cause: `status ${status}` });
  return sayInWords(res, 404, 'There is no such picture.');
}

/** @param {import('node:http').IncomingMessage} answer */
function isPicture(answer) {
  return /^image\//.test(answer.headers['content-type'] ?? '');
}

/** @param {import('express').Request} req */
function requestHeaders(req) {
  const known = req.get('if-none-match');
  return { accept: 'image/*', 'accept-encoding': 'identity', ...(known && { 'if-none-match': known }) };
}

/** @param {import('node:http').IncomingMessage} answer */
function answerHeaders(answer) {
  /** @type {Record<string, string>} */
  const headers = {
    // Asked for again each time, as pictures can be replaced; mostly that gives a short 304.
    'Cache-Control': 'no-cache',
    // An SVG is a document when opened by itself: it must not run anything here.
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
  };
  for (const name of PASSED_ON) {
    const value = answer.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  const length = answer.headers['content-length'];
  if (length && answer.statusCode === 200) headers['content-length'] = length;
  return headers;
}

/**
 * @param {import('node:http').IncomingMessage} answer
 * @param {import('express').Request} req
 * @param {import('express').Response} res
 */
async function stream(answer, req, res) {
  res.set(answerHeaders(answer));
  if (req.method === 'HEAD') {
    answer.destroy();
    return res.end();
  }
  try {
    return await pipeline(answer, res);
  } catch {
    // The head has been sent, so pipeline() cut the connection: that tells the browser.
    return undefined;
  }
}

/**
 * @param {import('express').Response} res
 * @param {number} status
 * @param {string} words
 */
function sayInWords(res, status, words) {
  res.status(status).type('text/plain').send(`${words}\n`);
}
