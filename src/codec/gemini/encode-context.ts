import { EncodeWarnings } from '../encode-warnings.ts';
import { dialectName, type GeminiDialect } from './dialect.ts';
import { familyOf, type ModelFamily } from './model-family.ts';

/** What an encoder of requests knows, and where it says what it left out. */
export class EncodeContext extends EncodeWarnings {
  readonly dialect: GeminiDialect;
  readonly family: ModelFamily;

  /** @param model its name at the provider */
  constructor(dialect: GeminiDialect, model: string, dropParams?: boolean) {
    super(dialectName, dropParams);
    this.dialect = dialect;
    this.family = familyOf(model);
  }
}
