import { describe, expect, test } from 'vitest';
import { decodeItem } from '../../../src/codec/openai-responses/decode-item.ts';
import { decodeResponseRequest } from '../../../src/codec/openai-responses/decode-request.ts';
import { decodeResponse } from '../../../src/codec/openai-responses/decode-response.ts';
import { ResponseStreamDecoder } from '../../../src/codec/openai-responses/decode-stream.ts';
import { encodeEvent } from '../../../src/codec/openai-responses/encode-event.ts';
import { encodeItem } from '../../../src/codec/openai-responses/encode-item.ts';
import { encodeResponseRequest } from '../../../src/codec/openai-responses/encode-request.ts';
import { encodeResponse } from '../../../src/codec/openai-responses/encode-response.ts';
import { responseParameters } from '../../../src/model/build-responses.ts';
import { completionEvents } from '../../../src/model/completion-events.ts';
import type { StreamEvent } from '../../../src/model/events.ts';
import { itemsOf, messagesOf } from '../../../src/model/items.ts';
import { chatRequestOf } from '../../../src/responses/chat-request.ts';
import { LifeCycle } from '../../../src/responses/life-cycle.ts';
import { newResponse } from '../../../src/responses/new-response.ts';
import { type Recording, recordings } from '../../support/recordings.ts';
import { checkEvents, type Json } from '../../support/response-machine.ts';

const recorded = recordings().filter(({ endpoint }) => endpoint === 'responses');
/** An answer without output: an error, whatever its status. */
const failed = ({ derived, kind }: Recording): boolean =>
  derived.error !== undefined || kind === 'error-in-200';
const answers = recorded.filter((recording) => !failed(recording));

/** Without members that say nothing. */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, member]) => member !== null && key !== 'obfuscation' && key !== 'cache_write_tokens')
      .map(([key, member]) => [key, clean(member)]),
  );
}

const frames = ({ response }: Recording): string[] =>
  response.bytes
    .toString()
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice('data: '.length));

/** The response as it was in the end. */
function whole(recording: Recording): Json {
  if (!recording.stream) return JSON.parse(recording.response.bytes.toString()) as Json;
  const last = JSON.parse(frames(recording).at(-1) as string) as Json;
  return last['response'] as Json;
}

/** The recorded answer on its way through the model and back. */
async function through(recording: Recording): Promise<{ events: Json[]; response: Json }> {
  const asked =
    recording.request.json === null
      ? responseParameters('m', [])
      : decodeResponseRequest(recording.request.json).parameters;
  const response = newResponse('resp_1', 1, asked);
  const lifeCycle = new LifeCycle({ response, newId: (prefix) => `${prefix}_new`, now: () => 2 });
  const out: Parameters<LifeCycle['begin']>[0] = [];
  lifeCycle.announce(out);
  lifeCycle.begin(out);
  if (recording.stream) {
    const decoder = new ResponseStreamDecoder({ provider: 'openai' });
    for (const frame of frames(recording)) {
      const events: StreamEvent[] = [];
      decoder.push(frame, events);
      lifeCycle.add(events, out);
    }
    decoder.end([]);
  } else {
    const stream = completionEvents(decodeResponse(whole(recording), { provider: 'openai' }));
    for (;;) {
      const result = await stream.next();
      if (result.done) break;
      lifeCycle.add(result.value, out);
    }
  }
  return {
    events: out.map((event) => JSON.parse(encodeEvent(event, []).data) as Json),
    response: JSON.parse(encodeResponse(lifeCycle.response)) as Json,
  };
}

test('there are recorded exchanges', () => {
  expect(recorded.length).toBeGreaterThan(15);
});

describe.each(answers.map((recording) => [recording.title, recording] as const))(
  '%s',
  (_title, recording) => {
    test('has events in order', async () => {
      const { events } = await through(recording);
      checkEvents(events);
      if (!recording.stream) return;
      const types = frames(recording).map((frame) => (JSON.parse(frame) as Json)['type']);
      expect(events.map(({ type }) => type)).toEqual(types);
    });

    test('comes out as it went in', async () => {
      const own = [
        'id',
        'created_at',
        'completed_at',
        'store',
        'background',
        'output_text',
        'previous_response_id',
      ];
      const wanted = clean(whole(recording)) as Json;
      const { response } = await through(recording);
      const got = clean(response) as Json;
      const reasoning = (output: unknown): unknown =>
        (output as Json[]).map((item) => {
          const { content, ...rest } = item;
          return Array.isArray(content) && content.length === 0 ? rest : item;
        });
      for (const key of Object.keys(wanted)) {
        if (own.includes(key)) continue;
        if (key === 'output') expect(reasoning(got[key])).toEqual(reasoning(wanted[key]));
        else expect([key, got[key]]).toEqual([key, wanted[key]]);
      }
    });

    test('has items that are the same as messages', () => {
      for (const json of whole(recording)['output'] as Json[]) {
        const item = decodeItem(json, 'output');
        const form = { complete: true, withState: true };
        const [again] = itemsOf(messagesOf([item]));
        expect(JSON.parse(encodeItem(again ?? item, form))).toEqual(JSON.parse(encodeItem(item, form)));
      }
    });
  },
);

test.each(recorded.filter(failed).map((recording) => [recording.title, recording] as const))(
  '%s is an error with the code of the provider',
  async (_title, recording) => {
    await expect(through(recording)).rejects.toMatchObject({
      facts: { upstreamCode: expect.stringMatching(/./) },
    });
  },
);

describe('a recorded request', () => {
  const asked = recorded.filter(({ request }) => request.json !== null);
  test.each(asked.map((recording) => [recording.title, recording.request.json as Json]))(
    '%s',
    (_title, json) => {
      const { parameters, stream } = decodeResponseRequest(json);
      const { body, warnings } = encodeResponseRequest(chatRequestOf(parameters, []), {
        model: String(json['model']),
        stream,
      });
      // What it goes on from is the gateway's to say.
      const { previous_response_id: _, stream: __, ...wanted } = clean(json) as Json;
      const { stream: ___, ...got } = clean(JSON.parse(body)) as Json;
      const typed = (input: unknown): unknown =>
        typeof input === 'string'
          ? [{ type: 'message', role: 'user', content: input }]
          : (input as Json[]).map((item) => ('role' in item ? { type: 'message', ...item } : item));
      expect({ ...got, input: typed(got['input']) }).toEqual({ ...wanted, input: typed(wanted['input']) });
      expect(warnings).toEqual([]);
    },
  );
});
