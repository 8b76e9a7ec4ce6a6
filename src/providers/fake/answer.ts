import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import { type Message, type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import type { Behaviour } from './behaviour.ts';

/** What a fake model says, whole. */
export interface Answer {
  readonly parts: Part[];
  readonly finish: FinishReason;
}

/** The answer to a request: the same for the same request and behaviour. */
export function answerTo(request: CreateChatCompletionRequest, behaviour: Behaviour): Answer {
  const asked = textOf(request.messages.findLast((message) => message.role === Role.USER));
  const said = stretch(asked === '' ? 'Hello.' : asked, behaviour.words);
  const toolAnswered = request.messages.at(-1)?.parts.some(({ content }) => content.case === 'toolResult');
  switch (behaviour.kind) {
    case 'tools':
      if (toolAnswered) return spoken(`The tool said: ${textOf(request.messages.at(-1))}`, behaviour);
      return mayCall(request) ? calls(request, behaviour) : spoken(said, behaviour);
    case 'reasoning': {
      const thought = build.part({ case: 'reasoning', value: build.reasoning('The user said something. ') });
      return { parts: [thought, build.textPart(said)], finish: behaviour.finish };
    }
    case 'json':
      return spoken(JSON.stringify({ answer: said }), behaviour);
    case 'refuse': {
      const declined = build.refusal("I can't help with that.");
      return { parts: [build.part({ case: 'refusal', value: declined })], finish: behaviour.finish };
    }
    default:
      return spoken(said, behaviour);
  }
}

const mayCall = ({ tools, toolChoice }: CreateChatCompletionRequest): boolean =>
  tools.length > 0 && toolChoice?.mode !== ToolChoice_Mode.NONE;

const spoken = (text: string, behaviour: Behaviour): Answer => ({
  parts: [build.textPart(text)],
  finish: behaviour.finish,
});

/** Calls of the request's first functions, in turn, with every required string argument given. */
function calls(request: CreateChatCompletionRequest, behaviour: Behaviour): Answer {
  const parts: Part[] = [];
  const turn = request.messages.length;
  for (let i = 0; i < behaviour.calls; i++) {
    const kind = request.tools[i % request.tools.length]?.kind;
    if (kind?.case === 'function') {
      const args = JSON.stringify(sampleArguments(kind.value.parametersJson));
      const call = build.toolCall(`call_fake_${turn}_${i}`, kind.value.name, args);
      parts.push(build.part({ case: 'toolCall', value: call }));
    } else if (kind?.case === 'custom') {
      const call = build.toolCall(`call_fake_${turn}_${i}`, kind.value.name, 'sample input', {
        custom: true,
      });
      parts.push(build.part({ case: 'toolCall', value: call }));
    }
  }
  const finish = behaviour.finish === FinishReason.STOP ? FinishReason.TOOL_CALLS : behaviour.finish;
  return { parts, finish };
}

const samples: Readonly<Record<string, unknown>> = {
  string: 'sample',
  integer: 1,
  number: 1.5,
  boolean: true,
  array: [],
  object: {},
};

function sampleArguments(schemaJson: string): Record<string, unknown> {
  if (schemaJson === '') return {};
  const schema = JSON.parse(schemaJson) as {
    properties?: Record<string, { type?: unknown; enum?: unknown }>;
  };
  const args: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (Array.isArray(property?.enum)) args[name] = property.enum[0];
    else args[name] = samples[typeof property?.type === 'string' ? property.type : 'string'] ?? null;
  }
  return args;
}

function textOf(message: Message | undefined): string {
  let text = '';
  for (const part of message?.parts ?? []) {
    if (part.content.case === 'text') text += part.content.value.text;
    if (part.content.case === 'toolResult') {
      for (const inner of part.content.value.parts) {
        if (inner.content.case === 'text') text += inner.content.value.text;
      }
    }
  }
  return text;
}

/** The text's words, repeated or cut to `count`; the text itself when no count is given. */
function stretch(text: string, count: number | null): string {
  if (count === null) return text;
  const words = text.split(/\s+/).filter((word) => word !== '');
  if (words.length === 0) return text;
  return Array.from({ length: count }, (_, i) => words[i % words.length]).join(' ');
}

/** Words of a request and of an answer: the fake's tokens. */
export function countWords(
  request: CreateChatCompletionRequest,
  answer: Pick<Answer, 'parts'>,
): [number, number] {
  const words = (text: string) => text.split(/\s+/).filter((word) => word !== '').length;
  let prompt = 0;
  for (const message of request.messages) prompt += words(textOf(message));
  let completion = 0;
  for (const { content } of answer.parts) {
    if (content.case === 'toolCall') completion += words(`${content.value.name} ${content.value.arguments}`);
    else if (content.case === 'text' || content.case === 'reasoning' || content.case === 'refusal') {
      completion += words(content.value.text);
    }
  }
  return [prompt, completion];
}
