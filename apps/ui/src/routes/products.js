import { Router } from 'express';
import { ApiRefused, ApiUnavailable } from '../api.js';
import { logUnavailable, unavailableStatus } from '../errors.js';
import { flashFor } from '../flash.js';
import { fewUploadsAtOnce, readForm } from '../form.js';
import { fieldMessages } from '../messages.js';
import { pickFields, savePicture, saveProduct } from '../saving.js';
import { PRODUCT_ID } from './ids.js';

/**
 * @typedef {object} FormView what views/form.njk shows
 * @property {string | null} id null: a new product
 * @property {Record<string, string>} values
 * @property {Record<string, string>} [errors]
 * @property {import('../api.js').Product | null} [product] as it is stored
 * @property {boolean} [chooseAgain] a picture was sent, and browsers let no page fill that in again
 * @property {import('../flash.js').Flash} [flash]
 */

const UNSAVED = {
  away: 'The product service is not available at the moment, so nothing was saved. '
    + 'What you typed is still here: please try again shortly.',
  slow: 'The product service took too long to answer. Please look in the list whether the change '
    + 'was made before you try again.',
  broken: 'The product service had a problem of its own. Please look in the list whether the '
    + 'change was made before you try again.',
  busy: 'Too many people are here at the moment, so nothing was saved. What you typed is still '
    + 'here: please try again shortly.',
};

/**
 * @param {import('../api.js').Api} api
 * @param {import('../log.js').Log} log
 */
export function productRoutes(api, log) {
  const router = Router();
  router.param('id', (req, res, next, id) => next(PRODUCT_ID.test(id) ? undefined : 'route'));

  router.get('/products/new', (req, res) => {
    showForm(res, 200, { id: null, values: { ...pickFields({}), stock: '0' } });
  });

  router.get('/products/:id', async (req, res) => {
    const product = await api.get(req.params.id);
    res.render('detail.njk', { product, flash: flashFor(req.query.flash) });
  });

  router.get('/products/:id/edit', async (req, res) => {
    const { id } = req.params;
    const product = await api.get(id);
    const { name, description, price, stock } = product;
    const values = { name, description, price, stock: String(stock) };
    showForm(res, 200, { id, values, product, flash: flashFor(req.query.flash) });
  });

  router.post(['/products', '/products/:id'], fewUploadsAtOnce());
  router.post('/products', (req, res) => save(api, log, req, res, null));
  router.post('/products/:id', (req, res) => save(api, log, req, res, req.params.id));

  router.post('/products/:id/delete', async (req, res) => {
    const flash = await api.remove(req.params.id).then(() => 'deleted', (error) => {
      if (error instanceof ApiRefused && error.status === 404) return 'already-deleted';
      throw error;
    });
    res.redirect(303, `/?flash=${flash}`);
  });

  return router;
}

/**
 * @param {import('../api.js').Api} api
 * @param {import('../log.js').Log} log
 * @param {import('express').Request} req
 * @param {import('express').Response} res
 * @param {string | null} id
 */
async function save(api, log, req, res, id) {
  const form = await readForm(req);
  try {
    return await saveForm(api, log, form, res, id);
  } finally {
    await form.picture?.file.close();
  }
}

/**
 * @param {import('../api.js').Api} api
 * @param {import('../log.js').Log} log
 * @param {import('../form.js').Form} form
 * @param {import('express').Response} res
 * @param {string | null} id
 */
async function saveForm(api, log, form, res, id) {
  const view = {
    id,
    values: pickFields(Object.fromEntries(form.fields)),
    chooseAgain: Boolean(form.picture ?? form.pictureProblem),
  };
  if (form.pictureProblem) {
    const { status, message } = form.pictureProblem;
    return showAgain(api, res, status, { ...view, errors: { picture: message } });
  }
  let product;
  try {
    product = await saveProduct(api, id, view.values);
  } catch (error) {
    if (error instanceof ApiUnavailable) logUnavailable(log, error);
    const { status, errors } = unsaved(error, res);
    return showAgain(api, res, status, { ...view, errors });
  }
  const trouble = await savePicture(api, log, product.id, form);
  const done = id ? 'updated' : 'created';
  const next = trouble ? `${product.id}/edit?flash=${trouble}` : `${product.id}?flash=${done}`;
  return res.redirect(303, `/products/${next}`);
}

/**
 * @param {unknown} error
 * @param {import('express').Response} res
 */
function unsaved(error, res) {
  if (error instanceof ApiUnavailable) {
    res.set('Retry-After', String(error.retryAfter));
    return { status: unavailableStatus(error), errors: { form: UNSAVED[error.kind] } };
  }
  if (!(error instanceof ApiRefused) || error.status === 404) throw error;
  return { status: error.status, errors: fieldMessages(error.detail) };
}

/**
 * @param {import('../api.js').Api} api
 * @param {import('express').Response} res
 * @param {number} status
 * @param {FormView} view
 */
async function showAgain(api, res, status, view) {
  // Needed for its picture only: the form is worth showing without it, too.
  const product = view.id && status < 500 ? await api.get(view.id).catch(() => null) : null;
  showForm(res, status, { ...view, product });
}

/**
 * @param {import('express').Response} res
 * @param {number} status
 * @param {FormView} view
 */
function showForm(res, status, view) {
  res.status(status).render('form.njk', { errors: {}, product: null, ...view });
}
