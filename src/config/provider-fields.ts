import { wireForms } from './builtin-providers.ts';
import { anyMap, type FieldsOf, readFields } from './fields.ts';
import { isMap, type YamlMap } from './file.ts';
import type { Problems } from './problems.ts';
import { requestParameters } from './request-parameters.ts';
import {
  address,
  duration,
  flag,
  list,
  oneOf,
  text,
  type ValueReader,
  Wrong,
  wholeNumber,
} from './values.ts';

/** Limits of the phases of an upstream call, in milliseconds; unset: the general ones. */
export interface TimeoutOverrides {
  readonly connectMs?: number;
  readonly firstByteMs?: number;
  readonly idleMs?: number;
  readonly firstTokenMs?: number;
  readonly totalMs?: number;
}

export const securityLevels = ['low', 'medium', 'high'] as const;

/** Headers that describe the very message, which only its sender can know. */
const ownHeaders = ['host', 'connection', 'content-length', 'transfer-encoding', 'content-type', 'accept'];

const isHeader = ([name, value]: readonly [string, unknown]): boolean =>
  /^[\w!#$%&'*+.^`|~-]+$/.test(name) &&
  !ownHeaders.includes(name.toLowerCase()) &&
  typeof value === 'string' &&
  /^[\t\x20-\x7e\x80-\xff]*$/.test(value);

/** Headers with their names in lower case, so that each is there once. */
export const headers: ValueReader<Readonly<Record<string, string>>> = (raw) => {
  if (!isMap(raw) || !Object.entries(raw).every(isHeader)) {
    return new Wrong(`a map from header names to texts, without ${ownHeaders.join(', ')}`);
  }
  return Object.fromEntries(
    Object.entries(raw as Record<string, string>).map(([name, value]) => [name.toLowerCase(), value]),
  );
};

/** Prefixes of model names: they end in `/` or `:`, so that none begins an ordinary name by accident. */
const prefixes: ValueReader<readonly string[]> = (raw) => {
  const items = list(raw);
  const wrong = new Wrong('a list of prefixes that end in "/" or ":", such as "groq/"');
  if (items instanceof Wrong || items.length === 0) return wrong;
  const lower = items.map((item) => item.toLowerCase());
  return lower.every((item) => /^[a-z\d][\w./-]*[/:]$/.test(item)) ? lower : wrong;
};

const parameters: ValueReader<readonly string[]> = (raw) => {
  const items = list(raw);
  if (!(items instanceof Wrong) && items.every((item) => requestParameters.includes(item))) return items;
  return new Wrong(`a list of some of ${requestParameters.join(', ')}`);
};

export const maxProviderKeys = 64;

export const isProviderKey = (text: string): boolean => /^[\x21-\x7e]+$/.test(text);

/** Keys with their weights: texts, or maps of `key` and `weight`. */
const apiKeys: ValueReader<readonly { readonly key: string; readonly weight: number }[]> = (raw) => {
  const wrong = new Wrong(
    `a list of 1 to ${maxProviderKeys} keys of printable ASCII without spaces, or of maps of \`key\` and \`weight\` (1 to 1000; default 1)`,
  );
  if (!Array.isArray(raw)) return wrong;
  // What a variable that is not set leaves is no key.
  const items = raw.filter((item) => item !== null && item !== '');
  const keys = items.map((item) => {
    const { key, weight = 1, ...others }: YamlMap = isMap(item) ? item : { key: item };
    const fits =
      typeof key === 'string' &&
      isProviderKey(key.trim()) &&
      typeof weight === 'number' &&
      Number.isInteger(weight) &&
      weight >= 1 &&
      weight <= 1_000 &&
      Object.keys(others).length === 0;
    return fits ? { key: key.trim(), weight } : null;
  });
  const read = keys.filter((key) => key !== null);
  return read.length === keys.length && keys.length >= 1 && keys.length <= maxProviderKeys ? read : wrong;
};

/** What a provider may have in the file. */
export const providerFields = {
  enabled: flag,
  form: oneOf(wireForms),
  base_url: address,
  api_key: text,
  api_keys: apiKeys,
  api_key_env: ((raw) =>
    typeof raw === 'string' && /^[A-Za-z_]\w*$/.test(raw)
      ? raw
      : new Wrong('the name of an environment variable')) as ValueReader<string>,
  organization: text,
  project: text,
  region: text,
  access_key_id: text,
  secret_access_key: text,
  session_token: text,
  endpoint: text,
  claude_api: oneOf(['converse', 'invoke']),
  prefixes,
  headers,
  timeouts: anyMap,
  max_concurrent: wholeNumber(0, 1_000_000),
  security_level: oneOf(securityLevels),
  discovery: flag,
  embeddings: oneOf(['base64', 'float', 'none']),
  responses: flag,
  free: flag,
  compaction: flag,
  dialect: anyMap,
  unsupported: parameters,
} as const;

export type ProviderFields = FieldsOf<typeof providerFields>;

/** What these mean, for the documentation. */
export const providerDocs: Readonly<Record<keyof typeof providerFields, string>> = {
  enabled: 'Whether it is there at all',
  form: 'Wire form: `openai` (chat completions), or the own API of that provider: `anthropic` (messages), `google` (Gemini, also on Vertex AI), `ollama`, `bedrock` (Converse)',
  base_url:
    "Address in the meaning of the provider's own SDK; one of Claude on Vertex ends in `/publishers/anthropic/models`",
  api_key: 'Key, best as a variable to be expanded; an environment variable wins over it',
  api_keys:
    'Several keys, instead of `api_key`: calls go to them by their weights, and one that the provider refuses is set aside for `upstream.key_rest`',
  api_key_env: 'Environment variable that holds the key',
  organization: 'Sent as `OpenAI-Organization`',
  project: 'Sent as `OpenAI-Project`',
  region: 'Form `bedrock`: AWS region, for the address and the signatures',
  access_key_id: 'Form `bedrock`: id of the access key that signs requests',
  secret_access_key: 'Form `bedrock`: the access key itself',
  session_token: 'Form `bedrock`: token of temporary credentials',
  endpoint:
    'Form `bedrock`: a proxy that takes `{prompt, model, max_tokens, system}`, instead of AWS; nothing is signed for it',
  claude_api:
    'Form `bedrock`: how Claude is spoken to, by Converse (the default) or, as `invoke`, in its own form',
  prefixes: 'Prefixes of model names that mean this provider and are stripped; `<name>/` when not given',
  headers: 'Sent with every request',
  timeouts:
    '`connect`, `first_byte`, `idle`: its own limits instead of those under `upstream`; `first_token` (until the first output) and `total` of one attempt, unbound when left out',
  max_concurrent: 'Most calls under way there, instead of `upstream.max_concurrent`',
  security_level: 'How far it may be trusted with sensitive text',
  discovery: 'Whether it is asked for its models',
  embeddings: 'How it is asked for vectors; `none` when it has no `/embeddings`',
  responses:
    'Form `openai`: whether it has `/responses`; without it the Responses API is served over its chat completions',
  free: 'Whether its answers cost nothing',
  compaction:
    'With `responses`: whether it has `/responses/compact`; without it the gateway has the model write a summary',
  dialect: "Differences from OpenAI's wire form",
  unsupported: 'Request parameters that it cannot take',
};

/** Differences from OpenAI's wire form; the codec's OpenAIChatDialect says what they mean. */
export const dialectFields = {
  max_tokens: oneOf(['as-given', 'max_tokens', 'max_completion_tokens']),
  reasoning_key: oneOf(['reasoning_content', 'reasoning']),
  history_reasoning: oneOf(['drop', 'send', 'required']),
  history_annotations: oneOf(['drop', 'send']),
  history_images: oneOf(['drop', 'send']),
  file_urls: oneOf(['refuse', 'send']),
  developer_role: oneOf(['keep', 'system']),
  stream_usage: flag,
  cache_marker: oneOf(['prompt_cache_breakpoint', 'cache_control', 'none']),
  reasoning_budget: oneOf(['reasoning.max_tokens', 'none']),
  tool_result_media: oneOf(['user-message', 'inline']),
} as const;

/** Reads them; their names become those of the codec, `max_tokens` `maxTokens`. */
export function readDialect(place: string, raw: unknown, problems: Problems): Record<string, unknown> {
  const fields = readFields(place, raw, dialectFields, problems) ?? {};
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [camelCase(name), value]));
}

export const camelCase = (name: string): string =>
  name.replace(/_(\w)/g, (_all, letter: string) => letter.toUpperCase());

const phase = duration(1, 3_600_000);

/** Limits of a provider or a model: `connect`, `first_byte`, `idle`, `first_token`, `total`. */
export function readTimeouts(place: string, raw: unknown, problems: Problems): TimeoutOverrides {
  const phases = { connect: phase, first_byte: phase, idle: phase, first_token: phase, total: phase };
  const fields = readFields(place, raw, phases, problems) ?? {};
  return {
    ...(fields.connect === undefined ? {} : { connectMs: fields.connect }),
    ...(fields.first_byte === undefined ? {} : { firstByteMs: fields.first_byte }),
    ...(fields.idle === undefined ? {} : { idleMs: fields.idle }),
    ...(fields.first_token === undefined ? {} : { firstTokenMs: fields.first_token }),
    ...(fields.total === undefined ? {} : { totalMs: fields.total }),
  };
}
