import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import {
  type ItemPartDelta,
  type ItemPartEnded,
  ItemPartKind,
  type ItemPartStarted,
  type Response,
  type ResponseEvent,
} from '../../../gen/llmgateway/v1/responses_service_pb.js';
import { quote } from '../json.ts';
import { encodeAnnotation } from './annotations.ts';
import { dialectName } from './dialect.ts';
import { encodeContentPart } from './encode-content.ts';
import { encodeItem } from './encode-item.ts';
import { encodeResponse, includesState } from './encode-response.ts';
import { encodeLogprobs } from './logprobs.ts';
import { encodeStatus } from './status.ts';

/** One server-sent event. */
export interface WireEvent {
  readonly type: string;
  /** Its `data`: one line of JSON. */
  readonly data: string;
}

/**
 * An event of a response as the API's own. Needs no state, so that a stream can be taken up anywhere.
 * @param include what the client asked to see besides
 */
export function encodeEvent(event: ResponseEvent, include: readonly string[]): WireEvent {
  const { event: kind, sequenceNumber } = event;
  const wire = (type: string, members: string): WireEvent => ({
    type,
    data: `{"type":"${type}","sequence_number":${sequenceNumber}${members === '' ? '' : `,${members}`}}`,
  });
  switch (kind.case) {
    case 'status':
      return wire(statusType(kind.value, sequenceNumber), `"response":${encodeResponse(kind.value)}`);
    case 'itemStarted':
    case 'itemEnded': {
      const { outputIndex, item } = kind.value;
      const isEnd = kind.case === 'itemEnded';
      const form = { complete: true, withState: isEnd && includesState(include) };
      const json = item === undefined ? 'null' : encodeItem(item, form);
      return wire(
        `response.output_item.${isEnd ? 'done' : 'added'}`,
        `"output_index":${outputIndex},"item":${json}`,
      );
    }
    case 'partStarted':
      return wire(...started(kind.value));
    case 'delta':
      return wire(...grown(kind.value));
    case 'textEnded':
      return wire(...textEnded(kind.value));
    case 'partEnded':
      return wire(...partEnded(kind.value));
    case 'opaque': {
      const { type, sequence_number: _, ...members } = JSON.parse(kind.value.json) as Record<string, unknown>;
      return wire(String(type), JSON.stringify(members).slice(1, -1));
    }
    default:
      return wire('response.unknown', '');
  }
}

/** The first event says that the response was made, whatever its status. */
const statusType = ({ status }: Response, number: number): string =>
  number === 0 ? 'response.created' : `response.${encodeStatus(status)}`;

type Untyped = readonly [type: string, members: string];

interface Place {
  readonly itemId: string;
  readonly outputIndex: number;
}

const place = ({ itemId, outputIndex }: Place): string =>
  `"item_id":${quote(itemId)},"output_index":${outputIndex}`;

function started(value: ItemPartStarted): Untyped {
  const { kind, contentIndex, part } = value;
  if (kind === ItemPartKind.SUMMARY) {
    const summary = `${place(value)},"summary_index":${contentIndex}`;
    return ['response.reasoning_summary_part.added', `${summary},"part":{"type":"summary_text","text":""}`];
  }
  const at = `${place(value)},"content_index":${contentIndex}`;
  return ['response.content_part.added', `${at},"part":${encodePart(part, kind)}`];
}

function encodePart(part: Part | undefined, kind: ItemPartKind): string {
  if (part === undefined) return 'null';
  if (kind === ItemPartKind.REASONING) return `{"type":"reasoning_text","text":${quote(textOf(part))}}`;
  return encodeContentPart(part, 'output');
}

function textOf({ content }: Part): string {
  switch (content.case) {
    case 'text':
    case 'reasoning':
    case 'refusal':
      return content.value.text;
    case 'toolCall':
      return content.value.arguments;
    case 'audio':
      return content.value.transcript;
    default:
      return '';
  }
}

function grown(value: ItemPartDelta): Untyped {
  const { delta, kind, annotationIndex } = value;
  const at = `${place(value)},"content_index":${delta?.part ?? 0}`;
  const text = `"delta":${quote(delta?.text ?? '')}`;
  switch (kind) {
    case ItemPartKind.TEXT: {
      const [annotation] = delta?.annotations ?? [];
      if (annotation === undefined) {
        const probabilities = encodeLogprobs(delta?.logprobs?.content ?? []);
        return ['response.output_text.delta', `${at},${text},"logprobs":${probabilities}`];
      }
      const cited = `"annotation_index":${annotationIndex},"annotation":${encodeAnnotation(annotation)}`;
      return ['response.output_text.annotation.added', `${at},${cited}`];
    }
    case ItemPartKind.REFUSAL:
      return ['response.refusal.delta', `${at},${text}`];
    case ItemPartKind.REASONING:
      return ['response.reasoning_text.delta', `${at},${text}`];
    case ItemPartKind.SUMMARY: {
      const summary = `${place(value)},"summary_index":${delta?.part ?? 0}`;
      return ['response.reasoning_summary_text.delta', `${summary},${text}`];
    }
    case ItemPartKind.INPUT:
      return ['response.custom_tool_call_input.delta', `${place(value)},${text}`];
    case ItemPartKind.AUDIO:
      return delta?.text === ''
        ? ['response.audio.transcript.delta', `${at},"delta":${quote(delta.transcript)}`]
        : ['response.audio.delta', `${at},${text}`];
    default:
      return ['response.function_call_arguments.delta', `${place(value)},${text}`];
  }
}

function textEnded(value: ItemPartEnded): Untyped {
  const { kind, contentIndex, part } = value;
  const at = `${place(value)},"content_index":${contentIndex}`;
  const text = quote(part === undefined ? '' : textOf(part));
  switch (kind) {
    case ItemPartKind.TEXT:
      return ['response.output_text.done', `${at},"text":${text},"logprobs":${probabilitiesOf(part)}`];
    case ItemPartKind.REFUSAL:
      return ['response.refusal.done', `${at},"refusal":${text}`];
    case ItemPartKind.REASONING:
      return ['response.reasoning_text.done', `${at},"text":${text}`];
    case ItemPartKind.SUMMARY: {
      const summary = `${place(value)},"summary_index":${contentIndex}`;
      return ['response.reasoning_summary_text.done', `${summary},"text":${text}`];
    }
    case ItemPartKind.INPUT:
      return ['response.custom_tool_call_input.done', `${place(value)},"input":${text}`];
    case ItemPartKind.AUDIO:
      return ['response.audio.done', `${at},"transcript":${text}`];
    default: {
      const name = part?.content.case === 'toolCall' ? part.content.value.name : '';
      const members = `${place(value)},"name":${quote(name)},"arguments":${text}`;
      return ['response.function_call_arguments.done', members];
    }
  }
}

function partEnded(value: ItemPartEnded): Untyped {
  const { kind, contentIndex, part } = value;
  if (kind === ItemPartKind.SUMMARY) {
    const text = quote(part === undefined ? '' : textOf(part));
    const summary = `${place(value)},"summary_index":${contentIndex}`;
    return [
      'response.reasoning_summary_part.done',
      `${summary},"part":{"type":"summary_text","text":${text}}`,
    ];
  }
  const at = `${place(value)},"content_index":${contentIndex}`;
  return ['response.content_part.done', `${at},"part":${encodePart(part, kind)}`];
}

function probabilitiesOf(part: Part | undefined): string {
  const extras = part?.extras;
  if (extras === undefined || extras.dialect !== dialectName) return '[]';
  const { logprobs = [] } = JSON.parse(extras.json) as { logprobs?: unknown };
  return JSON.stringify(logprobs);
}
