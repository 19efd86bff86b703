const FIELDS = ['name', 'description', 'price', 'stock', 'picture'];

/**
 * Sorts what the API complains about by form field; what belongs to none is under "form".
 * @param {unknown} detail
 * @returns {Record<string, string>}
 */
export function fieldMessages(detail) {
  /** @type {Record<string, string>} */
  const messages = {};
  for (const { field, text } of complaints(detail)) {
    const key = FIELDS.includes(field) ? field : 'form';
    messages[key] = messages[key] ? `${messages[key]} ${text}` : text;
  }
  return messages;
}

/** @param {unknown} detail */
export function listMessages(detail) {
  return complaints(detail).map(({ text }) => text).join(' ');
}

/**
 * @param {unknown} detail a sentence, or a list of {loc, msg}
 * @returns {{ field: string, text: string }[]}
 */
function complaints(detail) {
  if (typeof detail === 'string') return [{ field: '', text: sentence(detail) }];
  const list = Array.isArray(detail) ? detail : [];
  const found = list.map((item) => ({
    field: String(Array.isArray(item?.loc) ? item.loc.find(isField) : ''),
    text: sentence(String(item?.msg ?? '')),
  }));
  return found.length > 0 ? found : [{ field: '', text: 'This was not accepted.' }];
}

/** @param {unknown} part */
function isField(part) {
  return typeof part === 'string' && FIELDS.includes(part);
}

/** @param {string} message */
function sentence(message) {
  const text = message.replace(/^(Value error|Assertion failed), /, '').trim() || 'This was not accepted';
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
