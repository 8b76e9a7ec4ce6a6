import type { Answer, Prompt } from '../../gen/llmgateway/v1/query_service_pb.js';
import type { Principal } from '../auth/principal.ts';
import type { Json } from '../codec/json.ts';
import { contextOf } from './query-request.ts';

/** Who a prompt is from, as the platform's services are told. */
export const userOf = ({ userId }: Prompt, { owner }: Principal): string => userId || owner;

/** What the memory agent is told of an answer. @param context the prompt's, where it was read already */
export const interactionOf = (
  prompt: Prompt,
  answer: Answer,
  principal: Principal,
  context: Json = contextOf(prompt),
): Json => ({
  ...factsOf(answer),
  user_id: userOf(prompt, principal),
  prompt: prompt.prompt,
  response: answer.response,
  context: prompt.contextJson === '' ? prompt.context || null : context,
});

/** What the document store gets of it. */
export const documentOf = ({ prompt }: Prompt, answer: Answer): Json => ({
  ...factsOf(answer),
  content: `${prompt}\n\n${answer.response}`,
});

const factsOf = ({ provider, tokensUsed, processingTime }: Answer): Json => ({
  provider,
  tokens_used: tokensUsed,
  processing_time: processingTime,
});
