import { create } from '@bufbuild/protobuf';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import {
  type Model,
  ModelSchema,
  type Provider,
  ProviderSchema,
} from '../../gen/llmgateway/v1/models_service_pb.js';
import { checkModel, mayAsk } from '../auth/models.ts';
import type { Principal } from '../auth/principal.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { KnownModels } from './known-models.ts';

/** ModelsService as an object: RPC and REST call the same one. */
export interface ModelsApi {
  /** Those that may be asked. */
  listModels(filter: { provider: string; includeUnavailable: boolean }, principal: Principal): Model[];
  /** How many can be used now. */
  countModels(): number;
  /** @param field what the error calls the id @throws GatewayError MODEL_NOT_FOUND, PERMISSION_DENIED */
  getModel(id: string, field: string, principal: Principal): Model;
  /** With those of their models that may be asked. */
  listProviders(principal: Principal): Provider[];
}

/** What is told of a provider besides. */
export interface ProviderTerms {
  readonly local: boolean;
  /** As the provider calls it; '' for none. */
  readonly defaultModel: string;
  /** US dollars; null when not known. */
  readonly costPerToken: number | null;
}

/** @param known read anew for each call, since a reload replaces it */
export function modelsApi(known: () => KnownModels, terms: (provider: string) => ProviderTerms): ModelsApi {
  return {
    listModels({ provider: wanted, includeUnavailable }, principal) {
      const models = known();
      return models
        .providers()
        .filter(
          ({ name, available }) => (available || includeUnavailable) && (wanted === '' || wanted === name),
        )
        .flatMap(({ name }) => allowed(models, models.modelsOf(name), principal));
    },
    countModels() {
      const models = known();
      let count = 0;
      for (const { name, available } of models.providers()) {
        if (available) count += models.modelsOf(name).length;
      }
      return count;
    },
    getModel(id, field, principal) {
      const models = known();
      const model = resolved(models, id, field);
      if (model !== null) {
        checkModel(principal, models.namesOf(id), id, field);
        return asAllowed(models, model, principal) ?? create(ModelSchema, { ...model, id, aliases: [] });
      }
      throw new GatewayError(
        ErrorReason.MODEL_NOT_FOUND,
        `model ${JSON.stringify(id.slice(0, 200))} is not known`,
        { field },
      );
    },
    listProviders(principal) {
      const models = known();
      return models.providers().map((provider) => {
        const { local, defaultModel, costPerToken } = terms(provider.name);
        return create(ProviderSchema, {
          ...provider,
          local,
          defaultModel,
          ...(costPerToken === null ? {} : { costPerToken }),
          models: allowed(models, models.modelsOf(provider.name), principal).map(({ id }) => id),
        });
      });
    },
  };
}

const allowed = (known: KnownModels, models: readonly Model[], principal: Principal): readonly Model[] =>
  principal.models === null ? models : models.flatMap((model) => asAllowed(known, model, principal) ?? []);

/** A model under the names by which it may be asked; its id is the first of them. Null where there are none. */
function asAllowed(known: KnownModels, model: Model, principal: Principal): Model | null {
  if (principal.models === null) return model;
  const names = [model.id, ...model.aliases];
  const [id, ...aliases] = names.filter((name) => mayAskAs(known, name, principal));
  if (id === undefined) return null;
  return aliases.length + 1 === names.length ? model : create(ModelSchema, { ...model, id, aliases });
}

/** As routing decides it. A name that a provider reports may be none that can be asked for. */
function mayAskAs(known: KnownModels, name: string, principal: Principal): boolean {
  try {
    return mayAsk(principal, known.namesOf(name));
  } catch (error) {
    if (error instanceof GatewayError) return false;
    throw error;
  }
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
