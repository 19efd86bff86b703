/** After SIGTERM a cluster needs a moment to send new visitors elsewhere: until then they are served. */
const LAG_MS = 1500;
const GIVE_UP_MS = 7000;

/** @typedef {ReturnType<typeof createLifecycle>} Lifecycle */

/** @param {import('./log.js').Log} log */
export function createLifecycle(log) {
  const lifecycle = {
    draining: false,

    /**
     * @param {import('express').Request} req
     * @param {import('express').Response} res
     * @param {import('express').NextFunction} next
     */
    closeConnections(req, res, next) {
      if (lifecycle.draining) res.set('Connection', 'close');
      next();
    },

    /**
     * Stops accepting connections, lets requests in flight finish, and ends the process.
     * @param {import('node:http').Server} server
     * @param {string} reason
     */
    drain(server, reason) {
      if (lifecycle.draining) return;
      lifecycle.draining = true;
      log('info', 'draining', { reason });
      setTimeout(() => close(server, log), LAG_MS);
      setTimeout(() => {
        log('warn', 'requests did not finish in time');
        process.exit(0);
      }, GIVE_UP_MS).unref();
    },
  };
  return lifecycle;
}

/**
 * @param {import('node:http').Server} server
 * @param {import('./log.js').Log} log
 */
function close(server, log) {
  server.close(() => {
    log('info', 'stopped');
    process.exit(0);
  });
  // Also those that become idle only now, after their last answer.
  setInterval(() => server.closeIdleConnections(), 100);
}
