import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { Warning } from '../../../gen/llmgateway/v1/completion_pb.js';
import {
  type GenerationParameters,
  type ResponseFormat,
  type ToolChoice,
  ToolChoice_Mode,
} from '../../../gen/llmgateway/v1/generation_pb.js';
import { unsupportedParameter } from '../../errors/gateway-error.ts';
import { quote } from '../json.ts';
import { dialectName, type GeminiDialect } from './dialect.ts';
import { encodeConfig } from './encode-config.ts';
import { encodeMessages } from './encode-contents.ts';
import { EncodeContext } from './encode-context.ts';
import { encodeToolChoice, encodeTools } from './encode-tools.ts';
import { Members } from './members.ts';

export interface EncodeRequestOptions {
  /** The model's name at the provider: what it can take hangs on it. */
  readonly model: string;
  readonly dialect: GeminiDialect;
}

export interface EncodedGeminiRequest {
  /** JSON text. The same request gives the same bytes; the arguments of calls within it stay as they were. */
  readonly body: string;
  /** What the form could not carry. */
  readonly warnings: Warning[];
}

/**
 * Writes the body of models.generateContent and streamGenerateContent. Members in Gemini's own words (`safetySettings`,
 * `cachedContent`, `labels`, parts of `generationConfig`, …) come from the request's extras and win over typed fields.
 * @throws GatewayError INVALID_REQUEST for what the model cannot take and the request would make no sense without
 */
export function encodeGeminiRequest(
  request: CreateChatCompletionRequest,
  { model, dialect }: EncodeRequestOptions,
): EncodedGeminiRequest {
  const context = new EncodeContext(dialect, model, request.options?.dropParams);
  const own = new Members().addAll(context.members(request.extras, 'extras'));
  const { system, contents } = encodeMessages(request.messages, context);
  const ownConfig = own.takeObject('generationConfig');
  const { list, choice } = encodeTools(request, context);
  const { tools, parameters } = withoutClash(request.parameters, list, choice, ownConfig, context);
  const config = encodeConfig(parameters, context, ownConfig);
  const body = new Members();
  if (system !== '') body.set('systemInstruction', system);
  body.set('contents', contents);
  if (tools !== '') {
    body.set('tools', `[${tools}]`);
    const toolConfig = new Members();
    if (choice !== undefined) toolConfig.set('functionCallingConfig', encodeToolChoice(choice, context));
    toolConfig.addAll(own.takeObject('toolConfig'));
    if (toolConfig.size > 0) body.set('toolConfig', toolConfig.toString());
  }
  if (config !== '') body.set('generationConfig', config);
  const tier = tierOf(parameters?.serviceTier ?? '', context);
  if (tier !== '') body.set('serviceTier', quote(tier));
  body.addAll(own.toString().slice(1, -1));
  return { body: body.toString(), warnings: context.warnings };
}

const jsonType = '"application/json"';

/**
 * Models before Gemini 3 refuse tools together with an answer in JSON. Where no tool may be called, leaving the tools out says
 * the same by Google's own word; otherwise it is the answer's form that cannot be had.
 * @param ownConfig `generationConfig` in the client's own words, which stay
 */
function withoutClash(
  parameters: GenerationParameters | undefined,
  tools: string,
  choice: ToolChoice | undefined,
  ownConfig: string,
  context: EncodeContext,
): { readonly tools: string; readonly parameters: GenerationParameters | undefined } {
  const inOwnWords = ownConfig.includes(`"responseMimeType":${jsonType}`);
  const asIs = { tools, parameters };
  if (tools === '' || context.family.toolsWithJson) return asIs;
  if (!inOwnWords && !isJson(parameters?.responseFormat)) return asIs;
  if (choice?.mode === ToolChoice_Mode.NONE) return { tools: '', parameters };
  const field = 'response_format';
  const why = 'this model takes no tools together with an answer in JSON; Gemini 3 and later do';
  if (inOwnWords) throw unsupportedParameter(field, `Unsupported '${field}': ${why}`);
  context.refuse(field, field, why);
  const { responseFormat: _, ...others } = parameters as GenerationParameters;
  return { tools, parameters: others };
}

function isJson(format: ResponseFormat | undefined): boolean {
  const kind = format?.kind;
  if (kind?.case === 'opaque')
    return kind.value.dialect === dialectName && kind.value.json.includes(jsonType);
  return kind?.case === 'jsonObject' || kind?.case === 'jsonSchema';
}

/** Names of the tiers. Source: the SDK's ServiceTier. */
function tierOf(tier: string, context: EncodeContext): string {
  switch (tier) {
    case '':
    case 'auto':
      return '';
    case 'default':
      return 'standard';
    case 'flex':
    case 'priority':
    case 'standard':
      return tier;
    default:
      context.hint('dropped_service_tier', 'parameters.service_tier', 'Gemini has no such tier');
      return '';
  }
}
