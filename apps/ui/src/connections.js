import { createServer } from 'node:http';

const MAX_CONNECTIONS = 48;
const HEAD_MS = 10_000;
const UPLOAD_MS = 120_000;
const SILENCE_MS = 30_000;

/**
 * What a connection waits for: of those that wait for their client the first gives way first.
 * A head may be there in part; a reader does not read its answer; an answer is for us to give.
 */
const STAGES = /** @type {const} */ (['head', 'body', 'reader', 'answer']);

/**
 * @typedef {object} Use
 * @property {number} since
 * @property {import('node:http').IncomingMessage} [req] none: no request so far
 * @property {import('node:http').ServerResponse} [res]
 */

/**
 * A server whose connections are bounded: how long each may take to say what it wants, and how
 * many there are. Past its `maxConnections` Node refuses whoever comes next, Kubernetes' probes
 * too: here whoever has kept the server waiting the longest has to go.
 * @param {import('node:http').RequestListener} listener
 */
export function createBoundedServer(listener) {
  const server = createServer({
    connectionsCheckingInterval: 1000,
    headersTimeout: HEAD_MS,
    requestTimeout: UPLOAD_MS,
    keepAliveTimeout: 5000,
  });
  server.timeout = SILENCE_MS;
  /** @type {Map<import('node:net').Socket, Use>} */
  const uses = new Map();
  server.on('connection', (socket) => {
    if (uses.size >= MAX_CONNECTIONS) makeRoom(uses);
    uses.set(socket, { since: performance.now() });
    socket.once('close', () => uses.delete(socket));
  });
  server.on('request', (req, res) => {
    // One request at a time: piled up in one connection, they would not be bounded by their number.
    if (stageOf(uses.get(req.socket)) !== 'head') return req.socket.destroy();
    uses.set(req.socket, { since: performance.now(), req, res });
    return listener(req, res);
  });
  return server;
}

/** @param {Map<import('node:net').Socket, Use>} uses */
function makeRoom(uses) {
  const [first] = [...uses]
    .map(([socket, use]) => ({ socket, stage: STAGES.indexOf(stageOf(use)), since: use.since }))
    .filter(({ stage }) => STAGES[stage] !== 'answer')
    .sort((a, b) => a.stage - b.stage || a.since - b.since);
  if (!first) return;
  uses.delete(first.socket);
  first.socket.destroy();
}

/** @param {Use | undefined} use */
function stageOf(use) {
  if (!use?.req || !use.res || use.res.writableFinished) return 'head';
  if (!use.req.complete) return 'body';
  return use.res.writableNeedDrain || use.res.writableEnded ? 'reader' : 'answer';
}
