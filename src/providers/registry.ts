import { dialect } from '../codec/openai-chat/dialect.ts';
import type { ProviderForm } from '../config/builtin-providers.ts';
import type { ProviderConfig } from '../config/providers.ts';
import type { UpstreamClient } from '../http/client.ts';
import { anthropicProvider } from './anthropic/provider.ts';
import { bedrockProvider } from './bedrock/provider.ts';
import { mockProvider } from './fake/mock.ts';
import { fakeProvider } from './fake/provider.ts';
import { googleProvider } from './google/provider.ts';
import { KeyAffinity, withAffinity } from './key-affinity.ts';
import { KeyPool, type KeyPoolOptions } from './key-pool.ts';
import { ollamaProvider } from './ollama/provider.ts';
import { openAIFormProvider } from './openai-form/provider.ts';
import type { Provider } from './provider.ts';

/**
 * Makes every configured provider, by name, in the configuration's order.
 * @param affinity which keys made what is given back to them; default: nothing is known yet
 */
export function createProviders(
  configs: readonly ProviderConfig[],
  client: UpstreamClient,
  keyOptions: KeyOptions = { restMs: 600_000, onChange: () => {} },
  affinity = new KeyAffinity(),
  local: LocalProviders = {},
): ReadonlyMap<string, Provider> {
  return new Map(
    configs.map((config) => {
      const keys = keyPool(config, keyOptions);
      const provider = makers[config.form](config, client, keys, local);
      return [config.name, keys === undefined ? provider : withAffinity(provider, keys, affinity)];
    }),
  );
}

/** How keys are handled of which a provider has several. */
export type KeyOptions = Pick<KeyPoolOptions, 'restMs' | 'onChange' | 'now' | 'random'>;

type Maker = (
  config: ProviderConfig,
  client: UpstreamClient,
  keys: KeyPool | undefined,
  local: LocalProviders,
) => Provider;

/** What providers need that are on this machine. */
export interface LocalProviders {
  /** Makes the one of form `cli`. */
  readonly cli?: (config: ProviderConfig) => Provider;
  readonly mockDelayMs?: number;
}

/** Where providers of each form have their keys. */
const keyHeaders: Readonly<Record<ProviderForm, readonly [header: string, scheme: string]>> = {
  openai: ['authorization', 'Bearer '],
  anthropic: ['x-api-key', ''],
  google: ['x-goog-api-key', ''],
  ollama: ['authorization', 'Bearer '],
  bedrock: ['authorization', 'Bearer '],
  fake: ['authorization', 'Bearer '],
  mock: ['authorization', 'Bearer '],
  cli: ['authorization', 'Bearer '],
};

/** Undefined for a provider that has no choice. */
function keyPool(config: ProviderConfig, options: KeyOptions): KeyPool | undefined {
  const { name: provider, baseUrl, apiKeys: keys } = config;
  const [header, scheme] = keyHeaders[config.form];
  // A configured header wins.
  if (keys.length < 2 || config.headers[header] !== undefined) return undefined;
  return new KeyPool({ ...options, provider, baseUrl, keys, header, scheme });
}

/** How a provider of each form is made. */
const makers: Readonly<Record<ProviderForm, Maker>> = {
  openai: openAIForm,
  anthropic: anthropicForm,
  google: googleForm,
  ollama: ollamaForm,
  bedrock: bedrockProvider,
  fake: () => fakeProvider(),
  mock: ({ unsupported }, _client, _keys, { mockDelayMs }) => mockProvider(mockDelayMs ?? 0, unsupported),
  cli(config, _client, _keys, { cli }) {
    if (cli === undefined) throw new Error('there is nobody to hold sessions');
    return cli(config);
  },
};

function ollamaForm(config: ProviderConfig, client: UpstreamClient, keys: KeyPool | undefined): Provider {
  const { name, baseUrl, apiKey, discovery, unsupported } = config;
  const headers = {
    ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey.reveal()}` }),
    ...config.headers,
  };
  const missing = missingKey(config, 'authorization');
  return ollamaProvider({ name, baseUrl, headers, keys, missing, unsupported, discovery }, client);
}

function openAIForm(config: ProviderConfig, client: UpstreamClient, keys: KeyPool | undefined): Provider {
  const { name, baseUrl, apiKey, discovery, embeddings, responses, compaction } = config;
  const unsupported: ReadonlySet<string> = new Set(config.unsupported);
  const headers = {
    ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey.reveal()}` }),
    ...config.headers,
  };
  return openAIFormProvider(
    {
      name,
      baseUrl,
      headers,
      keys,
      dialect: dialect(config.dialect),
      missing: missingKey(config, 'authorization'),
      unsupported: () => unsupported,
      embeddings,
      responses,
      compaction,
      discovery,
    },
    client,
  );
}

function googleForm(config: ProviderConfig, client: UpstreamClient, keys: KeyPool | undefined): Provider {
  const { name, baseUrl, apiKey, unsupported, discovery } = config;
  const headers = {
    ...(apiKey === null ? {} : { 'x-goog-api-key': apiKey.reveal() }),
    ...config.headers,
  };
  const missing = missingKey(config, 'x-goog-api-key');
  return googleProvider({ name, baseUrl, headers, keys, missing, unsupported, discovery }, client);
}

/** The key goes into Anthropic's own header; hosts that want it elsewhere have it among their headers. */
function anthropicForm(config: ProviderConfig, client: UpstreamClient, keys: KeyPool | undefined): Provider {
  const { name, baseUrl, apiKey, unsupported } = config;
  const headers = { ...(apiKey === null ? {} : { 'x-api-key': apiKey.reveal() }), ...config.headers };
  const missing = missingKey(config, 'x-api-key') === null ? null : missingKey(config, 'authorization');
  return anthropicProvider({ name, baseUrl, headers, keys, missing, unsupported }, client);
}

/** @param keyHeader header of the key: a provider whose configured headers have it needs no other */
function missingKey({ name, apiKey, keyNames, headers }: ProviderConfig, keyHeader: string): string | null {
  if (apiKey !== null || keyNames.length === 0) return null;
  if (Object.keys(headers).some((header) => header.toLowerCase() === keyHeader)) return null;
  return `provider ${name} has no key: set ${keyNames.at(-1)}`;
}
