import type { ReadableText } from './text.ts';

/**
 * Whether digits are the number of a payment card: issued by somebody, of the length that they issue, and with the right last digit (ISO/IEC 7812).
 * @param digits 13 to 19 of them
 */
export const isCardNumber = (digits: string): boolean => isIssued(digits) && passesLuhn(digits);

/** Issuer identification numbers of the large networks, with their lengths. One in ten numbers has the right last digit by chance. */
function isIssued(digits: string): boolean {
  const { length } = digits;
  const four = Number(digits.slice(0, 4));
  const two = Math.floor(four / 100);
  // Those of 13 digits are long out of use, and one in ten barcodes of German goods would be one.
  if (digits[0] === '4') return length === 16 || length === 19;
  if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)) return length === 16;
  if (two === 34 || two === 37) return length === 15;
  if (two === 36 || two === 38 || two === 39 || (four >= 3000 && four <= 3059)) return length === 14;
  if (four >= 3528 && four <= 3589) return length >= 16;
  return (four === 6011 || two === 65 || (four >= 6440 && four <= 6499) || two === 62) && length >= 16;
}

function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    const doubled = i % 2 === 0 ? digit : digit * 2;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  // Rows of one digit pass, too; nobody has such a card.
  return sum % 10 === 0 && !/^(\d)\1*$/.test(digits);
}

/** Lengths of IBANs by country (SWIFT's registry, release 99). */
const ibanLengths = new Map<string, number>();
const ofLength: Readonly<Record<number, string>> = {
  15: 'NO',
  16: 'BE',
  18: 'DK FI FK FO GL NL SD',
  19: 'MK SI',
  20: 'AT BA EE KZ LT LU MN XK',
  21: 'CH HR LI LV',
  22: 'BG BH CR DE GB GE IE ME RS VA',
  23: 'AE GI IL IQ OM SO TL',
  24: 'AD CZ ES MD PK RO SA SE SK TN VG',
  25: 'LY PT ST',
  26: 'IS TR',
  27: 'BI DJ FR GR IT MC MR SM',
  28: 'AL AZ BY CY DO GT HU LB NI PL SV',
  29: 'BR EG PS QA UA',
  30: 'JO KW MU YE',
  31: 'MT SC',
  32: 'LC',
  33: 'RU',
};
for (const [length, countries] of Object.entries(ofLength)) {
  for (const country of countries.split(' ')) ibanLengths.set(country, Number(length));
}

const space = 0x20;
const dash = 0x2d;

/**
 * Whether an IBAN begins at a place: of its country's length, in one piece or in groups of four with blanks or dashes, with the right check digits (ISO 13616). Looks at
 * 43 characters at most.
 * @param firstLength letters and digits that stand there in one piece; in groups there are 4
 */
export function isIban(text: ReadableText, start: number, firstLength: number): boolean {
  const length = ibanLengths.get(text.slice(start, start + 2).toUpperCase());
  if (length === undefined || (firstLength !== length && firstLength !== 4)) return false;
  let digits = '';
  let at = start;
  for (let i = 0; i < length; i++, at++) {
    if (firstLength === 4 && i > 0 && i % 4 === 0) {
      const gap = text.charCodeAt(at);
      if (gap !== space && gap !== dash) return false;
      at++;
    }
    const value = digitOf(text.charCodeAt(at));
    if (value < 0) return false;
    digits += String(value);
  }
  if (digitOf(text.charCodeAt(at)) >= 0) return false;
  // The country and the check digits count last: two letters of two digits each, and two digits.
  return remainder(digits.slice(6) + digits.slice(0, 6)) === 1;
}

/** Of a digit or letter: 0 to 35; -1 for all else. */
function digitOf(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const upper = code & ~0x20;
  return upper >= 65 && upper <= 90 ? upper - 55 : -1;
}

function remainder(digits: string): number {
  let rest = 0;
  for (let i = 0; i < digits.length; i++) rest = (rest * 10 + digits.charCodeAt(i) - 48) % 97;
  return rest;
}

/** Whether three groups of digits are a social security number of the USA that may have been given out. */
export const isSsn = (area: string, group: string, serial: string): boolean =>
  area !== '000' && area !== '666' && area < '900' && group !== '00' && serial !== '0000';
