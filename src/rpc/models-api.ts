import { create } from '@bufbuild/protobuf';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { type Model, type Provider, ProviderSchema } from '../../gen/llmgateway/v1/models_service_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { KnownModels } from './known-models.ts';

/** ModelsService as an object: RPC and REST call the same one. */
export interface ModelsApi {
  listModels(filter: { provider: string; includeUnavailable: boolean }): Model[];
  /** How many `listModels` has of those that can be used now. */
  countModels(): number;
  /** @param field what the error calls the id @throws GatewayError MODEL_NOT_FOUND */
  getModel(id: string, field: string): Model;
  listProviders(): Provider[];
}

/** @param known read anew for each call, since a reload replaces it */
export function modelsApi(known: () => KnownModels): ModelsApi {
  return {
    listModels({ provider: wanted, includeUnavailable }) {
      const models = known();
      return models
        .providers()
        .filter(
          ({ name, available }) => (available || includeUnavailable) && (wanted === '' || wanted === name),
        )
        .flatMap(({ name }) => models.modelsOf(name));
    },
    countModels() {
      const models = known();
      let count = 0;
      for (const { name, available } of models.providers()) {
        if (available) count += models.modelsOf(name).length;
      }
      return count;
    },
    getModel(id, field) {
      const model = resolved(known(), id, field);
      if (model !== null) return model;
      throw new GatewayError(
        ErrorReason.MODEL_NOT_FOUND,
        `model ${JSON.stringify(id.slice(0, 200))} is not known`,
        { field },
      );
    },
    listProviders() {
      const models = known();
      return models
        .providers()
        .map((provider) =>
          create(ProviderSchema, { ...provider, models: models.modelsOf(provider.name).map(({ id }) => id) }),
        );
    },
  };
}

/** @throws GatewayError that calls the id by the field's name */
function resolved(models: KnownModels, id: string, field: string): Model | null {
  try {
    return models.resolve(id);
  } catch (error) {
    if (!(error instanceof GatewayError) || error.facts.field === undefined) throw error;
    throw new GatewayError(error.reason, error.rawMessage, { ...error.facts, field });
  }
}
