import { type Category, type Finding, patterns } from './findings.ts';
import { keywordFindings } from './keywords.ts';
import { codeWords, type KnownWord, Lexicon } from './lexicon.ts';
import { readingsOf } from './readings.ts';
import { Scanner } from './scanner.ts';

export interface ScreenRules {
  /** Keywords besides the built-in ones. */
  readonly keywords: readonly string[];
  /** From which score on a text is sensitive, above 0 to 1. */
  readonly threshold: number;
}

/** Words that keep an automatic choice of a provider to secure ones even where a text is not sensitive. */
const cautionary = ['password', 'secret', 'token', 'key', 'credential', 'confidential'];

/** Looks at texts by the rules of one configuration. */
export class Screen {
  readonly #scanner: Scanner;
  readonly #threshold: number;
  readonly #code: ReadonlySet<number>;

  constructor({ keywords, threshold }: ScreenRules) {
    const lexicon = new Lexicon(keywordFindings(keywords));
    this.#scanner = new Scanner(lexicon);
    this.#threshold = Math.round(threshold * 100);
    this.#code = new Set(codeWords.map((word) => lexicon.idOf(word)));
  }

  /** Begins to look at what belongs together. */
  begin(): Screening {
    return new Screening(this.#scanner, this.#threshold, this.#code);
  }

  /** Looks at one text. */
  of(text: string): Screening {
    const screening = this.begin();
    screening.read(text);
    return screening;
  }
}

/** What was found so far in texts that belong together. It knows what was found, and never where. */
export class Screening {
  readonly #scanner: Scanner;
  readonly #threshold: number;
  readonly #codeWords: ReadonlySet<number>;
  readonly #found = new Set<Finding>();
  #points = 0;
  #isCode = false;
  readonly #onFound = (finding: Finding): void => {
    if (this.#found.has(finding)) return;
    this.#found.add(finding);
    this.#points += finding.weight;
  };
  readonly #onDescribed = (finding: Finding): void => {
    if (finding.common !== true) this.#onFound(finding);
  };
  readonly #onWord = ({ id }: KnownWord): void => {
    if (this.#codeWords.has(id)) this.#isCode = true;
  };

  constructor(scanner: Scanner, threshold: number, code: ReadonlySet<number>) {
    this.#scanner = scanner;
    this.#threshold = threshold;
    this.#codeWords = code;
  }

  /** Looks at a text: for words and for what has the form of a secret. */
  read(text: string): void {
    for (const reading of readingsOf(text)) this.#scanner.read(reading, true, this.#onFound, this.#onWord);
  }

  /** Looks for words that are configured and for what has the form of a secret: in what nobody says, such as the definition of a tool. */
  readDescription(text: string): void {
    for (const reading of readingsOf(text)) this.#scanner.read(reading, true, this.#onDescribed);
  }

  /** Looks only for what has the form of a secret. */
  readForms(text: string): void {
    for (const reading of readingsOf(text)) this.#scanner.read(reading, false, this.#onFound);
  }

  /** 0 to 1. */
  get score(): number {
    return Math.min(this.#points, 100) / 100;
  }

  get sensitive(): boolean {
    return this.#points >= this.#threshold;
  }

  /** In alphabetical order. */
  get categories(): Category[] {
    const all = new Set([...this.#found].map(({ category }) => category));
    if (this.#isCode && this.#names('secret', 'key', 'token', patterns.apiKey.name)) all.add('code_security');
    return [...all].sort();
  }

  /** How many different words and forms were found. */
  get findings(): number {
    return this.#found.size;
  }

  /** There is a word that keeps an automatic choice of a provider to secure ones. Weaker than `sensitive`. */
  get cautious(): boolean {
    return this.sensitive || this.#names(...cautionary);
  }

  #names(...names: string[]): boolean {
    return [...this.#found].some(({ name }) => names.includes(name));
  }
}
