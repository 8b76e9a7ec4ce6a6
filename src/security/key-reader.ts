import { type Found, patterns } from './findings.ts';
import type { KeyForm } from './key-forms.ts';
import type { Lexicon } from './lexicon.ts';
import { kindOf, kinds, type ReadableText } from './text.ts';
import type { Word } from './word.ts';

/** What is hard to guess has a piece of so many letters and digits. */
const leastPiece = 12;
/** Parts of a web token are at least so long. */
const leastTokenPart = 10;
const leastSignature = 16;
/** Characters of a Google API key. */
const googleKeyLength = 39;
/** Characters of the ids of AWS access keys, and of their secrets. */
const awsIdLength = 20;
const awsSecretLength = 40;
/** Characters between the words "secret access key" and the secret. */
const maxBefore = 12;
/** Keys of Azure have 32 or 64 bytes: in base64 so many characters, and `=`. */
const azureKeyLengths = [43, 86];
/** What an emulator has, and all documents. */
const azureExample = 'Eby8vdM02xNOcqFl';
const webhookHost = 'hooks.slack.com/';
const maxWebhook = 120;
const leastWebhookPiece = 20;
/** The id of a bot of Telegram's, and what comes after its colon. */
const leastBotId = 8;
const botSecretLength = 35;

const dot = 0x2e;
const dash = 0x2d;
const slash = 0x2f;
const colon = 0x3a;
const underscore = 0x5f;

/** Finds keys of the known vendors, and JSON web tokens. */
export class KeyReader {
  readonly #secret: number;
  readonly #access: number;
  readonly #key: number;
  readonly #secretAccessKey: number;
  readonly #azure: readonly number[];
  readonly #hooks: number;
  /** Forms that the latest word begins. */
  #begun: readonly KeyForm[] = [];
  #form: KeyForm | null = null;
  #start = 0;
  #strong = false;
  /** In which of its three parts a web token is; 0 for none. */
  #tokenPart = 0;
  #tokenStart = 0;
  /** How many of the words "secret access key" were there. */
  #awsWords = 0;
  #end = 0;

  constructor(lexicon: Lexicon) {
    this.#secret = lexicon.idOf('secret');
    this.#access = lexicon.idOf('access');
    this.#key = lexicon.idOf('key');
    this.#secretAccessKey = lexicon.idOf('secretaccesskey');
    this.#azure = [lexicon.idOf('accountkey'), lexicon.idOf('sharedaccesskey')];
    this.#hooks = lexicon.idOf('hooks');
  }

  begin(): void {
    this.#begun = [];
    this.#form = null;
    this.#tokenPart = 0;
    this.#awsWords = 0;
    this.#end = 0;
  }

  word(text: ReadableText, word: Word, found: Found): void {
    const { start, end } = word;
    // A word that is not plain came between.
    const follows = start - word.gap === this.#end;
    if (!follows || !word.joined) this.#form = null;
    if (follows && word.gap === 1) this.#goOn(word);
    if (this.#form !== null) {
      this.#strong ||= end - start >= leastPiece && word.digits > 0 && word.uppers + word.lowers > 0;
      if (this.#strong && end - this.#start >= this.#form.least) {
        found(patterns.apiKey);
        this.#form = null;
      }
    }
    const forms = word.known?.forms ?? [];
    this.#begun = forms.length > 0 && forms[0]?.word === text.slice(start, end) ? forms : [];
    if (this.#webToken(text, word, follows)) found(patterns.webToken);
    if (isAwsId(text, word)) found(patterns.awsKey);
    if (isGoogleKey(text, word)) found(patterns.apiKey);
    if (this.#awsSecret(text, word)) found(patterns.awsKey);
    if (isBotToken(text, word)) found(patterns.botToken);
    const id = word.known?.id ?? 0;
    if (id === this.#hooks && isWebhook(text, word)) found(patterns.slackWebhook);
    if (this.#azure.includes(id) && isAzureKey(text, end)) found(patterns.azureKey);
    this.#end = end;
  }

  #goOn({ gapCode, start }: Word): void {
    for (const form of this.#begun) {
      if (form.then.charCodeAt(0) !== gapCode) continue;
      this.#form = form;
      this.#start = start;
      this.#strong = false;
    }
  }

  /** Three parts with dots between them; the first two are JSON objects in base64, which begin with `eyJ`. */
  #webToken(text: ReadableText, { start, end, gap, gapCode, joined }: Word, follows: boolean): boolean {
    const isObject = startsWith(text, start, end, 'eyJ');
    if (follows && gap === 1 && gapCode === dot && this.#tokenPart > 0) {
      const isLong = this.#end - this.#tokenStart >= leastTokenPart;
      this.#tokenPart =
        isLong && (this.#tokenPart === 2 || isObject) ? this.#tokenPart + 1 : isObject ? 1 : 0;
      this.#tokenStart = start;
    } else if (!follows || !joined || this.#tokenPart === 0) {
      // A part may begin with `-` or `_`.
      const isSignature = follows && this.#tokenPart === 2 && gap > 1 && isTokenGap(text, this.#end, start);
      this.#tokenPart = isSignature ? 3 : isObject ? 1 : 0;
      this.#tokenStart = start;
    }
    if (this.#tokenPart !== 3 || end - this.#tokenStart < leastSignature) return false;
    this.#tokenPart = 0;
    return true;
  }

  /** What AWS calls a secret access key has no form of its own: it is known by these words before it. */
  #awsSecret(text: ReadableText, { known, end, soft }: Word): boolean {
    const id = known?.id ?? 0;
    if (id === this.#secretAccessKey) return isSecretNear(text, end);
    if (id === this.#secret) this.#awsWords = 1;
    else if (id === this.#access && this.#awsWords === 1 && soft) this.#awsWords = 2;
    else {
      const isKey = id === this.#key && this.#awsWords === 2 && soft;
      this.#awsWords = 0;
      return isKey && isSecretNear(text, end);
    }
    return false;
  }
}

function startsWith(text: ReadableText, start: number, end: number, prefix: string): boolean {
  if (end - start < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) {
    if (text.charCodeAt(start + i) !== prefix.charCodeAt(i)) return false;
  }
  return true;
}

/** A dot, and a few `-` and `_` that belong to what follows. */
function isTokenGap(text: ReadableText, from: number, to: number): boolean {
  if (to - from > 4 || text.charCodeAt(from) !== dot) return false;
  for (let i = from + 1; i < to; i++) {
    const code = text.charCodeAt(i);
    if (code !== dash && code !== underscore) return false;
  }
  return true;
}

/** Documents have ids that end so. */
const example = 'EXAMPLE';

function isAwsId(text: ReadableText, { start, end, lowers }: Word): boolean {
  if (end - start !== awsIdLength || lowers > 0) return false;
  if (text.charCodeAt(start) !== 0x41 || !startsWith(text, start + 2, end, 'IA')) return false;
  const second = text.charCodeAt(start + 1);
  return (second === 0x4b || second === 0x53) && text.slice(end - example.length, end) !== example;
}

function isGoogleKey(text: ReadableText, { start, end }: Word): boolean {
  if (!startsWith(text, start, end, 'AIza')) return false;
  let at = end;
  while (at - start <= googleKeyLength && isKeyCharacter(text.charCodeAt(at))) at++;
  return at - start === googleKeyLength;
}

function isKeyCharacter(code: number): boolean {
  if (code === dash || code === underscore) return true;
  const kind = kindOf(code);
  return kind === kinds.digit || kind === kinds.upper || kind === kinds.lower;
}

/** Whether a secret of AWS's stands soon after a place. */
const isSecretNear = (text: ReadableText, from: number): boolean => {
  const secret = secretNear(text, from, awsSecretLength);
  return secret.length === awsSecretLength && !secret.includes(example);
};

function isAzureKey(text: ReadableText, from: number): boolean {
  const key = secretNear(text, from, Math.max(...azureKeyLengths));
  return azureKeyLengths.includes(key.length) && !key.startsWith(azureExample);
}

/** What stands soon after a place and is of letters of both kinds, digits, `+` and `/`; one character more than the longest where it is longer. */
function secretNear(text: ReadableText, from: number, longest: number): string {
  let at = from;
  while (at - from <= maxBefore && at < text.length && kindOf(text.charCodeAt(at)) === kinds.gap) at++;
  if (at === from || at - from > maxBefore) return '';
  const seen = new Uint8Array(4);
  const start = at;
  for (; at - start <= longest && at < text.length; at++) {
    const code = text.charCodeAt(at);
    const kind = kindOf(code);
    const isSign = code === 0x2b || code === 0x2f;
    if (!isSign && (kind === kinds.gap || kind > kinds.lower)) break;
    if (!isSign) seen[kind] = 1;
  }
  const isMixed = seen[kinds.digit] === 1 && seen[kinds.upper] === 1 && seen[kinds.lower] === 1;
  return isMixed ? text.slice(start, at) : '';
}

/** `<id>:<35 characters>`, in addresses after `bot`. */
function isBotToken(text: ReadableText, { start, end, digits, lowers, uppers }: Word): boolean {
  if (digits < leastBotId || text.charCodeAt(end) !== colon) return false;
  if (uppers > 0 || (lowers > 0 && !(lowers === 3 && startsWith(text, start, end, 'bot')))) return false;
  return (
    isMixedPiece(text, end + 1, end + 1 + botSecretLength, true) &&
    !isKeyCharacter(text.charCodeAt(end + 1 + botSecretLength))
  );
}

/** An address that takes messages from whoever has it: its last piece is the secret. */
function isWebhook(text: ReadableText, { start }: Word): boolean {
  if (!startsWith(text, start, text.length, webhookHost)) return false;
  let piece = start;
  let at = start;
  const end = Math.min(text.length, start + maxWebhook);
  for (; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === slash) piece = at + 1;
    else if (code !== dot && !isKeyCharacter(code)) break;
  }
  return at - piece >= leastWebhookPiece && isMixedPiece(text, piece, piece + leastWebhookPiece, false);
}

/** Whether there are letters of both kinds, and nothing that keys have not. */
function isMixedPiece(text: ReadableText, from: number, to: number, withDigits: boolean): boolean {
  const seen = new Uint8Array(6);
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    if (!isKeyCharacter(code)) return false;
    seen[kindOf(code)] = 1;
  }
  return seen[kinds.upper] === 1 && seen[kinds.lower] === 1 && (!withDigits || seen[kinds.digit] === 1);
}
