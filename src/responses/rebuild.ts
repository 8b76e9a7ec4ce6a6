import {
  type Item,
  type Response,
  type ResponseEvent,
  ResponseStatus,
} from '../../gen/llmgateway/v1/responses_service_pb.js';

/** A response as far as its log says. @param begun as it was stored when it began */
export function rebuilt(begun: Response, events: readonly ResponseEvent[]): Response {
  const response = { ...begun, output: [...begun.output] };
  const open = new Map<number, Item>();
  for (const { event } of events) {
    switch (event.case) {
      case 'itemStarted':
        if (event.value.item !== undefined) open.set(event.value.outputIndex, event.value.item);
        break;
      case 'partEnded': {
        // What was whole of an item that was not.
        const item = open.get(event.value.outputIndex);
        const { part } = event.value;
        if (part === undefined || item === undefined) break;
        if (item.kind.case === 'message') item.kind.value.parts.push(part);
        else if (item.kind.case === 'reasoning' && part.content.case === 'reasoning') {
          item.kind.value.parts.push(part.content.value);
        }
        break;
      }
      case 'itemEnded':
        open.delete(event.value.outputIndex);
        if (event.value.item !== undefined) response.output[event.value.outputIndex] = event.value.item;
        break;
      default:
    }
  }
  for (const [index, item] of open) {
    response.output[index] = { ...item, status: ResponseStatus.INCOMPLETE };
  }
  response.output = response.output.filter((item) => item !== undefined);
  response.status = ResponseStatus.IN_PROGRESS;
  return response;
}
