import { EncodeWarnings } from '../encode-warnings.ts';
import { dialectName } from './dialect.ts';

/** What an encoder of requests knows, and where it says what it left out. */
export class EncodeContext extends EncodeWarnings {
  /** Names of the tools that were called so far, by the calls' ids: results are matched by name here. */
  readonly toolNames = new Map<string, string>();

  constructor(dropParams?: boolean) {
    super(dialectName, dropParams);
  }
}
