import { Buffer } from 'node:buffer';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** One recorded exchange of Anthropic's messages with a real provider. */
export interface MessagesExchange {
  readonly title: string;
  /** "anthropic", "vertex" or "bedrock". */
  readonly provider: string;
  /** The recorded body; null when the recording has none. */
  readonly request: Record<string, unknown> | null;
  readonly status: number;
  /** The whole answer; null for a stream. */
  readonly answer: Record<string, unknown> | null;
  /** The data of a stream's frames, whatever they came in; null for a whole answer. */
  readonly frames: readonly string[] | null;
  /** What whoever recorded it read in it. */
  readonly derived: Derived;
}

interface Derived {
  readonly framing: string;
  readonly text?: string;
  readonly thinking?: string;
  readonly tool_calls?: readonly { readonly id: string; readonly name: string; readonly args: unknown }[];
  readonly finish?: string;
  readonly usage?: Readonly<Record<string, unknown>>;
}

interface Interaction {
  n: number;
  request: { body: { json?: Record<string, unknown> } | null };
  response: { status: number; body: { text?: string; base64?: string } };
  derived: Derived;
}

const root =
  process.env['GATEWAY_RECORDINGS'] ?? path.resolve(import.meta.dirname, '../../../shared/recordings');
const folders = ['anthropic/messages', 'vertex/messages', 'bedrock/invoke'];

/** All recorded exchanges in Anthropic's form, from `GATEWAY_RECORDINGS`; none, with a message, where the folder is missing. */
export function recordedMessages(): MessagesExchange[] {
  if (!existsSync(root)) {
    console.warn(`skipped: no recordings in ${root} (set GATEWAY_RECORDINGS)`);
    return [];
  }
  return folders.flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.json'))
      .sort()
      .flatMap((file) => {
        const { interactions } = JSON.parse(readFileSync(path.join(root, folder, file), 'utf8')) as {
          interactions: Interaction[];
        };
        return interactions.map((interaction) => exchangeOf(folder, file, interaction));
      }),
  );
}

function exchangeOf(
  folder: string,
  file: string,
  { n, request, response, derived }: Interaction,
): MessagesExchange {
  const provider = folder.split('/')[0] as string;
  const { text = '', base64 = '' } = response.body;
  const frames =
    derived.framing === 'sse'
      ? framesOfText(text)
      : derived.framing === 'eventstream'
        ? framesOfBytes(Buffer.from(base64, 'base64'))
        : null;
  const json = request.body?.json;
  return {
    title: `${provider} ${path.dirname(file)} ${path.basename(file, '.json').slice(-32)} ${n}`,
    provider,
    request: json !== undefined && 'messages' in json && 'max_tokens' in json ? json : null,
    status: response.status,
    answer: frames === null && text !== '' ? JSON.parse(text) : null,
    frames,
    derived,
  };
}

const framesOfText = (text: string): string[] =>
  text
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trim());

/** Bedrock's frames: length, length of the headers and a checksum, 4 bytes each; headers; `{"bytes": …}`; a checksum. */
function framesOfBytes(bytes: Buffer): string[] {
  const frames: string[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at)) {
    const payload = bytes.subarray(at + 12 + bytes.readUInt32BE(at + 4), at + bytes.readUInt32BE(at) - 4);
    const { bytes: data } = JSON.parse(payload.toString()) as { bytes: string };
    frames.push(Buffer.from(data, 'base64').toString());
  }
  return frames;
}
