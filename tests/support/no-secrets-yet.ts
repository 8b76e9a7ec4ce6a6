import { forgetSecrets } from '../../src/observability/redact.ts';

// Runs before each file: a word that was a key in another one is a word in this one.
forgetSecrets();
