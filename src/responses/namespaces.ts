import { createHash } from 'node:crypto';
import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { type Tool, ToolChoice_Mode } from '../../gen/llmgateway/v1/generation_pb.js';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import { decodeTools } from '../codec/openai-responses/decode-tools.ts';
import { dialectName } from '../codec/openai-responses/dialect.ts';
import * as build from '../model/build.ts';
import { itemKey } from '../model/items.ts';

// The client's functions may stand in namespaces: those of one MCP server, for example. Providers without this API know none: there each
// function has the namespace in its name, and its calls lose it again.

/** What a function is called by its client. */
interface Place {
  readonly namespace: string;
  readonly name: string;
}

/** Functions by the names that the provider has them under. */
export type Places = ReadonlyMap<string, Place>;

/** The most that a name may have at every provider. */
const maxName = 64;
const hashLength = 8;
const key = 'namespace';

/** The same at all times, so that a conversation goes on. */
function flatName(namespace: string, name: string): string {
  const glue = namespace.endsWith('__') ? '' : '__';
  const whole = `${namespace}${glue}${name}`;
  const plain = whole.replace(/[^A-Za-z0-9_-]/g, '_');
  if (plain === whole && plain.length <= maxName) return plain;
  const hash = createHash('sha256').update(whole).digest('hex').slice(0, hashLength);
  return `${plain.slice(0, maxName - hashLength - 1)}_${hash}`;
}

/** A request without namespaces. @throws GatewayError INVALID_REQUEST that names the tool */
export function withoutNamespaces(request: CreateChatCompletionRequest): {
  readonly request: CreateChatCompletionRequest;
  readonly places: Places;
} {
  const places = new Map<string, Place>();
  const tools = request.tools.flatMap((tool, i) => flat(tool, `tools[${i}]`, places));
  let isChanged = places.size > 0;
  const messages = request.messages.map((message) => {
    if (!message.parts.some(isPlaced)) return message;
    isChanged = true;
    return { ...message, parts: message.parts.map((part) => (isPlaced(part) ? flatCall(part) : part)) };
  });
  if (!isChanged) return { request, places };
  return { request: { ...request, tools, messages, ...choiceOf(request, places) }, places };
}

function flat(tool: Tool, at: string, places: Map<string, Place>): Tool[] {
  const { kind } = tool;
  if (kind.case !== 'hosted' || kind.value.dialect !== dialectName || kind.value.type !== key) return [tool];
  const { name: namespace, description, tools } = JSON.parse(kind.value.json) as Record<string, unknown>;
  const inner = decodeTools(tools ?? [], `${at}.tools`);
  for (const [i, { kind: one }] of inner.entries()) {
    if (one.case !== 'function' && one.case !== 'custom') continue;
    const { name } = one.value;
    one.value.name = flatName(String(namespace), name);
    places.set(one.value.name, { namespace: String(namespace), name });
    // What holds for all of them is said once.
    if (i > 0 || typeof description !== 'string' || description === '') continue;
    const whole = `(${String(namespace)}: ${description})`;
    one.value.description = one.value.description === '' ? whole : `${one.value.description}\n\n${whole}`;
  }
  return inner;
}

const isPlaced = ({ content, extras }: Part): boolean =>
  content.case === 'toolCall' && extras?.dialect === dialectName && extras.json.includes(`"${key}"`);

/** A call of an earlier turn, under the name that its function has now. */
function flatCall(part: Part): Part {
  const { content, extras, ...others } = part;
  if (content.case !== 'toolCall' || extras === undefined) return part;
  const members = JSON.parse(extras.json) as Record<string, Record<string, unknown> | undefined>;
  const { [key]: namespace, ...own } = members[itemKey] ?? {};
  if (typeof namespace !== 'string') return part;
  const { [itemKey]: _, ...rest } = members;
  const left = Object.keys(own).length === 0 ? rest : { ...rest, [itemKey]: own };
  return {
    ...others,
    content: { case: 'toolCall', value: { ...content.value, name: flatName(namespace, content.value.name) } },
    ...(Object.keys(left).length === 0 ? {} : { extras: build.extras(dialectName, JSON.stringify(left)) }),
  };
}

/** A choice names the function alone. */
function choiceOf(
  { toolChoice, tools }: CreateChatCompletionRequest,
  places: Places,
): Pick<CreateChatCompletionRequest, 'toolChoice'> | object {
  if (toolChoice?.mode !== ToolChoice_Mode.NAMED) return {};
  const isPlain = ({ kind }: Tool): boolean =>
    (kind.case === 'function' || kind.case === 'custom') && kind.value.name === toolChoice.name;
  if (tools.some(isPlain)) return {};
  for (const [name, place] of places) {
    if (place.name === toolChoice.name) return { toolChoice: { ...toolChoice, name } };
  }
  return {};
}

/** A part of the answer: a call with its client's names, anything else as it is. */
export function placed(part: Part, places: Places): Part {
  const { content } = part;
  const known = content.case === 'toolCall' ? places.get(content.value.name) : undefined;
  if (content.case !== 'toolCall' || known === undefined) return part;
  const members = part.extras?.dialect === dialectName ? JSON.parse(part.extras.json) : {};
  const item = { ...members[itemKey], [key]: known.namespace };
  return {
    ...part,
    content: { case: 'toolCall', value: { ...content.value, name: known.name } },
    extras: build.extras(dialectName, JSON.stringify({ ...members, [itemKey]: item })),
  };
}
