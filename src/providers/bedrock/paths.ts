import { percentEncode } from './sign.ts';

/** Path of an operation on a model. Ids have colons, and ARNs slashes, which are no part of the path. */
export const modelPath = (model: string, operation: 'converse' | 'converse-stream' | 'invoke'): string =>
  `/model/${percentEncode(model)}/${operation}`;
