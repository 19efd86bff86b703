import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import express from 'express';
import nunjucks from 'nunjucks';

const VIEWS = fileURLToPath(new URL('../views', import.meta.url));
const STATIC = fileURLToPath(new URL('../static', import.meta.url));

/**
 * @param {import('express').Express} app
 * @param {string | null} imageUrl
 */
export function installViews(app, imageUrl) {
  const env = nunjucks.configure(VIEWS, { autoescape: true, express: app, lstripBlocks: true, trimBlocks: true });
  const versions = assetVersions();
  env.addGlobal('asset', (/** @type {string} */ name) => `/static/${name}?v=${versions.get(name)}`);
  env.addGlobal('pictureSrc', (/** @type {import('./api.js').Product} */ product) => (
    imageUrl ? imageUrl + product.picture_url : `/pictures/${product.id}`
  ));
}

/** The version in its address lets a file be kept by browsers until it changes. */
export function serveStatic() {
  return express.static(STATIC, { immutable: true, index: false, maxAge: '365d', redirect: false });
}

function assetVersions() {
  return new Map(readdirSync(STATIC).map((name) => {
    const hash = createHash('sha256').update(readFileSync(join(STATIC, name)));
    return [name, hash.digest('hex').slice(0, 10)];
  }));
}
