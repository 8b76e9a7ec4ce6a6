import type { Logprobs, TokenLogprob } from '../../../gen/llmgateway/v1/completion_pb.js';
import { isObject } from '../json.ts';

/** A candidate's `logprobsResult`; undefined where it tells of no token. */
export function decodeLogprobs(json: unknown): Logprobs | undefined {
  if (!isObject(json) || !Array.isArray(json['chosenCandidates'])) return undefined;
  const tops = Array.isArray(json['topCandidates']) ? json['topCandidates'] : [];
  const content = json['chosenCandidates'].map((chosen, i) => {
    const top: unknown = tops[i];
    const candidates = isObject(top) && Array.isArray(top['candidates']) ? top['candidates'] : [];
    return token(
      chosen,
      candidates.map((candidate) => token(candidate, [])),
    );
  });
  return content.length === 0 ? undefined : { $typeName: 'llmgateway.v1.Logprobs', content, refusal: [] };
}

/** A probability of 1 is left out of JSON, as its logarithm is 0. */
function token(json: unknown, topLogprobs: TokenLogprob[]): TokenLogprob {
  const { token: text, logProbability } = isObject(json) ? json : {};
  return {
    $typeName: 'llmgateway.v1.TokenLogprob',
    token: typeof text === 'string' ? text : '',
    logprob: typeof logProbability === 'number' ? logProbability : 0,
    topLogprobs,
  };
}
