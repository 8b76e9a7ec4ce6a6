import { Buffer } from 'node:buffer';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import type { GatewayError } from '../../errors/gateway-error.ts';
import { isObject } from '../json.ts';
import { notUnderstood } from '../upstream-error.ts';

// CountTokens takes a Converse request (see encodeConverseCount) or the body of an InvokeModel request.

/** The body of CountTokens for the body of an InvokeModel request. */
export const encodeInvokeCount = (body: string): string =>
  `{"input":{"invokeModel":{"body":"${Buffer.from(body).toString('base64')}"}}}`;

/** @throws GatewayError when the answer has no count */
export function decodeCount(json: unknown, provider: string): number {
  const tokens = isObject(json) ? json['inputTokens'] : undefined;
  if (typeof tokens === 'number' && Number.isInteger(tokens) && tokens >= 0) return tokens;
  throw notUnderstood(provider, 'it has no inputTokens');
}

/**
 * The model to count for: CountTokens knows models, and refuses the inference profiles across regions (`us.anthropic.…`) that many
 * of them can only be asked by. An ARN that does not tell its model stays.
 */
export function countedModel(modelId: string): string {
  const id = /:inference-profile\/([^/]+)$/.exec(modelId)?.[1] ?? modelId;
  return /^(?:[a-z]{2}(?:-gov)?|apac|global)\.([a-z\d]+\..+)$/.exec(id)?.[1] ?? id;
}

/** Whether a failure says that the tokens of this model cannot be counted here, which says nothing of the request. */
export const cannotCount = ({ reason, rawMessage }: GatewayError): boolean =>
  reason === ErrorReason.UPSTREAM_REJECTED &&
  /counting tokens|model identifier|on-demand throughput/i.test(rawMessage);
