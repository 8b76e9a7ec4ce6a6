import { encodeMessagesRequest } from '../../codec/anthropic-messages/encode-request.ts';
import {
  cannotCount,
  countedModel,
  decodeCount,
  encodeInvokeCount,
} from '../../codec/bedrock-converse/count-tokens.ts';
import { encodeConverseCount } from '../../codec/bedrock-converse/encode-request.ts';
import { modelTraits } from '../../codec/bedrock-converse/models.ts';
import type { ProviderConfig } from '../../config/providers.ts';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { HttpApi } from '../http-api.ts';
import type { Provider, ProviderCall } from '../provider.ts';
import { modelPath } from './paths.ts';

/** A count is a few bytes. */
const maxCountBytes = 64 * 1024;

/** Counts by CountTokens, in the form in which the model is asked. Most models but Claude are not counted for. */
export function bedrockTokenCount(
  api: HttpApi,
  claudeApi: ProviderConfig['claudeApi'],
): NonNullable<Provider['countTokens']> {
  const encode = ({ request, upstreamModel: model }: ProviderCall): string => {
    if (claudeApi !== 'invoke' || modelTraits(model).claude === null)
      return encodeConverseCount(request, model);
    return encodeInvokeCount(encodeMessagesRequest(request, { model, stream: false, host: 'bedrock' }).body);
  };
  return async (call) => {
    const { signal, timeouts, upstreamModel: model } = call;
    const path = modelPath(countedModel(call.upstreamModel), 'count-tokens');
    try {
      return decodeCount(
        await api.json({ path, body: encode(call), signal, timeouts, model }, maxCountBytes),
        api.name,
      );
    } catch (error) {
      if (error instanceof GatewayError && cannotCount(error)) return null;
      throw error;
    }
  };
}
