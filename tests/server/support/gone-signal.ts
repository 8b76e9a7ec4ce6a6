import { clientGone } from '../../../src/server/disconnect.ts';
import type { Request, Response } from '../../../src/server/types.ts';

/** A signal that aborts when the client leaves. */
export function goneSignal(req: Request, res: Response): AbortSignal {
  const controller = new AbortController();
  clientGone(req, res, (reason) => controller.abort(reason));
  return controller.signal;
}
