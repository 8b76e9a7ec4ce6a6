import { type Decode, findDecoder } from './content-encoding.ts';
import { discardBody } from './discard.ts';
import type { Request } from './types.ts';
import { isHttp2 } from './types.ts';

export type BodyProblem =
  /** Larger than allowed, as sent or decompressed: answer 413. */
  | 'too_large'
  /** Compressed in a way that isn't supported: answer 415. */
  | 'unsupported_encoding'
  /** Not what its content-encoding says: answer 400. */
  | 'bad_encoding'
  /** The client left before the body was complete: nobody to answer. */
  | 'client_gone';

/** Why a request has no readable body. The message is fit for the client. */
export class BodyError extends Error {
  override readonly name = 'BodyError';
  readonly problem: BodyProblem;
  /** The HTTP status it asks for; 499 where nobody is there to see it. */
  readonly status: number;

  constructor(problem: BodyProblem, message: string) {
    super(message);
    this.problem = problem;
    this.status = STATUS[problem];
  }
}

const STATUS: Record<BodyProblem, number> = {
  too_large: 413,
  unsupported_encoding: 415,
  bad_encoding: 400,
  client_gone: 499,
};

const EMPTY = Buffer.alloc(0);

/**
 * Reads the whole body of a request, decompressed (gzip, deflate, br, zstd). To be called once, before anything else
 * reads. A body that arrives in one chunk is returned as it is, uncopied.
 *
 * After a rejection what remains of the body is discarded, so that the client receives the answer; see `discardBody`.
 * @param maxBytes bound on the body, both as sent and as decompressed
 * @param signal stops the reading; the promise rejects with its reason
 * @throws BodyError
 */
export function readBody(req: Request, maxBytes: number, signal?: AbortSignal): Promise<Buffer> {
  const encoding = req.headers['content-encoding'];
  let decode: Decode | undefined;
  if (encoding !== undefined && encoding !== 'identity' && encoding !== '') {
    decode = findDecoder(encoding);
    if (decode === undefined) {
      const problem = `Unsupported content-encoding; send gzip, deflate, br, zstd or identity`;
      return refuse(req, new BodyError('unsupported_encoding', problem));
    }
  }
  if (Number(req.headers['content-length'] ?? 0) > maxBytes) return refuse(req, tooLarge(maxBytes));
  if (signal?.aborted) return refuse(req, signal.reason);
  const raw = collect(req, maxBytes, signal);
  return decode === undefined ? raw : raw.then((body) => decompress(body, decode, maxBytes));
}

function collect(req: Request, maxBytes: number, signal: AbortSignal | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // Under the compatibility API's request lies a stream with the same events; every layer is another buffer.
    const source = isHttp2(req) ? req.stream : req;
    if (source.destroyed) {
      reject(clientLeft());
      return;
    }
    let first: Buffer | undefined;
    let chunks: Buffer[] | undefined;
    let size = 0;

    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) fail(tooLarge(maxBytes));
      else if (first === undefined) first = chunk;
      else if (chunks === undefined) chunks = [first, chunk];
      else chunks.push(chunk);
    };
    const onEnd = () => {
      // HTTP/2 streams end, too, when the client resets or the server closes them; they are marked before.
      if (source.aborted || ('closed' in source && source.closed)) return onClose();
      stop();
      resolve(chunks === undefined ? (first ?? EMPTY) : Buffer.concat(chunks, size));
    };
    const onClose = () => {
      stop();
      reject(clientLeft());
    };
    const onAbort = () => fail(signal?.reason);
    const fail = (reason: unknown) => {
      stop();
      discardBody(req);
      reject(reason);
    };
    const stop = () => {
      source.off('data', onData).off('end', onEnd).off('close', onClose);
      signal?.removeEventListener('abort', onAbort);
    };

    // Without a listener the error of a cut connection, which `close` reports as well, would be thrown.
    source.on('error', ignore);
    source.on('data', onData).on('end', onEnd).on('close', onClose);
    signal?.addEventListener('abort', onAbort);
  });
}

async function decompress(body: Buffer, decode: Decode, maxBytes: number): Promise<Buffer> {
  if (body.length === 0) return body;
  try {
    return await decode(body, maxBytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
    throw new BodyError('bad_encoding', 'The body is not what its content-encoding says');
  }
}

function refuse(req: Request, reason: unknown): Promise<never> {
  discardBody(req);
  return Promise.reject(reason);
}

function tooLarge(maxBytes: number): BodyError {
  return new BodyError('too_large', `The request body is larger than the allowed ${maxBytes} bytes`);
}

function clientLeft(): BodyError {
  return new BodyError('client_gone', 'The client left before its request was complete');
}

function ignore(): void {}
