import { Router } from 'express';
import { ApiRefused } from '../api.js';
import { flashFor } from '../flash.js';
import { listMessages } from '../messages.js';
import { pageLinks } from '../paging.js';

/** @param {import('../api.js').Api} api */
export function listRoutes(api) {
  const router = Router();
  router.get('/', async (req, res) => {
    const q = text(req.query.q).trim();
    const found = await search(api, q, pageNumber(text(req.query.page)));
    if (found.pages > 0 && found.page > found.pages) {
      return res.redirect(302, address(q, found.pages));
    }
    return res.status(found.problem ? 400 : 200).render('list.njk', {
      q,
      ...found,
      flash: flashFor(req.query.flash),
      links: pageLinks(found.page, found.pages, (page) => address(q, page)),
    });
  });
  return router;
}

/**
 * @param {import('../api.js').Api} api
 * @param {string} q
 * @param {number} page
 */
async function search(api, q, page) {
  try {
    return { ...await api.list(q, page), page, problem: '' };
  } catch (error) {
    if (!(error instanceof ApiRefused)) throw error;
    return { items: [], total: 0, page: 1, pages: 0, problem: listMessages(error.detail) };
  }
}

/** @param {unknown} value a parameter given twice arrives as a list */
function text(value) {
  return typeof value === 'string' ? value : '';
}

/** @param {string} value */
function pageNumber(value) {
  return /^[1-9]\d{0,5}$/.test(value) ? Number(value) : 1;
}

/**
 * @param {string} q
 * @param {number} page
 */
function address(q, page) {
  const query = new URLSearchParams();
  if (q) query.set('q', q);
  if (page > 1) query.set('page', String(page));
  return query.size === 0 ? '/' : `/?${query}`;
}
