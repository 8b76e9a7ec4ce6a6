import type { HandlerContext } from '@connectrpc/connect';
import { requireAdmin } from '../auth/admin.ts';
import { contextOf, failing, type OnFailure, principalKey } from './call-context.ts';

/** Answers a method of AdminService, for administrators only. */
export async function asAdministrator<T>(
  handlerContext: HandlerContext,
  onFailure: OnFailure,
  make: () => Promise<T> | T,
): Promise<T> {
  const failed = failing(contextOf(handlerContext), handlerContext, onFailure);
  try {
    requireAdmin(handlerContext.values.get(principalKey));
    return await make();
  } catch (error) {
    throw failed(error);
  }
}
