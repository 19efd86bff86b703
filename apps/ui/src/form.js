import { randomUUID } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Busboy } from '@fastify/busboy';
import { ApiUnavailable } from './api.js';

export const MAX_PICTURE_BYTES = 5 * 1024 * 1024;

/**
 * A browser shows our answer only after it has sent everything, so what is too large is read on
 * and thrown away, up to here.
 */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** Forms that may have a picture are taken this many at a time: the room for files is bounded. */
const MAX_UPLOADS = 5;
const SMALL_FORM_BYTES = 256 * 1024;

const LIMITS = { fields: 20, files: 1, fieldSize: 100 * 1024, fileSize: MAX_PICTURE_BYTES };

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

/** @returns {import('express').RequestHandler} */
export function fewUploadsAtOnce() {
  let underWay = 0;
  return (req, res, next) => {
    if (Number(req.get('content-length') ?? Infinity) <= SMALL_FORM_BYTES) return next();
    if (underWay >= MAX_UPLOADS) throw new ApiUnavailable('busy');
    underWay += 1;
    res.once('close', () => { underWay -= 1; });
    return next();
  };
}

/**
 * Reads a form with at most one picture, in a file that whoever reads the form has to close.
 * @param {import('express').Request} req
 * @returns {Promise<Form>}
 */
export async function readForm(req) {
  /** @type {Form} */
  const form = { fields: new Map(), picture: null, pictureProblem: null };
  let tooLong = false;
  /** @type {import('@fastify/busboy').BusboyFileStream | undefined} */
  let part;
  let collected = Promise.resolve();
  const parser = createParser(req);
  parser.on('field', (name, value, _nameCut, valueCut) => {
    form.fields.set(name, value);
    tooLong ||= valueCut;
  });
  parser.on('file', (name, stream, filename, _encoding, type) => {
    // The parser reports a broken upload itself; unheard here, it would end the process.
    stream.on('error', () => {});
    if (name !== 'picture' || !filename) return stream.resume();
    part = stream;
    collected = collectPicture(form, stream, type);
    return undefined;
  });
  try {
    await feed(req, parser);
    await collected;
    if (tooLong) throw new FormError(413, 'One of the texts is far too long.');
  } catch (error) {
    part?.destroy();
    await collected;
    await form.picture?.file.close();
    throw error;
  }
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
 * @param {string} type
 */
async function collectPicture(form, stream, type) {
  const file = await openTemporary();
  let size = 0;
  try {
    for await (const chunk of stream) size += (await file.write(chunk)).bytesWritten;
    form.pictureProblem = problemWith(type, size, stream.truncated);
  } catch {
    form.pictureProblem = problem(503, 'The picture could not be kept just now. Please try again in a moment.');
    stream.resume();
  }
  if (form.pictureProblem) await file.close();
  else form.picture = { file, type };
}

/** It has no name any more, so it goes with this process, however that ends. */
async function openTemporary() {
  const path = join(tmpdir(), `upload-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}

/**
 * @param {string} type
 * @param {number} size
 * @param {boolean} truncated
 */
function problemWith(type, size, truncated) {
  if (truncated) return problem(413, 'The picture is too large. It can have up to 5 MiB.');
  if (!/^image\/[\w.+-]+$/.test(type)) {
    return problem(415, 'This file is not a picture. Please choose a JPEG, PNG, GIF or WebP.');
  }
  return size === 0 ? problem(422, 'The file is empty. Please choose another one.') : null;
}

/**
 * @param {number} status
 * @param {string} message
 * @returns {PictureProblem}
 */
function problem(status, message) {
  return { status, message };
}
