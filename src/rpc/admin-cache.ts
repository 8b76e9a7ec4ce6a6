import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  type AdminService,
  ClearCacheRequestSchema,
  ClearCacheResponseSchema,
} from '../../gen/llmgateway/v1/admin_service_pb.js';
import { asAdministrator } from './as-administrator.ts';
import type { CacheApi } from './cache-api.ts';
import { type OnFailure, principalKey } from './call-context.ts';
import { validateMessage } from './validate.ts';

/** Of AdminService what concerns the cache. */
export const adminCacheMethods = (
  api: CacheApi,
  onFailure: OnFailure,
): Pick<ServiceImpl<typeof AdminService>, 'clearCache' | 'getCacheStatus'> => ({
  clearCache: (request, context) =>
    asAdministrator(context, onFailure, async () => {
      validateMessage(ClearCacheRequestSchema, request);
      const { pattern, userId: owner, tenant } = request;
      const entriesCleared = await api.clear(context.values.get(principalKey), { pattern, owner, tenant });
      return create(ClearCacheResponseSchema, { entriesCleared });
    }),
  getCacheStatus: (_request, context) =>
    asAdministrator(context, onFailure, () => api.status(context.values.get(principalKey))),
});
