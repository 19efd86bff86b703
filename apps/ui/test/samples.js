import { File } from 'node:buffer';

/** A real 1×1 picture. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
);

export const XSS = '<script>alert(1)</script>"\'><img src=x onerror=alert(2)>';

/**
 * @param {any} data
 * @param {string} type
 * @param {string} [name]
 * @returns {any}
 */
export function file(data, type, name = 'picture.png') {
  return new File([data], name, { type });
}
