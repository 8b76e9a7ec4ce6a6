import { decodeConverseError } from '../../codec/bedrock-converse/decode-error.ts';
import { decodeConverseResponse } from '../../codec/bedrock-converse/decode-response.ts';
import { ConverseStreamDecoder } from '../../codec/bedrock-converse/decode-stream.ts';
import { encodeConverseRequest } from '../../codec/bedrock-converse/encode-request.ts';
import { modelTraits, unsupportedBy as unsupportedByModel } from '../../codec/bedrock-converse/models.ts';
import type { ProviderConfig } from '../../config/providers.ts';
import { type AwsEventStreamMessage, AwsEventStreamReader } from '../../http/aws-event-stream-reader.ts';
import type { UpstreamClient } from '../../http/client.ts';
import { HttpApi } from '../http-api.ts';
import { type HttpChat, httpChat } from '../http-chat.ts';
import type { KeyPool } from '../key-pool.ts';
import type { Provider } from '../provider.ts';
import { claudeByInvoke } from './claude.ts';
import { bedrockTokenCount } from './count-tokens.ts';
import { bedrockEmbeddings } from './embeddings.ts';
import { modelPath } from './paths.ts';
import { bedrockProxy } from './proxy.ts';
import { awsSigner } from './sign.ts';

/** Amazon Bedrock: chat by Converse, embeddings by InvokeModel; or the proxy in front of it, where one is configured. */
export function bedrockProvider(config: ProviderConfig, client: UpstreamClient, keys?: KeyPool): Provider {
  if (config.aws !== null && config.aws.endpoint !== '') return bedrockProxy(config, client);
  const { name } = config;
  const missing = missingOf(config);
  // A provider that lacks something gets no calls, but needs an address.
  const baseUrl = config.baseUrl === '' ? `https://${name}.invalid` : config.baseUrl;
  const api = new HttpApi(
    { name, baseUrl, ...authorization(config, baseUrl), keys, decodeError: decodeConverseError },
    client,
  );
  const converse = byConverse(api);
  const claude = config.claudeApi === 'invoke' ? claudeByInvoke(api) : converse;
  const chatOf = (model: string): HttpChat => (modelTraits(model).claude === null ? converse : claude);
  return {
    name,
    missing,
    unsupported: unsupportedBy(config.unsupported, config.claudeApi === 'invoke'),
    createChat: (call) => chatOf(call.upstreamModel).createChat(call),
    streamChat: (call) => chatOf(call.upstreamModel).streamChat(call),
    createEmbeddings: bedrockEmbeddings(api),
    countTokens: bedrockTokenCount(api, config.claudeApi),
  };
}

function byConverse(api: HttpApi): HttpChat {
  const { name } = api;
  return httpChat<AwsEventStreamMessage>(api, {
    streamType: 'application/vnd.amazon.eventstream',
    encode: ({ request, upstreamModel: model }, stream) => ({
      path: modelPath(model, stream ? 'converse-stream' : 'converse'),
      ...encodeConverseRequest(request, model),
    }),
    decode: (json, { upstreamModel: model }) => decodeConverseResponse(json, { provider: name, model }),
    framing: () => new AwsEventStreamReader(),
    decoder: ({ upstreamModel: model }) => new ConverseStreamDecoder({ provider: name, model }),
  });
}

/** A key of Bedrock's own goes as it is, and wins, as in AWS's SDKs; other credentials sign. */
function authorization({ apiKey, aws, headers }: ProviderConfig, baseUrl: string) {
  if (apiKey !== null) return { headers: { authorization: `Bearer ${apiKey.reveal()}`, ...headers } };
  const credentials = aws?.credentials ?? null;
  if (credentials === null) return { headers };
  const sign = awsSigner({
    accessKeyId: credentials.accessKeyId,
    secretAccessKey: credentials.secretAccessKey.reveal(),
    sessionToken: credentials.sessionToken?.reveal() ?? '',
    region: aws?.region || regionOf(baseUrl),
    service: 'bedrock',
  });
  return { headers, sign };
}

/** The region that an address of AWS names; elsewhere any will do. */
const regionOf = (url: string): string =>
  /[./]bedrock-runtime(?:-fips)?\.([a-z]{2,8}(?:-[a-z]+)+-\d+)\./.exec(url)?.[1] ?? 'us-east-1';

function missingOf({ name, apiKey, aws, headers, baseUrl }: ProviderConfig): string | null {
  if (apiKey === null && !aws?.credentials && headers['authorization'] === undefined) {
    return `provider ${name} has no key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_BEARER_TOKEN_BEDROCK`;
  }
  return baseUrl === '' ? `provider ${name} has no region: set AWS_REGION` : null;
}

/** Members of Converse that InvokeModel does not have in Claude's body. */
const onlyConverse = ['metadata', 'service_tier'];

/** What the provider cannot take, and what the model in question cannot take besides. */
function unsupportedBy(
  always: readonly string[],
  invokesClaude: boolean,
): (model: string) => ReadonlySet<string> {
  const sets = new Map<string, ReadonlySet<string>>();
  return (model) => {
    const traits = modelTraits(model);
    const more = unsupportedByModel(traits);
    if (invokesClaude && traits.claude !== null) more.push(...onlyConverse);
    const key = more.join();
    const known = sets.get(key);
    if (known !== undefined) return known;
    const made = new Set([...always, ...more]);
    sets.set(key, made);
    return made;
  };
}
