import { ResponseStatus } from '../../../gen/llmgateway/v1/responses_service_pb.js';

const names: Readonly<Record<ResponseStatus, string>> = {
  [ResponseStatus.UNSPECIFIED]: '',
  [ResponseStatus.QUEUED]: 'queued',
  [ResponseStatus.IN_PROGRESS]: 'in_progress',
  [ResponseStatus.COMPLETED]: 'completed',
  [ResponseStatus.INCOMPLETE]: 'incomplete',
  [ResponseStatus.FAILED]: 'failed',
  [ResponseStatus.CANCELLED]: 'cancelled',
};

const values = new Map(Object.entries(names).map(([value, name]) => [name, Number(value) as ResponseStatus]));

/** The API's word for it; '' for none. */
export const encodeStatus = (status: ResponseStatus): string => names[status];

/** UNSPECIFIED for what is no status. */
export const decodeStatus = (value: unknown): ResponseStatus =>
  (typeof value === 'string' ? values.get(value) : undefined) ?? ResponseStatus.UNSPECIFIED;
