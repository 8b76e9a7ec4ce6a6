import { hash } from 'node:crypto';
import type { DescMessage } from '@bufbuild/protobuf';
import {
  type CreateChatCompletionRequest,
  CreateChatCompletionRequestSchema,
  CreateChatCompletionResponseSchema,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import {
  type CreateEmbeddingsRequest,
  CreateEmbeddingsRequestSchema,
} from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import type { GatewayOptions, GenerationParameters } from '../../gen/llmgateway/v1/generation_pb.js';
import { GatewayOptionsSchema, GenerationParametersSchema } from '../../gen/llmgateway/v1/generation_pb.js';
import type { Extras } from '../../gen/llmgateway/v1/message_pb.js';
import { canonicalWriter, lengthAnd, type OwnWriters } from './canonical.ts';

/** What an answer hangs on besides what is asked. */
export interface Asked {
  /** Of whom it is asked: an answer is never another tenant's. */
  readonly tenant: string;
  /** In which API: one that the provider has as well answers by itself. */
  readonly api: string;
  /** Who may answer; see placesText. */
  readonly places: string;
}

/** To be raised when the same request may get another answer. Entries have only the fields that the contract had when they were made. */
const version = `v1.${contractOf(CreateChatCompletionResponseSchema)}`;

const nothing = (): string => '';
const noOwn: OwnWriters = new Map();

/** Written without what only says how the gateway itself goes about the call. */
const options = canonicalWriter(
  GatewayOptionsSchema,
  new Map([
    ['GatewayOptions.session_id', nothing],
    ['GatewayOptions.force_refresh', nothing],
    ['GatewayOptions.finish_when_abandoned', nothing],
    ['GatewayOptions.no_store', nothing],
  ]),
);
const parameters = canonicalWriter(GenerationParametersSchema, noOwn);

/** These two say the same when they are empty as when they are not there. */
const unlessEmpty = (written: string): string => (written === '' ? '' : `{${written}}`);

const own: OwnWriters = new Map<string, (value: never) => string>([
  ['CreateChatCompletionRequest.options', (value: GatewayOptions) => unlessEmpty(options(value as never))],
  [
    'CreateChatCompletionRequest.parameters',
    (value: GenerationParameters) => unlessEmpty(parameters(value as never)),
  ],
  ['CreateEmbeddingsRequest.force_refresh', nothing],
  ['CreateEmbeddingsRequest.no_store', nothing],
  ['Part.item_id', (value: string) => (isOwnItem.test(value) ? '' : lengthAnd(value))],
  ['Message.extras', extrasText],
  ['Part.extras', extrasText],
  ['Annotation.extras', extrasText],
  ['Tool.extras', extrasText],
  ['CreateChatCompletionRequest.extras', extrasText],
  ['CreateEmbeddingsRequest.extras', extrasText],
]);

/** Items that have no id get one of the gateway's, another one in each response; see responses/ids.ts. */
const isOwnItem = /^[a-z]+_[0-9a-f]{36}$/;

const chatText = canonicalWriter(CreateChatCompletionRequestSchema, own);
const embeddingsText = canonicalWriter(CreateEmbeddingsRequestSchema, own);

/** The key of a chat's answer. A stream and a whole have the same. */
export const chatKey = (asked: Asked, request: CreateChatCompletionRequest): string =>
  keyOf('chat', asked, chatText(request as never));

/** The key of vectors. */
export const embeddingsKey = (asked: Asked, request: CreateEmbeddingsRequest): string =>
  keyOf('embeddings', asked, embeddingsText(request as never));

/** Says which fields a message has, and the messages in it. */
export function contractOf(desc: DescMessage): string {
  const seen = new Map<string, string>();
  const visit = ({ typeName, fields }: DescMessage): void => {
    if (seen.has(typeName)) return;
    seen.set(typeName, fields.map(({ name, number, fieldKind }) => `${name}=${number}${fieldKind}`).join());
    for (const { message } of fields) if (message !== undefined) visit(message);
  };
  visit(desc);
  return hash('sha256', JSON.stringify([...seen])).slice(0, 12);
}

function keyOf(kind: string, { tenant, api, places }: Asked, request: string): string {
  const text = `${version}${kind}${lengthAnd(api)}${lengthAnd(tenant)}${lengthAnd(places)}${request}`;
  // UTF-8 has one character for all halves of characters.
  return hash('sha256', text.isWellFormed() ? text : Buffer.from(`\ud800${text}`, 'utf16le'), 'hex');
}

/** Members in any order are the same; but only where the text says no more than what is read from it. */
function extrasText({ dialect, json, repeatedKeys }: Extras): string {
  let same = json;
  try {
    const value: unknown = JSON.parse(json);
    if (JSON.stringify(value) === json) same = JSON.stringify(value, sorted);
  } catch {
    // As it is.
  }
  const repeated = repeatedKeys.length === 0 ? '' : [...repeatedKeys].sort().map(lengthAnd).join('');
  return `{${lengthAnd(dialect)}${lengthAnd(same)}${repeated}}`;
}

const sorted = (_key: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** Models by which a call may be answered. */
interface Places {
  readonly model: string;
  readonly deployments: readonly {
    readonly provider: { readonly name: string };
    readonly upstreamModel: string;
  }[];
  readonly fallbacks?: readonly Places[];
  readonly contextFallbacks?: readonly Places[];
}

const written = new WeakMap<Places, string>();

/** Who may answer, as a text. Plans are used again, and so is this. */
export function placesText(places: Places): string {
  let all = written.get(places);
  if (all !== undefined) return all;
  const { model, deployments, fallbacks = [], contextFallbacks = [] } = places;
  all = lengthAnd(model);
  for (const { provider, upstreamModel } of deployments) {
    all += lengthAnd(provider.name) + lengthAnd(upstreamModel);
  }
  for (const group of fallbacks) all += `|${placesText(group)}`;
  for (const group of contextFallbacks) all += `&${placesText(group)}`;
  written.set(places, all);
  return all;
}
