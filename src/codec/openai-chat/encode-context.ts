import { EncodeWarnings } from '../encode-warnings.ts';
import { dialectName, type OpenAIChatDialect } from './dialect.ts';

/** What an encoder of requests knows, and where it says what it left out. */
export class EncodeContext extends EncodeWarnings {
  readonly dialect: OpenAIChatDialect;

  constructor(dialect: OpenAIChatDialect) {
    super(dialectName);
    this.dialect = dialect;
  }
}
