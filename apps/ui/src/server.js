import { createApp } from './app.js';
import { ConfigError, readConfig } from './config.js';
import { createBoundedServer } from './connections.js';
import { createLifecycle } from './lifecycle.js';
import { logToStdout as log } from './log.js';

/** @param {number} code @param {string} message */
function stop(code, message) {
  process.stderr.write(`kubeup-ui: ${message}\n`);
  process.exit(code);
}

function configOrStop() {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return stop(2, error.message);
  }
}

/** @param {import('./config.js').Config} config */
function start(config) {
  const lifecycle = createLifecycle(log);
  const server = createBoundedServer(createApp({ config, log, lifecycle }));
  server.once('error', (error) => stop(1, `cannot listen on PORT ${config.port}: ${error.message}`));
  server.listen(config.port, () => {
    const address = /** @type {import('node:net').AddressInfo} */ (server.address());
    log('info', 'listening', { port: address.port, api: config.apiUrl, images: config.imageUrl });
  });
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => lifecycle.drain(server, signal));
  }
}

const config = configOrStop();
if (config) start(config);
