import { EncodeWarnings } from '../encode-warnings.ts';
import { dialectName, type OpenAIChatDialect } from './dialect.ts';

/** How strict an encoder of requests is. */
export interface EncodeContextOptions {
  readonly lenient?: boolean | undefined;
  /** The client wants left out what the provider cannot take, rather than be refused. */
  readonly dropParams?: boolean | undefined;
}

/** What an encoder of requests knows, and where it says what it left out. */
export class EncodeContext extends EncodeWarnings {
  readonly dialect: OpenAIChatDialect;
  /** What cannot be said is left out, wherever it stands: nobody is asked anything by what is written. */
  readonly lenient: boolean;

  constructor(dialect: OpenAIChatDialect, { lenient = false, dropParams }: EncodeContextOptions = {}) {
    super(dialectName, dropParams);
    this.dialect = dialect;
    this.lenient = lenient;
  }
}
