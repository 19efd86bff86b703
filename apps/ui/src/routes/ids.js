/** What can be a product's number; anything else in its place is no page of ours. */
export const PRODUCT_ID = /^[1-9]\d{0,14}$/;
