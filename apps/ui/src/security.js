import { isIP } from 'node:net';
import helmet from 'helmet';

/**
 * The pages are served over plain HTTP on node addresses, too: headers which browsers honour
 * (or complain about) only with HTTPS are left to whatever terminates TLS.
 * @param {string | null} imageUrl
 */
export function securityHeaders(imageUrl) {
  return helmet({
    contentSecurityPolicy: { useDefaults: false, directives: pagePolicy(imageUrl) },
    strictTransportSecurity: false,
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    // With 'no-referrer' browsers send "Origin: null" with our own forms.
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
  });
}

/** @param {string | null} imageUrl */
function pagePolicy(imageUrl) {
  const pictures = ["'self'", 'blob:'];
  if (imageUrl) pictures.push(new URL(imageUrl).origin);
  return {
    'default-src': ["'self'"],
    'base-uri': ["'none'"],
    'form-action': ["'self'"],
    'frame-ancestors': ["'none'"],
    'img-src': pictures,
    'object-src': ["'none'"],
    'script-src': ["'self'"],
    'style-src': ["'self'"],
  };
}

/**
 * Refuses requests to a name that is not ours. DNS rebinding makes a browser call this server by a
 * name of somebody else's, whose page then is of the same origin. It takes a name: an address
 * cannot be made to lead elsewhere, and one without a dot is nobody's to sell.
 * @param {string[]} allowed
 * @returns {import('express').RequestHandler}
 */
export function knownHostsOnly(allowed) {
  return (req, res, next) => {
    // a browser always says what it asks for
    if (req.headers.host === undefined) return next();
    const name = hostName(req.headers.host);
    if (isKnown(name, allowed)) return next();
    return res.status(421).render('error.njk', {
      title: 'Not the name of this site',
      message: `This site is not called "${name}". Use the address of a node, or add the name to `
        + 'ALLOWED_HOSTS (ports.hosts in the settings of kubeup).',
      link: null,
    });
  };
}

/** @param {string} header */
function hostName(header) {
  const own = `http://${header}`;
  return URL.canParse(own) ? new URL(own).hostname.replace(/\.$/, '') : '';
}

/**
 * @param {string} name
 * @param {string[]} allowed
 */
function isKnown(name, allowed) {
  if (name === '') return false;
  if (isIP(name.replace(/^\[(.*)\]$/, '$1')) || !name.includes('.')) return true;
  return allowed.some((known) => (known.startsWith('.') ? name.endsWith(known) : name === known));
}

/**
 * Refuses changes that another web site made the browser send. Sec-Fetch-Site is only sent to
 * trustworthy addresses (https, localhost), so Origin is the fallback; programs send neither.
 * @type {import('express').RequestHandler}
 */
export function sameOriginOnly(req, res, next) {
  if (['GET', 'HEAD', 'OPTIONS'].includes(req.method) || isSameOrigin(req)) return next();
  res.set('Connection', 'close');
  res.status(403).render('error.njk', {
    title: 'Request refused',
    message: 'This change was sent from another web site, so it was not carried out. '
      + 'Please make it on the pages here.',
    link: { href: '/', text: 'To the products' },
  });
}

/** @param {import('express').Request} req */
function isSameOrigin(req) {
  const site = req.get('sec-fetch-site');
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  const origin = req.get('origin');
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === hostOf(req, origin);
}

/**
 * @param {import('express').Request} req
 * @param {string} origin
 */
function hostOf(req, origin) {
  const own = `${new URL(origin).protocol}//${req.headers.host ?? ''}`;
  return URL.canParse(own) ? new URL(own).host : undefined;
}
