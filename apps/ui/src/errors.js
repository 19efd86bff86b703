import { ApiRefused, ApiUnavailable } from './api.js';
import { FormError } from './form.js';

const HOME = { href: '/', text: 'To the products' };

const UNAVAILABLE = {
  away: 'The product service is not available at the moment. It usually is back shortly.',
  slow: 'The product service took too long to answer. It may be busy at the moment.',
  broken: 'The product service had a problem of its own. Trying again may help.',
  busy: 'Too many people are here at the moment, so this was not carried out. Please try again shortly.',
};

/**
 * @param {import('express').Request} req
 * @param {import('express').Response} res
 */
export function notFound(req, res) {
  res.status(404).render('error.njk', {
    title: 'Page not found',
    message: 'There is nothing at this address. The product may have been deleted.',
    link: HOME,
  });
}

/**
 * @param {import('./log.js').Log} log
 * @returns {import('express').ErrorRequestHandler}
 */
export function errorPage(log) {
  return (error, req, res, next) => {
    if (error instanceof ApiUnavailable) logUnavailable(log, error);
    else if (statusOf(error) >= 500) log('error', 'request failed', { error: String(error?.stack ?? error) });
    if (res.headersSent) return next(error);
    if (error instanceof ApiUnavailable) return unavailable(error, req, res);
    if (error instanceof ApiRefused && error.status === 404) return notFound(req, res);
    return failed(error, res);
  };
}

/**
 * @param {unknown} error
 * @param {import('express').Response} res
 */
function failed(error, res) {
  const status = statusOf(error);
  // The rest of what is too large is not waited for.
  if (status === 413) res.set('Connection', 'close');
  res.status(status).render('error.njk', {
    title: status >= 500 ? 'Something went wrong' : 'This did not work',
    message: messageOf(error),
    link: HOME,
  });
}

/**
 * @param {import('./log.js').Log} log
 * @param {ApiUnavailable} error
 */
export function logUnavailable(log, error) {
  const cause = /** @type {any} */ (error.cause);
  log('warn', error.message, { cause: cause?.cause?.code ?? cause?.cause?.message ?? cause?.message ?? cause });
}

/** @param {ApiUnavailable} error */
export function unavailableStatus(error) {
  return error.kind === 'broken' ? 502 : 503;
}

/**
 * @param {ApiUnavailable} error
 * @param {import('express').Request} req
 * @param {import('express').Response} res
 */
function unavailable(error, req, res) {
  res.set('Retry-After', String(error.retryAfter));
  res.status(unavailableStatus(error)).render('error.njk', {
    title: 'Please try again in a moment',
    message: UNAVAILABLE[error.kind],
    link: { href: retryAddress(req), text: 'Try again' },
  });
}

/** @param {import('express').Request} req */
function retryAddress(req) {
  if (req.method !== 'GET') return '/';
  // "//host/" at the start would lead to another web site.
  return req.originalUrl.replace(/^\/+/, '/');
}

/** @param {any} error */
function statusOf(error) {
  if (error instanceof FormError) return error.status;
  if (error instanceof ApiRefused) return 400;
  return error?.status >= 400 && error?.status < 500 ? error.status : 500;
}

/** @param {any} error */
function messageOf(error) {
  if (error instanceof FormError) return error.message;
  if (error instanceof ApiRefused && typeof error.detail === 'string') return error.detail;
  return statusOf(error) >= 500
    ? 'This page could not be made. The mistake is on our side and was noted.'
    : 'The request could not be understood.';
}
