import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  type AdminService,
  ClearCacheRequestSchema,
  ClearCacheResponseSchema,
} from '../../gen/llmgateway/v1/admin_service_pb.js';
import type { CacheApi } from './cache-api.ts';
import { contextOf, failing, type OnFailure, principalKey } from './call-context.ts';
import { validateMessage } from './validate.ts';

/** The methods of AdminService that are about the cache. */
export function cacheMethods(
  api: CacheApi,
  onFailure: OnFailure,
): Pick<ServiceImpl<typeof AdminService>, 'clearCache' | 'getCacheStatus'> {
  return {
    async clearCache(request, context) {
      try {
        validateMessage(ClearCacheRequestSchema, request);
        const { pattern, userId: owner, tenant } = request;
        const entriesCleared = await api.clear(context.values.get(principalKey), { pattern, owner, tenant });
        return create(ClearCacheResponseSchema, { entriesCleared });
      } catch (error) {
        throw failing(contextOf(context), context, onFailure)(error);
      }
    },
    async getCacheStatus(_request, context) {
      try {
        return await api.status(context.values.get(principalKey));
      } catch (error) {
        throw failing(contextOf(context), context, onFailure)(error);
      }
    },
  };
}
