import { expect } from 'vitest';
import { type EmbeddingsOptions, type EmbeddingsOutcome, embed, embeddingsFaces } from './embeddings.ts';
import type { Recording } from './recordings.ts';

/** How clients ask for recorded vectors: as numbers or as base64 on REST, and by every kind of RPC. */
export const embeddingsReplays = [
  ...embeddingsFaces.map((face) => [face, { face, encoding: undefined }] as const),
  ['REST in base64', { face: 'REST', encoding: 'base64' }] as const,
];
export type EmbeddingsReplay = (typeof embeddingsReplays)[number][1];

const endpoints: ReadonlySet<string> = new Set(['embeddings', 'embed', 'api_embed']);

/** Whether a recording is of vectors, in whatever API. */
export const isOfEmbeddings = ({ endpoint }: Recording): boolean => endpoints.has(endpoint);

type Json = Record<string, unknown>;

/** What a client asks to have the recorded request made of it; of one that cannot be asked for, the text alone. */
function askedFor({ request, endpoint, derived }: Recording): EmbeddingsOptions {
  const json = request.json ?? {};
  if (endpoint === 'embed') {
    const requests = json['requests'] as {
      content: { parts: { text: string }[] };
      outputDimensionality?: number;
    }[];
    const dimensions = requests[0]?.outputDimensionality;
    return {
      texts: requests.map(({ content }) => content.parts.map(({ text }) => text).join('')),
      ...(dimensions === undefined ? {} : { dimensions }),
    };
  }
  const { input } = json;
  const texts = [input].flat().every((item) => typeof item === 'string')
    ? ([input].flat() as string[])
    : ['Hello'];
  return derived.error === undefined && json['options'] !== undefined
    ? { texts, options: json['options'] }
    : { texts };
}

/** The vectors of a recorded answer. */
function vectorsOf({ response }: Recording): number[][] {
  const { embeddings } = JSON.parse(response.bytes.toString()) as {
    embeddings: (number[] | { values: number[] })[];
  };
  return embeddings.map((vector) => (Array.isArray(vector) ? vector : vector.values));
}

/** The same of two requests of one API: a list of one text is that text. */
function meaningOf(json: unknown): unknown {
  const { input, ...rest } = json as Json;
  return input === undefined ? rest : { ...rest, input: [input].flat() };
}

/**
 * Asks as the recording did, on one of the faces, and compares what comes with what was recorded.
 * @param asked the body that the provider got
 */
export async function replayEmbeddings(
  recording: Recording,
  { face, encoding }: EmbeddingsReplay,
  url: string,
  model: string,
  asked: () => unknown,
): Promise<void> {
  const { options, ...rest } = askedFor(recording) as EmbeddingsOptions & { options?: unknown };
  // Only REST has a place for Ollama's own members.
  const own = face === 'REST' && options !== undefined ? { options } : {};
  const outcome = await embed(face, url, model, {
    ...rest,
    ...own,
    ...(encoding === undefined ? {} : { encoding }),
  });
  if (recording.derived.error !== undefined) return compareFailure(recording, face, outcome);
  expect(outcome.failure).toBeNull();
  const vectors = vectorsOf(recording);
  expect(vectors.map(({ length }) => length)).toEqual(
    Array(recording.derived.vectors).fill(recording.derived.dims),
  );
  expect(outcome.vectors.map((vector) => vector.map(Math.fround))).toEqual(
    vectors.map((vector) => vector.map(Math.fround)),
  );
  if (face === 'REST' && encoding === undefined) {
    for (const value of outcome.vectors.flat()) expect(digitsOf(value)).toBeLessThanOrEqual(9);
  }
  const { json } = recording.request;
  if (face === 'REST') expect(meaningOf(asked())).toEqual(meaningOf(json));
}

const digitsOf = (value: number): number =>
  value.toExponential().replace(/e.*$/, '').replace(/\D/g, '').length;

function compareFailure(
  { response, derived }: Recording,
  face: EmbeddingsReplay['face'],
  { failure }: EmbeddingsOutcome,
): void {
  const { error } = JSON.parse(response.bytes.toString()) as { error: { code: string | null; type: string } };
  expect(failure?.message).toContain(derived.error?.message);
  expect(failure).toMatchObject(
    face === 'REST'
      ? { status: response.status, reason: error.code ?? error.type }
      : {
          status: response.status === 404 ? 'NotFound' : 'InvalidArgument',
          reason: 'upstream_rejected',
        },
  );
}
