import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import {
  type Response,
  type ResponseParameters,
  ResponseStatus,
} from '../../gen/llmgateway/v1/responses_service_pb.js';

/** A response of which nothing is there but what was asked. @param createdAt Unix seconds */
export const newResponse = (
  id: string,
  createdAt: number,
  parameters: ResponseParameters,
  callReport?: CallReport,
): Response => ({
  $typeName: 'llmgateway.v1.Response',
  id,
  createdAt,
  completedAt: 0,
  status: parameters.background ? ResponseStatus.QUEUED : ResponseStatus.IN_PROGRESS,
  errorMessage: '',
  incompleteReason: '',
  output: [],
  model: '',
  serviceTier: '',
  parameters,
  ...(callReport === undefined ? {} : { callReport }),
});
