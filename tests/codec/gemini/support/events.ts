import { FinishReason, type Usage } from '../../../../gen/llmgateway/v1/completion_pb.js';
import type { Part } from '../../../../gen/llmgateway/v1/message_pb.js';
import { GeminiStreamDecoder } from '../../../../src/codec/gemini/decode-stream.ts';
import type { StreamEvent } from '../../../../src/model/events.ts';
import { SseFraming } from '../../../../src/providers/framed-event-stream.ts';

/** The events of a stream that arrives in pieces. */
export function decodePieces(pieces: Iterable<Buffer>): StreamEvent[] {
  const framing = new SseFraming();
  const decoder = new GeminiStreamDecoder({ provider: 'google' });
  const frames: string[] = [];
  const events: StreamEvent[] = [];
  const take = (): void => {
    for (const frame of frames.splice(0)) decoder.push(frame, events);
  };
  for (const piece of pieces) {
    framing.push(piece, frames);
    take();
  }
  framing.end(frames);
  take();
  decoder.end(events);
  return events;
}

/** The events of a stream's chunks. */
export function decodeChunks(...chunks: unknown[]): StreamEvent[] {
  return decodePieces([
    Buffer.from(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`).join('')),
  ]);
}

/** An answer's parts, put together, and how it ended. */
export interface Answer {
  readonly parts: Part[];
  readonly finish: string;
  readonly native: string;
  readonly usage: Usage | undefined;
}

/** Puts a stream of one choice together. Fails where its life cycle is not kept. */
export function assemble(events: readonly StreamEvent[]): Answer {
  const parts: Part[] = [];
  const open = new Set<number>();
  let finish = '';
  let native = '';
  let usage: Usage | undefined;
  const fail = (what: string): never => {
    throw new Error(what);
  };
  events.forEach(({ event }, i) => {
    if ((event.case === 'started') !== (i === 0)) fail('started is not first');
    if ((event.case === 'finished') !== (i === events.length - 1)) fail('finished is not last');
    switch (event.case) {
      case 'partStarted':
        if (event.value.part !== parts.length) fail('parts are not numbered in order');
        open.add(event.value.part);
        parts.push(structuredClone(event.value.content as Part));
        break;
      case 'delta': {
        if (!open.has(event.value.part)) fail('a delta of no open part');
        const { content } = parts[event.value.part] as Part;
        if (content.case === 'toolCall') content.value.arguments += event.value.text;
        else if (content.case === 'text') {
          content.value.text += event.value.text;
          content.value.annotations.push(...event.value.annotations);
        } else if (content.case === 'reasoning') content.value.text += event.value.text;
        else if (content.case === 'audio' && content.value.source.case === 'base64')
          content.value.source.value += event.value.text;
        break;
      }
      case 'partEnded': {
        if (!open.delete(event.value.part)) fail('a part ended twice');
        const { content } = parts[event.value.part] as Part;
        const final = event.value.final?.content;
        if (content.case === 'reasoning' && final?.case === 'reasoning') {
          content.value.signature = final.value.signature;
          content.value.format = final.value.format;
        } else if (content.case === 'toolCall' && final?.case === 'toolCall') {
          content.value.signature = final.value.signature;
        }
        break;
      }
      case 'choiceFinished':
        if (open.size > 0) fail('a part is open at the end');
        finish = FinishReason[event.value.finishReason];
        native = event.value.nativeFinishReason;
        break;
      case 'finished':
        usage = event.value.usage;
        break;
      default:
    }
  });
  return { parts, finish, native, usage };
}

export const textOf = (parts: readonly Part[]): string =>
  parts.map(({ content }) => (content.case === 'text' ? content.value.text : '')).join('');
export const thinkingOf = (parts: readonly Part[]): string =>
  parts.map(({ content }) => (content.case === 'reasoning' ? content.value.text : '')).join('');
export const callsOf = (parts: readonly Part[]) =>
  parts.flatMap(({ content }) => (content.case === 'toolCall' ? [content.value] : []));
