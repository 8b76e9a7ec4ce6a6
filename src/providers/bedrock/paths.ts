import { percentEncode } from './sign.ts';

type Operation = 'converse' | 'converse-stream' | 'count-tokens' | 'invoke' | 'invoke-with-response-stream';

/** Path of an operation on a model. Ids have colons, and ARNs slashes, which are no part of the path. */
export const modelPath = (model: string, operation: Operation): string =>
  `/model/${percentEncode(model)}/${operation}`;
