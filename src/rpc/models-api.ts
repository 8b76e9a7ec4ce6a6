import { create } from '@bufbuild/protobuf';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import {
  type Model,
  ModelCapability,
  ModelSchema,
  type Provider,
  ProviderSchema,
  SecurityLevel,
} from '../../gen/llmgateway/v1/models_service_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';

/** What the models service reads: the catalogue, the providers, and what these report. */
export interface ModelSources {
  /** Models of the catalogue, in its order. */
  catalogue(): readonly Model[];
  /** Providers in their order, without their models. */
  providers(): readonly Provider[];
  /** Models that a provider reported, as far as the catalogue does not have them. */
  discovered(provider: string): readonly Model[];
  /** Resolves a name as a call would; null when it leads nowhere. */
  resolve(name: string): Model | null;
}

/** ModelsService as an object: RPC and REST call the same one. */
export interface ModelsApi {
  listModels(filter: { provider: string; includeUnavailable: boolean }): Model[];
  /** @throws GatewayError MODEL_NOT_FOUND */
  getModel(id: string): Model;
  listProviders(): Provider[];
}

export function modelsApi(sources: ModelSources): ModelsApi {
  const modelsOf = (provider: string): Model[] => [
    ...sources.catalogue().filter((model) => model.provider === provider),
    ...sources.discovered(provider),
  ];
  return {
    listModels({ provider: wanted, includeUnavailable }) {
      return sources
        .providers()
        .filter(
          ({ name, available }) => (available || includeUnavailable) && (wanted === '' || wanted === name),
        )
        .flatMap(({ name }) => modelsOf(name));
    },
    getModel(id) {
      const model = sources.resolve(id);
      if (model !== null) return model;
      throw new GatewayError(
        ErrorReason.MODEL_NOT_FOUND,
        `model ${JSON.stringify(id.slice(0, 200))} is not known`,
        {
          field: 'model',
        },
      );
    },
    listProviders() {
      return sources
        .providers()
        .map((provider) =>
          create(ProviderSchema, { ...provider, models: modelsOf(provider.name).map(({ id }) => id) }),
        );
    },
  };
}

/** A model that only its provider knows of. */
export function discoveredModel(
  provider: string,
  upstreamId: string,
  facts: { contextWindow?: number; maxOutputTokens?: number; securityLevel?: SecurityLevel },
): Model {
  return create(ModelSchema, {
    id: `${provider}/${upstreamId}`,
    provider,
    upstreamId,
    contextWindow: facts.contextWindow ?? 0,
    maxOutputTokens: facts.maxOutputTokens ?? 0,
    capabilities: [ModelCapability.CHAT, ModelCapability.STREAMING],
    securityLevel: facts.securityLevel ?? SecurityLevel.UNSPECIFIED,
    discovered: true,
  });
}
