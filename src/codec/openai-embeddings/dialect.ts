/** Name of this dialect in `extras`. */
export const dialectName = 'openai.embeddings';

/** How vectors are written: as JSON numbers, or as base64 of 32-bit floats, little-endian. */
export type EmbeddingEncoding = 'float' | 'base64';

/** Inputs of one request at most, as in OpenAI's API. */
export const maxInputs = 2048;
/** Token ids of one input at most: more than the longest context of any embedding model. */
export const maxTokenIds = 131_072;
