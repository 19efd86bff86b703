/**
 * @typedef {object} Config
 * @property {string} apiUrl base address of the API, no slash at the end
 * @property {string | null} imageUrl base address browsers load pictures from; null: from this server
 * @property {number} port
 * @property {string[]} allowedHosts names it is called by, or what they end with where there is a dot first
 */

export class ConfigError extends Error {}

/**
 * @param {Record<string, string | undefined>} env
 * @returns {Config}
 */
export function readConfig(env) {
  return {
    apiUrl: readUrl('API_URL', env.API_URL ?? 'http://api:8000'),
    imageUrl: env.IMAGE_URL ? readUrl('IMAGE_URL', env.IMAGE_URL) : null,
    port: readPort(env.PORT ?? '80'),
    allowedHosts: readHosts(env.ALLOWED_HOSTS ?? ''),
  };
}

/** @param {string} value */
function readHosts(value) {
  const names = value.toLowerCase().split(/[\s,]+/).filter(Boolean);
  const wrong = names.find((name) => !/^\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name));
  if (wrong !== undefined) {
    throw refusal('ALLOWED_HOSTS', value, 'host names with commas between, such as shop.example or .svc');
  }
  return names;
}

/** @param {string} value */
function readPort(value) {
  const port = /^\d{1,5}$/.test(value) ? Number(value) : NaN;
  if (!(port <= 65535)) {
    throw refusal('PORT', value, 'a whole number from 1 to 65535 (or 0 for any free port)');
  }
  return port;
}

/**
 * @param {string} name
 * @param {string} value
 */
function readUrl(name, value) {
  if (!isBaseUrl(value)) {
    throw refusal(name, value, 'an http:// or https:// address without user name, "?" or "#", '
      + 'such as http://api:8000');
  }
  return value.replace(/\/+$/, '');
}

/** @param {string} value */
function isBaseUrl(value) {
  if (!/^https?:\/\/[^\s\\]+$/.test(value) || /[?#;,'"]/.test(value) || !URL.canParse(value)) return false;
  const url = new URL(value);
  return url.username === '' && url.password === '';
}

/**
 * @param {string} name
 * @param {string} found
 * @param {string} allowed
 */
function refusal(name, found, allowed) {
  const shown = JSON.stringify(found.replace(/\/\/[^/@]*@/, '//***@'));
  return new ConfigError(`${name} is ${shown}, but must be ${allowed}`);
}
