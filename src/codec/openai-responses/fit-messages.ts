import { type Message, type Part, Role, type ToolResult } from '../../../gen/llmgateway/v1/message_pb.js';
import type { EncodeWarnings } from '../encode-warnings.ts';
import { forProvider } from './compaction.ts';
import { dialectName, isGatewayItemId, stateFormat, stateFormatOf } from './dialect.ts';

/** Whose the request is. */
export interface FitTarget {
  /** Its name: what only the provider itself can read goes back to it alone. */
  readonly provider: string;
  /** It keeps nothing: what it said before without its state it does not know any more. */
  readonly stateless: boolean;
}

/** What is the same for all parts of a request. */
interface Fit extends FitTarget {
  readonly warnings: EncodeWarnings;
  /** Ids of calls of custom tools: their results are items of another type. */
  readonly custom: ReadonlySet<string>;
  /** Ids of items of reasoning whose state is there. */
  readonly stated: ReadonlySet<string>;
}

/**
 * Messages without what this API has no place for: other providers' reasoning and state, other dialects' keys and parts. Everything that
 * is left out is reported.
 * @throws GatewayError UNSUPPORTED_PARAMETER for a conversation that another provider compacted
 */
export function fitMessages(
  messages: readonly Message[],
  warnings: EncodeWarnings,
  target: FitTarget,
): Message[] {
  const fit: Fit = { ...target, warnings, ...idsIn(messages) };
  return messages.map((message, i) => {
    const at = `messages[${i}]`;
    warnings.members(message.extras, at);
    if (message.name !== '' && message.role !== Role.FUNCTION) {
      warnings.warn('dropped_name', at, 'participants have no names here');
    }
    const parts = message.parts.flatMap((part) =>
      isUnsayable(part, message.role, target) ? unsaid(warnings, at) : fitPart(part, fit, at),
    );
    return { ...message, parts };
  });
}

/** A picture of an answer that the provider did not give: messages of answers have none, and of its items only OpenAI takes others'. */
function isUnsayable({ content }: Part, role: Role, { provider }: FitTarget): boolean {
  if (role !== Role.ASSISTANT) return false;
  if (content.case === 'image') return true;
  if (content.case !== 'opaque' || content.value.type !== 'image_generation_call') return false;
  const { id, result } = JSON.parse(content.value.json) as Record<string, unknown>;
  return isGatewayItemId(String(id)) && (provider !== 'openai' || result === null);
}

function unsaid(warnings: EncodeWarnings, at: string): Part[] {
  warnings.warn('dropped_part', at, 'the provider does not take pictures of earlier answers back');
  return [];
}

function idsIn(messages: readonly Message[]): Pick<Fit, 'custom' | 'stated'> {
  const custom = new Set<string>();
  const stated = new Set<string>();
  for (const { parts } of messages) {
    for (const { content } of parts) {
      if (content.case === 'toolCall' && content.value.custom) custom.add(content.value.id);
      else if (content.case === 'reasoning' && content.value.encrypted !== '') stated.add(content.value.id);
    }
  }
  return { custom, stated };
}

function fitPart(part: Part, fit: Fit, at: string): Part[] {
  const { content } = part;
  const { warnings } = fit;
  warnings.members(part.extras, at);
  switch (content.case) {
    case 'reasoning': {
      const { format, text, signature, encrypted } = content.value;
      if (isOwn(content.value, fit)) {
        return [
          { ...part, content: { case: 'reasoning', value: { ...content.value, format: stateFormat } } },
        ];
      }
      const hasState = signature !== '' || encrypted !== '';
      if (text !== '') warnings.warn('dropped_reasoning', at, 'the provider takes only reasoning of its own');
      if (hasState)
        warnings.warn('dropped_reasoning_state', at, `state of ${format} is not for this provider`);
      return [];
    }
    case 'toolResult':
      return [{ ...part, content: { case: 'toolResult', value: fitResult(content.value, fit, at) } }];
    case 'opaque': {
      if (content.value.dialect !== dialectName) {
        warnings.warn(
          'dropped_part',
          at,
          `a part of ${content.value.dialect} has no place in ${dialectName}`,
        );
        return [];
      }
      const value = forProvider(content.value, fit.provider);
      if (value !== null) return [{ ...part, content: { case: 'opaque', value } }];
      warnings.refuse('part', at, 'only the provider that compacted the conversation can read it');
      return [];
    }
    default:
      return [part];
  }
}

/** Whether reasoning is the provider's, in a form in which it can be given back. */
function isOwn(reasoning: Extract<Part['content'], { case: 'reasoning' }>['value'], fit: Fit): boolean {
  const { id, format, signature, encrypted, summary } = reasoning;
  const isUnmarked = format === '' || format === stateFormat;
  if (format === stateFormatOf(fit.provider)) {
    // A summary alone refers to what the provider has kept.
    return encrypted !== '' || !fit.stateless || !summary || (id !== '' && fit.stated.has(id));
  }
  // Without an id of a provider's it is none of this API's items.
  if (!isUnmarked || signature !== '' || encrypted !== '') return false;
  return id !== '' && !isGatewayItemId(id) && !fit.stated.has(id) && !(fit.stateless && summary);
}

function fitResult(result: ToolResult, fit: Fit, at: string): ToolResult {
  const { warnings, custom } = fit;
  if (result.isError)
    warnings.warn('dropped_is_error', at, 'that a tool failed can only be said in its text');
  const parts = result.parts.flatMap((part) => fitPart(part, fit, at));
  return { ...result, parts, custom: result.custom || custom.has(result.toolCallId) };
}
