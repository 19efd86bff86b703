/**
 * @typedef {(level: 'info' | 'warn' | 'error', msg: string, more?: Record<string, unknown>) => void} Log
 */

/** @type {Log} one JSON object a line, for whatever collects the container's output */
export function logToStdout(level, msg, more = {}) {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level, msg, ...more })}\n`);
}

/**
 * @param {Log} log
 * @returns {import('express').RequestHandler}
 */
export function logRequests(log) {
  return (req, res, next) => {
    const start = performance.now();
    const path = req.path;
    res.once('close', () => {
      const probe = path === '/healthz' || path === '/readyz';
      if (probe && res.statusCode < 400) return;
      log(res.statusCode >= 500 ? 'warn' : 'info', 'request', {
        method: req.method,
        path,
        status: res.statusCode,
        ms: Math.round(performance.now() - start),
        ...(res.writableFinished ? {} : { aborted: true }),
      });
    });
    next();
  };
}
