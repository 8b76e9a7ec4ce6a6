import { dialect } from '../codec/openai-chat/dialect.ts';
import type { ProviderConfig } from '../config/providers.ts';
import type { UpstreamClient } from '../http/client.ts';
import { fakeProvider } from './fake/provider.ts';
import { openAIFormProvider } from './openai-form/provider.ts';
import type { Provider } from './provider.ts';

/** Makes every configured provider, by name, in the configuration's order. */
export function createProviders(
  configs: readonly ProviderConfig[],
  client: UpstreamClient,
): ReadonlyMap<string, Provider> {
  return new Map(configs.map((config) => [config.name, createProvider(config, client)]));
}

function createProvider(config: ProviderConfig, client: UpstreamClient): Provider {
  if (config.form === 'fake') return fakeProvider();
  const { name, baseUrl, apiKey, discovery } = config;
  const unsupported: ReadonlySet<string> = new Set(config.unsupported);
  const headers = {
    ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey.reveal()}` }),
    ...config.headers,
  };
  const missing = missingKey(config);
  return openAIFormProvider(
    {
      name,
      baseUrl,
      headers,
      dialect: dialect(config.dialect),
      missing,
      unsupported: () => unsupported,
      discovery,
    },
    client,
  );
}

function missingKey({ name, apiKey, keyNames, headers }: ProviderConfig): string | null {
  if (apiKey !== null || keyNames.length === 0) return null;
  if (Object.keys(headers).some((header) => header.toLowerCase() === 'authorization')) return null;
  return `provider ${name} has no key: set ${keyNames.find((key) => !key.startsWith('LLM_GATEWAY_')) ?? keyNames[0]}`;
}
