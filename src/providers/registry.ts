import { dialect } from '../codec/openai-chat/dialect.ts';
import type { ProviderForm } from '../config/builtin-providers.ts';
import type { ProviderConfig } from '../config/providers.ts';
import type { UpstreamClient } from '../http/client.ts';
import { bedrockProvider } from './bedrock/provider.ts';
import { fakeProvider } from './fake/provider.ts';
import { openAIFormProvider } from './openai-form/provider.ts';
import type { Provider } from './provider.ts';

/** Makes every configured provider, by name, in the configuration's order. */
export function createProviders(
  configs: readonly ProviderConfig[],
  client: UpstreamClient,
): ReadonlyMap<string, Provider> {
  return new Map(configs.map((config) => [config.name, makers[config.form](config, client)]));
}

type Maker = (config: ProviderConfig, client: UpstreamClient) => Provider;

/** How a provider of each form is made. */
const makers: Readonly<Record<ProviderForm, Maker>> = {
  openai: openAIForm,
  bedrock: bedrockProvider,
  fake: () => fakeProvider(),
};

function openAIForm(config: ProviderConfig, client: UpstreamClient): Provider {
  const { name, baseUrl, apiKey, discovery } = config;
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
      dialect: dialect(config.dialect),
      missing: missingKey(config, 'authorization'),
      unsupported: () => unsupported,
      discovery,
    },
    client,
  );
}

/** @param keyHeader header of the key: a provider whose configured headers have it needs no other */
function missingKey({ name, apiKey, keyNames, headers }: ProviderConfig, keyHeader: string): string | null {
  if (apiKey !== null || keyNames.length === 0) return null;
  if (Object.keys(headers).some((header) => header.toLowerCase() === keyHeader)) return null;
  return `provider ${name} has no key: set ${keyNames.find((key) => !key.startsWith('LLM_GATEWAY_')) ?? keyNames[0]}`;
}
