import type { Item, ResponseParameters } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { isObject } from '../codec/json.ts';
import { validateJsonTexts } from '../codec/openai-chat/json-texts.ts';
import { type GatewayError, invalidRequest, toGatewayError } from '../errors/gateway-error.ts';
import { chatRequestOf } from '../responses/chat-request.ts';
import { checkTogether } from './check-request.ts';

/**
 * Checks what the rules of the proto files cannot say: texts that have to be JSON, and how fields go together.
 * @throws GatewayError INVALID_REQUEST that names the field
 */
export function checkResponseParameters(asked: ResponseParameters): void {
  const at = 'parameters';
  if (asked.previousResponseId !== '' && asked.conversationId !== '') {
    throw invalidRequest(
      `${at}.conversation_id`,
      'previous_response_id and conversation_id exclude each other',
    );
  }
  if (asked.promptJson !== '') checkObject(asked.promptJson, `${at}.prompt_json`);
  if (asked.extras !== undefined) checkObject(asked.extras.json, `${at}.extras.json`);
  for (const [i, item] of asked.input.entries()) checkItem(item, `${at}.input[${i}]`);
  const known = asked.input.filter(({ kind }) => kind.case !== 'reference');
  try {
    const request = chatRequestOf({ ...asked, input: known }, []);
    validateJsonTexts(request);
    // Results may answer calls of the history, and choices may name its tools.
    checkTogether({ ...request, messages: [] });
  } catch (error) {
    throw renamed(toGatewayError(error));
  }
}

/** Items given to a conversation. @throws GatewayError INVALID_REQUEST */
export function checkItems(items: readonly Item[], at: string): void {
  items.forEach((item, i) => {
    checkItem(item, `${at}[${i}]`);
    if (item.kind.case === 'reference') {
      throw invalidRequest(`${at}[${i}]`, `Invalid '${at}[${i}]': a conversation takes items themselves.`);
    }
  });
}

function checkItem({ kind, extras }: Item, at: string): void {
  if (extras !== undefined) checkObject(extras.json, `${at}.extras.json`);
  if (kind.case === 'opaque') checkObject(kind.value.json, `${at}.opaque.json`);
  if (kind.case === 'toolCall' && (kind.value.id === '' || kind.value.name === '')) {
    throw invalidRequest(`${at}.tool_call`, `Invalid '${at}.tool_call': expected an id and a name.`);
  }
  if (kind.case === 'toolResult' && kind.value.toolCallId === '') {
    const field = `${at}.tool_result.tool_call_id`;
    throw invalidRequest(field, `Invalid '${field}': expected the id of the call that is answered.`);
  }
}

function checkObject(text: string, field: string): void {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  if (!isObject(json))
    throw invalidRequest(field, `Invalid '${field}': expected the JSON text of an object.`);
}

/** The same error with the field where a response's client wrote it. */
function renamed(error: GatewayError): GatewayError {
  const { field = '' } = error.facts;
  if (field === '') return error;
  const own = field.startsWith('messages') ? 'parameters.input' : `parameters.${field}`;
  return invalidRequest(own, error.rawMessage.replaceAll(field, own));
}
