import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createApp } from '../src/app.js';
import { createBoundedServer } from '../src/connections.js';
import { createLifecycle } from '../src/lifecycle.js';

const FOLDER = fileURLToPath(new URL('..', import.meta.url));
const CONTAINERFILE = readFileSync(join(FOLDER, 'Containerfile'), 'utf8');
const [, ARENAS] = /^ENV MALLOC_ARENA_MAX=(\d+)$/m.exec(CONTAINERFILE) ?? [];
const [, ...ARGUMENTS] = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(CONTAINERFILE)?.[1] ?? '');

/**
 * The real server in this process, on a free port.
 * @param {string} apiUrl
 * @param {{ imageUrl?: string | null, apiTimeoutMs?: number, allowedHosts?: string[] }} [options]
 */
export async function startUi(apiUrl, { imageUrl = null, apiTimeoutMs, allowedHosts = [] } = {}) {
  /** @type {Record<string, unknown>[]} */
  const logged = [];
  /** @type {import('../src/log.js').Log} */
  const log = (level, msg, more) => { logged.push({ level, msg, ...more }); };
  const config = { apiUrl, imageUrl, port: 0, allowedHosts };
  const server = createBoundedServer(createApp({ config, log, lifecycle: createLifecycle(log), apiTimeoutMs }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    logged,
    /** @param {string} path @param {RequestInit} [init] */
    async get(path, init) {
      const response = await fetch(url + path, { redirect: 'manual', ...init });
      return { status: response.status, headers: response.headers, text: await response.text() };
    },
    /**
     * @param {string} path
     * @param {Record<string, string | Blob>} [fields]
     * @param {Record<string, string>} [headers]
     */
    async post(path, fields = {}, headers = {}) {
      const body = new FormData();
      for (const [name, value] of Object.entries(fields)) body.append(name, value);
      const response = await fetch(url + path, { method: 'POST', redirect: 'manual', body, headers });
      return { status: response.status, headers: response.headers, text: await response.text() };
    },
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => { server.close(resolve); });
    },
  };
}

/**
 * The real server as its own process, as the image starts it.
 * @param {Record<string, string>} env
 */
export function spawnUi(env) {
  const child = spawn(process.execPath, ARGUMENTS, {
    cwd: FOLDER,
    env: { PATH: process.env.PATH, MALLOC_ARENA_MAX: ARENAS, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  /** @type {Record<string, unknown>[]} */
  const logged = [];
  createInterface({ input: child.stdout }).on('line', (line) => logged.push(JSON.parse(line)));
  let stderr = '';
  child.stderr.on('data', (chunk) => { stderr += chunk; });
  const ended = once(child, 'close').then(([code]) => ({ code, stderr, logged }));
  return {
    child,
    logged,
    ended,
    async port() {
      for (let waited = 0; waited < 5000; waited += 20) {
        const line = logged.find(({ msg }) => msg === 'listening');
        if (line) return Number(line.port);
        await new Promise((resolve) => { setTimeout(resolve, 20); });
      }
      throw new Error(`the server did not start: ${stderr}`);
    },
  };
}
