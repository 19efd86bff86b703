import { Busboy } from '@fastify/busboy';

export const MAX_PICTURE_BYTES = 5 * 1024 * 1024;

/**
 * A browser shows our answer only after it has sent everything, so what is too large is read on
 * and thrown away, up to here.
 */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

const LIMITS = { fields: 20, files: 4, fieldSize: 100 * 1024, fileSize: MAX_PICTURE_BYTES };

/**
 * @typedef {object} PictureProblem
 * @property {number} status
 * @property {string} message
 *
 * @typedef {object} Form
 * @property {Map<string, string>} fields
 * @property {import('./api.js').Picture | null} picture
 * @property {PictureProblem | null} pictureProblem
 */

/** The form as a whole cannot be read. */
export class FormError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Reads a form with at most one picture, which is held in memory up to the limit.
 * @param {import('express').Request} req
 * @returns {Promise<Form>}
 */
export async function readForm(req) {
  /** @type {Form} */
  const form = { fields: new Map(), picture: null, pictureProblem: null };
  let tooLong = false;
  const parser = createParser(req);
  parser.on('field', (name, value, _nameCut, valueCut) => {
    form.fields.set(name, value);
    tooLong ||= valueCut;
  });
  parser.on('file', (name, stream, filename, _encoding, type) => {
    // The parser reports a broken upload itself; unheard here, it would end the process.
    stream.on('error', () => {});
    if (name === 'picture') collectPicture(form, stream, filename, type);
    else stream.resume();
  });
  await feed(req, parser);
  if (tooLong) throw new FormError(413, 'One of the texts is far too long.');
  return form;
}

/**
 * @param {import('express').Request} req
 * @returns {import('@fastify/busboy').BusboyInstance}
 */
function createParser(req) {
  if (!req.is(['multipart/form-data', 'application/x-www-form-urlencoded'])) {
    throw new FormError(415, 'Only forms can be sent here.');
  }
  try {
    const headers = /** @type {any} */ (req.headers);
    return new Busboy({ headers, limits: LIMITS });
  } catch {
    throw new FormError(400, 'The form could not be read.');
  }
}

/**
 * Not stream.pipeline(): that would cut the connection with the first error, and no answer could
 * be sent.
 * @param {import('express').Request} req
 * @param {import('@fastify/busboy').BusboyInstance} parser
 * @returns {Promise<void>}
 */
function feed(req, parser) {
  return new Promise((resolve, reject) => {
    let received = 0;
    /** @param {unknown} error */
    const fail = (error) => {
      req.unpipe(parser);
      req.resume();
      reject(error instanceof FormError ? error : new FormError(400, 'The form could not be read.'));
    };
    req.on('data', (chunk) => {
      received += chunk.length;
      if (received > MAX_BODY_BYTES) {
        fail(new FormError(413, 'The file is far too large. A picture can have up to 5 MiB.'));
      }
    });
    req.once('close', () => {
      if (!req.complete) fail(new FormError(400, 'The form did not arrive completely.'));
    });
    parser.once('error', fail);
    parser.once('finish', resolve);
    req.pipe(parser);
  });
}

/**
 * @param {Form} form
 * @param {import('@fastify/busboy').BusboyFileStream} stream
 * @param {string | undefined} filename
 * @param {string} type
 */
function collectPicture(form, stream, filename, type) {
  /** @type {Buffer[]} */
  let chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  stream.once('limit', () => {
    chunks = [];
    form.pictureProblem = problem(413, 'The picture is too large. It can have up to 5 MiB.');
  });
  stream.once('end', () => {
    if (form.pictureProblem || !filename) return;
    const data = Buffer.concat(chunks);
    if (!/^image\/[\w.+-]+$/.test(type)) {
      form.pictureProblem = problem(415, 'This file is not a picture. Please choose a JPEG, PNG, GIF or WebP.');
    } else if (data.length === 0) {
      form.pictureProblem = problem(422, 'The file is empty. Please choose another one.');
    } else {
      form.picture = { data, type };
    }
  });
}

/**
 * @param {number} status
 * @param {string} message
 * @returns {PictureProblem}
 */
function problem(status, message) {
  return { status, message };
}
