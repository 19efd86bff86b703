'use strict';

// Everything works without this file: it only shows and asks things earlier.

for (const form of document.forms) {
  const question = form.dataset.confirm;
  if (!question) continue;
  form.addEventListener('submit', (event) => {
    if (!window.confirm(question)) event.preventDefault();
  });
}

for (const form of document.forms) {
  if (form.dataset.once === undefined) continue;
  form.addEventListener('submit', (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = 'yes';
  });
  // Coming back with the browser's back button shows the page as it was left.
  window.addEventListener('pageshow', () => delete form.dataset.sent);
}

/** @type {HTMLElement | null} */ (document.querySelector('[data-focus]'))?.focus();

const input = /** @type {HTMLInputElement | null} */ (document.querySelector('input[name=picture]'));
const image = /** @type {HTMLImageElement | null} */ (document.querySelector('[data-preview] img'));
if (input && image) {
  const stored = { src: image.src, alt: image.alt, className: image.className };
  input.addEventListener('change', () => {
    const file = input.files?.[0];
    const tooLarge = (file?.size ?? 0) > Number(input.dataset.maxBytes);
    input.setCustomValidity(tooLarge ? 'The picture is too large. It can have up to 5 MiB.' : '');
    if (tooLarge) input.reportValidity();
    if (image.src.startsWith('blob:')) URL.revokeObjectURL(image.src);
    const usable = file && !tooLarge && file.type.startsWith('image/');
    Object.assign(image, usable
      ? { src: URL.createObjectURL(file), alt: 'Preview of the chosen picture', className: 'large' }
      : stored);
  });
}
