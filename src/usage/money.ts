/**
 * Money as a whole number of picodollars (10⁻¹² US dollars): a price of at most six decimals for a million tokens is a whole number of them
 * for one token, so that costs are sums and products of whole numbers and never rounded.
 */
export type Pico = bigint;

const decimals = 12;
/** Nanodollars, in which budgets are kept: a double holds whole numbers of them exactly up to 9 million dollars. */
export const picoOfNano = 1_000n;

/**
 * A decimal number of dollars. What is less than a picodollar is rounded, halves up.
 * @param text digits with or without a point and an exponent; not negative
 * @returns null for anything else
 */
export function parseUsd(text: string): Pico | null {
  const [, whole, fraction = '', exponent = '0'] =
    /^(\d{1,30})(?:\.(\d{1,40}))?(?:e([+-]?\d{1,2}))?$/i.exec(text) ?? [];
  if (whole === undefined) return null;
  const shift = Number(exponent) - fraction.length + decimals;
  const digits = BigInt(whole + fraction);
  if (shift >= 0) return digits * 10n ** BigInt(shift);
  const divisor = 10n ** BigInt(-shift);
  return (digits + divisor / 2n) / divisor;
}

/** A number of dollars, taken for the decimal number that it is written as: 0.1 is exactly a tenth. Null when it is none or negative. */
export const picoOf = (usd: number): Pico | null =>
  Number.isFinite(usd) && usd >= 0 ? parseUsd(String(usd)) : null;

/** Of the digit. */
const zero = 0x30;

/** Dollars as a decimal number with as many digits as it takes: "0.0000875", "12", "0". */
export function formatUsd(pico: Pico): string {
  const digits = pico.toString().padStart(decimals + 1, '0');
  const point = digits.length - decimals;
  let end = digits.length;
  while (end > point && digits.charCodeAt(end - 1) === zero) end--;
  const whole = digits.slice(0, point);
  return end === point ? whole : `${whole}.${digits.slice(point, end)}`;
}

/** What a token costs at a price for a million of them. */
export const perToken = (usdPerMillion: number): Pico => (picoOf(usdPerMillion) ?? 0n) / 1_000_000n;

/** Dollars as a double: for charts, where the last digits do not matter. */
export const usdOf = (pico: Pico): number => Number(pico) / 1e12;

/** Nanodollars, rounded up: a budget never counts less than was spent. */
export const nanoOf = (pico: Pico): number => Number((pico + picoOfNano - 1n) / picoOfNano);

/** Nanodollars as dollars. */
export const formatNano = (nano: number): string => formatUsd(BigInt(nano) * picoOfNano);
