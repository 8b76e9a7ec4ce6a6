import { EncodeWarnings } from '../encode-warnings.ts';
import { dialectName, type OpenAIChatDialect } from './dialect.ts';

/** What an encoder of requests knows, and where it says what it left out. */
export class EncodeContext extends EncodeWarnings {
  readonly dialect: OpenAIChatDialect;
  /** What cannot be said is left out, wherever it stands: nobody is asked anything by what is written. */
  readonly lenient: boolean;

  constructor(dialect: OpenAIChatDialect, lenient = false) {
    super(dialectName);
    this.dialect = dialect;
    this.lenient = lenient;
  }
}
