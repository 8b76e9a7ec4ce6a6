import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import {
  type AdminService,
  CreateKeyRequestSchema,
  GetKeyRequestSchema,
  GetKeyResponseSchema,
  ListKeysRequestSchema,
  RevokeKeyRequestSchema,
  RevokeKeyResponseSchema,
  UpdateKeyRequestSchema,
  UpdateKeyResponseSchema,
} from '../../gen/llmgateway/v1/admin_service_pb.js';
import type { AdminKeysApi } from './admin-keys-api.ts';
import { asAdministrator } from './as-administrator.ts';
import type { OnFailure } from './call-context.ts';
import { validateMessage } from './validate.ts';

type Methods = Pick<
  ServiceImpl<typeof AdminService>,
  'createKey' | 'listKeys' | 'getKey' | 'updateKey' | 'revokeKey'
>;

/** The methods of AdminService that are about keys. */
export function adminKeyMethods(api: AdminKeysApi, onFailure: OnFailure): Methods {
  const answer = <Desc extends DescMessage, T>(
    schema: Desc,
    request: MessageShape<Desc>,
    context: HandlerContext,
    make: () => Promise<T>,
  ): Promise<T> =>
    asAdministrator(context, onFailure, () => {
      validateMessage(schema, request);
      return make();
    });
  return {
    createKey: (request, context) =>
      answer(CreateKeyRequestSchema, request, context, () => api.createKey(request)),
    listKeys: (request, context) =>
      answer(ListKeysRequestSchema, request, context, () =>
        api.listKeys(request.pageSize, request.pageToken, 'page_token'),
      ),
    getKey: (request, context) =>
      answer(GetKeyRequestSchema, request, context, async () =>
        create(GetKeyResponseSchema, { key: await api.getKey(request.id) }),
      ),
    updateKey: (request, context) =>
      answer(UpdateKeyRequestSchema, request, context, async () =>
        create(UpdateKeyResponseSchema, { key: await api.updateKey(request) }),
      ),
    revokeKey: (request, context) =>
      answer(RevokeKeyRequestSchema, request, context, async () =>
        create(RevokeKeyResponseSchema, { key: await api.revokeKey(request.id, request.forget) }),
      ),
  };
}
