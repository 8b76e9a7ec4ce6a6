import { type Message, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { dialect } from './dialect.ts';
import { EncodeContext } from './encode-context.ts';
import { encodeMessages } from './encode-messages.ts';
import { encodeDetails } from './reasoning.ts';

/** All that the form has a place for. */
const whole = dialect({
  historyReasoning: 'send',
  historyImages: 'send',
  fileUrls: 'send',
  toolResultMedia: 'inline',
});

/**
 * A conversation for people and programs that read it, as JSON text: messages of this form, reasoning and its state included as in
 * answers. What the form has no place for (other dialects' keys and parts) is left out.
 */
export function encodeTranscript(messages: readonly Message[]): string {
  let list = '';
  for (const message of messages) {
    const items = encodeMessages([message], new EncodeContext(whole, { lenient: true })).slice(1, -1);
    if (items === '') continue;
    list += `${list === '' ? '' : ','}${withDetails(items, message)}`;
  }
  return `[${list}]`;
}

function withDetails(json: string, { role, parts }: Message): string {
  if (role !== Role.ASSISTANT || parts.some(({ content }) => content.case === 'toolResult')) return json;
  const details = encodeDetails(parts);
  return details === '' ? json : `${json.slice(0, -1)},"reasoning_details":${details}}`;
}
