import type { ReceivedRequest } from '../http/support/upstream.ts';
import { chunked, STREAM_HEAD } from '../http/support/upstream.ts';
import { type Json, streamOf, type Turn } from './scripted-model.ts';

/** A stream of a response's events as its client reads it: frame by frame, byte for byte. */
export interface FrameReader {
  readonly status: number;
  /** Whole frames so far. */
  readonly frames: readonly string[];
  /** Whether the stream has ended, well or not. */
  readonly over: boolean;
  /** Waits until there are so many, or the stream is over. @returns all so far */
  read(count: number): Promise<readonly string[]>;
  /** Reads to the end. */
  rest(): Promise<readonly string[]>;
  /** Breaks the connection. */
  leave(): void;
}

/** Asks for a stream. */
export async function readFrames(url: string, body?: Json): Promise<FrameReader> {
  const leaving = new AbortController();
  const response = await fetch(url, {
    signal: leaving.signal,
    ...(body === undefined
      ? {}
      : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const frames: string[] = [];
  let over = false;
  let wake = Promise.withResolvers<void>();
  const pull = async (): Promise<void> => {
    let rest = '';
    try {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        const parts = `${rest}${chunk}`.split('\n\n');
        rest = parts.pop() ?? '';
        frames.push(...parts.filter((part) => !part.startsWith(':')).map((part) => `${part}\n\n`));
        wake.resolve();
        wake = Promise.withResolvers();
      }
    } catch {
      // The test has left, or the gateway was killed.
    }
    over = true;
    wake.resolve();
  };
  void pull();
  const read = async (count: number): Promise<readonly string[]> => {
    while (frames.length < count && !over) await wake.promise;
    return frames;
  };
  return {
    status: response.status,
    frames,
    get over() {
      return over;
    },
    read,
    rest: () => read(Number.POSITIVE_INFINITY),
    leave: () => leaving.abort(),
  };
}

export const streamResponse = (url: string, body: Json): Promise<FrameReader> =>
  readFrames(`${url}/v1/responses`, { stream: true, ...body });

/** @param after number of the last event that is known; none: all events */
export const resumeResponse = (url: string, id: string, after?: number): Promise<FrameReader> =>
  readFrames(`${url}/v1/responses/${id}?stream=true${after === undefined ? '' : `&starting_after=${after}`}`);

export const eventOf = (frame: string): Json => JSON.parse(frame.slice(frame.indexOf('data: ') + 6)) as Json;
export const eventsOf = (frames: readonly string[]): Json[] => frames.map(eventOf);
export const typesOf = (frames: readonly string[]): unknown[] => eventsOf(frames).map(({ type }) => type);
/** Id of the response that a stream is about. */
export const idIn = (frames: readonly string[]): string =>
  ((eventOf(frames[0] as string)['response'] as Json | undefined)?.['id'] as string | undefined) ?? '';

/** Without what is another one for every response: ids and times. */
export const alike = (frames: readonly string[]): string =>
  frames
    .join('')
    .replaceAll(idIn(frames).slice('resp_'.length), '')
    .replace(/"(created_at|completed_at)":\d+/g, '"$1":0');

/** What a route of a response says. */
export async function ask(
  method: string,
  url: string,
  body?: Json,
): Promise<{ status: number; json: Json & { error?: Json } }> {
  const response = await fetch(url, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Json };
}

export const responseAt = (url: string, id: string): string => `${url}/v1/responses/${id}`;

/** Reads a response until it has one of some statuses. */
export async function untilStatus(url: string, id: string, statuses: readonly string[]): Promise<Json> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const { json } = await ask('GET', responseAt(url, id));
    if (statuses.includes(String(json['status']))) return json;
    if (performance.now() > deadline) throw new Error(`still ${JSON.stringify(json)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** An upstream's answer that goes on when the test says so. */
export interface HeldAnswer {
  readonly request: ReceivedRequest;
  /** What has not been said yet, piece by piece. */
  readonly pieces: string[];
  /** Says the next pieces. */
  say(count?: number): void;
  /** Says the rest. */
  finish(): void;
}

/** Answers a streaming request of a model of OpenAI's form, with nothing said yet. */
export function holdAnswer(request: ReceivedRequest, turn: Turn): HeldAnswer {
  const whole = streamOf(turn).slice(STREAM_HEAD.length);
  const frames = whole.match(/data: .*\n\n/g) as string[];
  const pieces = [STREAM_HEAD, ...frames.map((frame) => chunked(frame)), '0\r\n\r\n'];
  const say = (count = 1): void => {
    for (const piece of pieces.splice(0, count)) request.socket.write(piece);
  };
  return { request, pieces, say, finish: () => say(pieces.length) };
}
