const AROUND = 1;

/**
 * First, last and the pages around the current one; null stands for a gap.
 * @param {number} page
 * @param {number} pages
 * @param {(page: number) => string} address
 */
export function pageLinks(page, pages, address) {
  const link = (/** @type {number} */ number) => ({ number, href: address(number), current: number === page });
  const numbers = shownPages(page, pages);
  return {
    previous: page > 1 ? address(page - 1) : null,
    next: page < pages ? address(page + 1) : null,
    items: numbers.flatMap((number, index) => {
      const gap = index > 0 && number - numbers[index - 1] > 1;
      return gap ? [null, link(number)] : [link(number)];
    }),
  };
}

/**
 * @param {number} page
 * @param {number} pages
 */
function shownPages(page, pages) {
  const shown = new Set([1, pages]);
  for (let number = page - AROUND; number <= page + AROUND; number += 1) {
    if (number >= 1 && number <= pages) shown.add(number);
  }
  return [...shown].filter((number) => number >= 1).sort((a, b) => a - b);
}
