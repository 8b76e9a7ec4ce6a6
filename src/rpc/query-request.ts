import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { SensitivityReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import type { Prompt } from '../../gen/llmgateway/v1/query_service_pb.js';
import { anonymous, type Principal } from '../auth/principal.ts';
import { isObject, type Json } from '../codec/json.ts';
import { GatewayError, invalidRequest } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import type { Target } from './query-providers.ts';

/** Of queries that do not say, at models that do not reason. */
const usual = { temperature: 0.7, maxOutputTokens: 1_024 } as const;

/** What is asked of a model. @param reasons whether it reasons before it answers */
export function chatRequestOf(
  prompt: Prompt,
  { model, fallbacks }: Target,
  { sessionId, noStore, reasons }: { sessionId: string; noStore: boolean; reasons: boolean },
): CreateChatCompletionRequest {
  const context = prompt.contextJson === '' ? prompt.context : prompt.contextJson;
  const own = reasons ? {} : usual;
  const parameters = build.parameters({
    ...own,
    ...(prompt.temperature === undefined ? {} : { temperature: prompt.temperature }),
    ...(prompt.maxTokens === undefined ? {} : { maxOutputTokens: prompt.maxTokens }),
  });
  const messages = [
    ...(context === ''
      ? []
      : [build.message(Role.SYSTEM, [build.textPart(context)], { instructions: true })]),
    build.message(Role.USER, [build.textPart(prompt.prompt)]),
  ];
  const options = build.gatewayOptions({
    sessionId,
    noStore,
    forceRefresh: prompt.forceRefresh || noStore,
    fallbacks: [...fallbacks],
  });
  return build.chatRequest(model, messages, { parameters, options });
}

/**
 * @param at what comes before the names of fields in errors
 * @returns the members of its context; see contextOf
 * @throws GatewayError INVALID_REQUEST
 */
export function checkPrompt(prompt: Prompt, at: string): Json {
  if (prompt.prompt.trim() === '') throw invalidRequest(`${at}prompt`, `${at}prompt is empty`);
  if (!prompt.userId.isWellFormed())
    throw invalidRequest(`${at}user_id`, `${at}user_id is not valid Unicode`);
  if (prompt.contextJson === '') return contextOf(prompt);
  if (prompt.context !== '')
    throw invalidRequest(`${at}context_json`, `${at}context_json: there is context besides`);
  let json: unknown;
  try {
    json = JSON.parse(prompt.contextJson);
  } catch {
    json = null;
  }
  if (!isObject(json))
    throw invalidRequest(`${at}context_json`, `${at}context_json has to be the text of a JSON object`);
  return json;
}

/** The members of a checked context that is an object; of a text, it as `context`. */
export function contextOf({ context, contextJson }: Prompt): Json {
  if (contextJson !== '') return JSON.parse(contextJson) as Json;
  return context === '' ? {} : { context };
}

/** @param found what is known of the text; null where nobody looks. @param known somebody else found it sensitive */
export function noProvider(found: SensitivityReport | null, known: boolean): GatewayError {
  const isConfined = known || (found?.mode === 'route' && found.sensitive);
  const error = new GatewayError(
    isConfined ? ErrorReason.NO_SECURE_PROVIDER : ErrorReason.NO_PROVIDER_AVAILABLE,
    isConfined
      ? 'the request holds sensitive text, and no provider of security level high is available'
      : 'no provider is available: none of those that queries choose among has its key set or answers',
  );
  if (found !== null) error.sensitivity = found;
  return error;
}

/** Users that are kept as principals at most. */
const maxKept = 4_096;

/** Who asks, where clients are told apart by nothing but what they say: limits and the cache hold for users then. */
export class Users {
  readonly #kept = new Map<string, Principal>();

  principalOf(principal: Principal, userId: string): Principal {
    // What a key says of its owner holds.
    if (principal !== anonymous || userId === '' || userId === anonymous.owner) return principal;
    let known = this.#kept.get(userId);
    if (known === undefined) {
      if (this.#kept.size >= maxKept) this.#kept.clear();
      known = { ...anonymous, owner: userId };
      this.#kept.set(userId, known);
    }
    return known;
  }
}
