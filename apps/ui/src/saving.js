import { ApiRefused, ApiUnavailable } from './api.js';
import { logUnavailable } from './errors.js';

const FIELDS = ['name', 'description', 'price', 'stock'];

/**
 * @param {import('./api.js').Api} api
 * @param {string | null} id null: a new product
 * @param {Record<string, string>} values as typed
 */
export function saveProduct(api, id, values) {
  return id ? api.replace(id, payload(values)) : api.create(payload(values));
}

/**
 * The product itself has been saved by now, so what goes wrong here is told after the redirect.
 * @param {import('./api.js').Api} api
 * @param {import('./log.js').Log} log
 * @param {number} id
 * @param {import('./form.js').Form} form
 * @returns {Promise<string | null>} the flash code of what went wrong
 */
export async function savePicture(api, log, id, form) {
  try {
    if (form.picture) await api.putPicture(id, form.picture);
    else if (form.fields.has('remove_picture')) await api.removePicture(id);
    return null;
  } catch (error) {
    if (error instanceof ApiUnavailable) logUnavailable(log, error);
    return form.picture ? pictureTrouble(error) : removalTrouble(error);
  }
}

/**
 * @param {Record<string, string>} values
 * @returns {Record<string, string>}
 */
export function pickFields(values) {
  return Object.fromEntries(FIELDS.map((name) => [name, values[name] ?? '']));
}

/**
 * What is no number goes to the API as it was typed: it has the words for what is wrong.
 * @param {Record<string, string>} values
 */
function payload({ name, description, price, stock }) {
  const count = stock.trim();
  return {
    name: name.trim(),
    description: description.replaceAll('\r\n', '\n').trim(),
    price: price.trim().replace(/^(\d+),(\d{1,2})$/, '$1.$2'),
    stock: /^-?\d{1,15}$/.test(count) ? Number(count) : count,
  };
}

/** @param {unknown} error */
function pictureTrouble(error) {
  const status = error instanceof ApiRefused ? error.status : 0;
  if (status === 413) return 'picture-too-large';
  return status === 415 || status === 422 ? 'picture-type' : 'picture-failed';
}

/** @param {unknown} error */
function removalTrouble(error) {
  const gone = error instanceof ApiRefused && error.status === 404;
  return gone ? null : 'picture-removal-failed';
}
