import express from 'express';
import { createApi } from './api.js';
import { errorPage, notFound } from './errors.js';
import { logRequests } from './log.js';
import { healthRoutes } from './routes/health.js';
import { listRoutes } from './routes/list.js';
import { pictureRoutes } from './routes/pictures.js';
import { productRoutes } from './routes/products.js';
import { knownHostsOnly, sameOriginOnly, securityHeaders } from './security.js';
import { installViews, serveStatic } from './views.js';

/**
 * @param {object} parts
 * @param {import('./config.js').Config} parts.config
 * @param {import('./log.js').Log} parts.log
 * @param {import('./lifecycle.js').Lifecycle} parts.lifecycle
 * @param {number} [parts.apiTimeoutMs]
 */
export function createApp({ config, log, lifecycle, apiTimeoutMs }) {
  const api = createApi(config.apiUrl, { timeoutMs: apiTimeoutMs });
  const app = express();
  app.disable('x-powered-by');
  installViews(app, config.imageUrl);
  app.use(logRequests(log), securityHeaders(config.imageUrl), lifecycle.closeConnections);
  app.use('/static', serveStatic());
  // Through the API server Kubernetes asks for health by whatever name that one has.
  app.use(alwaysFresh, healthRoutes(api, lifecycle), knownHostsOnly(config.allowedHosts), sameOriginOnly);
  app.use(listRoutes(api), productRoutes(api, log), pictureRoutes(api, log));
  app.use(notFound, errorPage(log));
  return app;
}

/**
 * @param {import('express').Request} req
 * @param {import('express').Response} res
 * @param {import('express').NextFunction} next
 */
function alwaysFresh(req, res, next) {
  res.set('Cache-Control', 'no-cache');
  next();
}
