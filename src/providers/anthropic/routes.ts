/** The paths of an API of Anthropic's form. */
export interface Routes {
  /** Address that they are added to. */
  readonly baseUrl: string;
  /** Whose differences the body has. */
  readonly host: 'anthropic' | 'vertex';
  messagesPath(model: string, stream: boolean): string;
  readonly countPath: string;
}

/**
 * Google's Vertex has the model in the path and is known by how its addresses end; all others have Anthropic's own paths. An
 * address that ends in `/v1` is taken as one without it.
 */
export function routesOf(address: string): Routes {
  const trimmed = address.replace(/\/+$/, '');
  if (trimmed.endsWith('/publishers/anthropic/models')) {
    return {
      baseUrl: trimmed,
      host: 'vertex',
      messagesPath: (model, stream) =>
        `/${encodeURIComponent(model)}:${stream ? 'streamRawPredict' : 'rawPredict'}`,
      countPath: '/count-tokens:rawPredict',
    };
  }
  return {
    baseUrl: trimmed.replace(/\/v1$/, ''),
    host: 'anthropic',
    messagesPath: () => '/v1/messages',
    countPath: '/v1/messages/count_tokens',
  };
}
