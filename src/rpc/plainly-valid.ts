import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { GenerationParameters, Tool } from '../../gen/llmgateway/v1/generation_pb.js';
import { type Message, type Part, Role } from '../../gen/llmgateway/v1/message_pb.js';

// Evaluating the rules of the proto files costs as much as everything else that is done to a small request. Most requests are plain,
// and this says so of those that keep every rule for certain. Of all others it says nothing: the rules decide.

/** Whether a request is so plain that it keeps all rules. Characters are counted as UTF-16 units, which are never fewer. */
export function isPlainlyValid(request: PlainRequest): boolean {
  const { model, messages, tools, toolChoice, parameters, options, extras } = request;
  if (toolChoice !== undefined || options !== undefined || extras !== undefined) return false;
  if (model.length === 0 || model.length > 512) return false;
  if (messages.length === 0 || messages.length > 1_000 || tools.length > 100) return false;
  for (let i = 0; i < messages.length; i++) if (!isPlainMessage(messages[i] as Message)) return false;
  for (let i = 0; i < tools.length; i++) if (!isPlainTool(tools[i] as Tool)) return false;
  return parameters === undefined || arePlain(parameters);
}

/** What the unary and the streaming request have in common. */
type PlainRequest = Omit<CreateChatCompletionRequest, '$typeName' | '$unknown'>;

function isPlainMessage({ role, parts, name, extras }: Message): boolean {
  if (role < Role.SYSTEM || role > Role.FUNCTION || extras !== undefined) return false;
  if (name.length > 256 || parts.length > 1_000) return false;
  for (let i = 0; i < parts.length; i++) {
    const { content, extras: more } = parts[i] as Part;
    if (more !== undefined) return false;
    switch (content.case) {
      case 'text':
        if (content.value.annotations.length > 0) return false;
        break;
      case 'reasoning':
      case 'refusal':
        break;
      case 'toolCall':
        if (content.value.id.length > 512 || content.value.name.length > 256) return false;
        break;
      default:
        return false;
    }
  }
  return true;
}

function isPlainTool({ kind, extras }: Tool): boolean {
  if (kind.case !== 'function' || extras !== undefined) return false;
  const { name } = kind.value;
  return name.length > 0 && name.length <= 128;
}

const within = (value: number | undefined, least: number, most: number): boolean =>
  value === undefined || (value >= least && value <= most);

/** Fields with rules, but for the ones above, that a plain request does not set. */
function arePlain(p: GenerationParameters): boolean {
  if (p.responseFormat !== undefined || p.n !== undefined || p.seed !== undefined) return false;
  if (p.modalities.length > 0 || p.stop.length > 64 || p.topLogprobs !== undefined) return false;
  for (const _ in p.logitBias) return false;
  for (const _ in p.metadata) return false;
  return (
    within(p.temperature, 0, 2) &&
    within(p.topP, 0, 1) &&
    within(p.presencePenalty, -2, 2) &&
    within(p.frequencyPenalty, -2, 2) &&
    within(p.maxOutputTokens, 1, 0xffff_ffff) &&
    p.reasoningEffort.length <= 32 &&
    p.verbosity.length <= 32 &&
    p.serviceTier.length <= 64
  );
}
