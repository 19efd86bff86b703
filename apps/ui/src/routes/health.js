import { Router } from 'express';

/**
 * @param {import('../api.js').Api} api
 * @param {import('../lifecycle.js').Lifecycle} lifecycle
 */
export function healthRoutes(api, lifecycle) {
  const router = Router();
  router.get('/healthz', (req, res) => {
    res.json({ status: 'alive' });
  });
  router.get('/readyz', async (req, res) => {
    if (lifecycle.draining) return res.status(503).json({ status: 'draining' });
    const ready = await api.isReady();
    return res.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'API does not answer' });
  });
  return router;
}
