/** @typedef {{ kind: 'good' | 'bad', text: string }} Flash */

/** @type {Map<unknown, Flash>} only these texts can be shown: the code comes from the address bar */
const MESSAGES = new Map(Object.entries({
  created: good('The product was added.'),
  updated: good('The changes were saved.'),
  deleted: good('The product was deleted.'),
  'already-deleted': good('The product had been deleted already.'),
  'picture-too-large': bad('The product was saved, but its picture was not: it is too large. '
    + 'Please choose a smaller one.'),
  'picture-type': bad('The product was saved, but its picture was not: this kind of file is not '
    + 'supported. Please choose a JPEG, PNG, GIF or WebP picture.'),
  'picture-removal-failed': bad('The product was saved, but its picture could not be removed just '
    + 'now. Please try again in a moment.'),
  'picture-failed': bad('The product was saved, but its picture was not: the picture could not be '
    + 'stored just now. Please try again in a moment.'),
}));

/** @param {unknown} code */
export function flashFor(code) {
  return MESSAGES.get(code);
}

/** @param {string} text @returns {Flash} */
function good(text) {
  return { kind: 'good', text };
}

/** @param {string} text @returns {Flash} */
function bad(text) {
  return { kind: 'bad', text };
}
