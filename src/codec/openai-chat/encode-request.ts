import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { Warning } from '../../../gen/llmgateway/v1/completion_pb.js';
import { quote, rest, splitMembers } from '../json.ts';
import type { OpenAIChatDialect } from './dialect.ts';
import { EncodeContext } from './encode-context.ts';
import { encodeMessages } from './encode-messages.ts';
import { encodeParameters } from './encode-parameters.ts';
import { type EncodedTools, encodeToolChoice, encodeTools } from './encode-tools.ts';

export interface EncodeRequestOptions {
  /** The model's name at the provider. */
  readonly model: string;
  readonly stream: boolean;
  readonly dialect: OpenAIChatDialect;
}

export interface EncodedChatRequest {
  /** JSON text. The same request gives the same bytes, and JSON text within it stays as it was. */
  readonly body: string;
  /** What the form could not carry. */
  readonly warnings: Warning[];
}

/** Writes the body of POST /chat/completions. What is asked of the gateway itself is not in it. */
export function encodeChatRequest(
  request: CreateChatCompletionRequest,
  { model, stream, dialect }: EncodeRequestOptions,
): EncodedChatRequest {
  const context = new EncodeContext(dialect, { dropParams: request.options?.dropParams });
  const { inner: format, outer: members } = splitMembers(
    context.members(request.extras, 'extras'),
    'response_format',
  );
  let body = `{"model":${quote(model)},"messages":${encodeMessages(request.messages, context)}`;
  // In the older form they are among the members.
  const asFunctions = request.parameters?.legacyFunctions === true && hasFunctions(members);
  const { list: tools, choice } = asFunctions ? noTools : encodeTools(request, context);
  if (tools !== '') body += `,"tools":[${tools}]`;
  if (choice !== undefined && (tools !== '' || request.tools.length === 0)) {
    body += `,"tool_choice":${encodeToolChoice(choice)}`;
  }
  if (request.parameters !== undefined) body += encodeParameters(request.parameters, context, format);
  if (stream) {
    body += dialect.streamUsage ? ',"stream":true,"stream_options":{"include_usage":true}' : ',"stream":true';
  }
  return { body: `${body}${rest(members)}}`, warnings: context.warnings };
}

const noTools: EncodedTools = { list: '', choice: undefined };

const hasFunctions = (members: string): boolean =>
  members.includes('"functions"') && Object.hasOwn(JSON.parse(`{${members}}`) as object, 'functions');
