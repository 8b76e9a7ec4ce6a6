import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** A recorded streaming body. */
export interface RecordedStream {
  name: string;
  framing: 'sse' | 'ndjson';
  body: Buffer;
  /** How many events whoever recorded it saw in it. */
  events: number;
}

const folder =
  process.env['GATEWAY_RECORDINGS'] ?? path.resolve(import.meta.dirname, '../../../../shared/recordings');

interface Interaction {
  n: number;
  response: { body: { text?: string } };
  derived: { framing?: string; events?: number };
}

/**
 * The streams of real providers, from `GATEWAY_RECORDINGS`; none, with a message, where the folder is
 * missing.
 */
export function recordedStreams(): RecordedStream[] {
  if (!existsSync(folder)) {
    console.warn(`skipped: no recordings in ${folder} (set GATEWAY_RECORDINGS)`);
    return [];
  }
  const streams: RecordedStream[] = [];
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.json')) continue;
    const { interactions } = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as {
      interactions: Interaction[];
    };
    for (const { n, response, derived } of interactions) {
      const { framing, events } = derived;
      if ((framing !== 'sse' && framing !== 'ndjson') || events === undefined) continue;
      const body = Buffer.from(response.body.text ?? '');
      streams.push({ name: `${file} #${n}`, framing, body, events });
    }
  }
  return streams;
}
