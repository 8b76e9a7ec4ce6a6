import type { Json } from './response-machine.ts';

/** The events of a stream of server-sent events; each has its type as its name. */
export function eventsIn(text: string): Json[] {
  return text
    .split('\n\n')
    .filter((frame) => frame.startsWith('event: '))
    .map((frame) => {
      const [name, data] = frame.split('\n');
      const event = JSON.parse(String(data).slice('data: '.length)) as Json;
      if (name !== `event: ${event['type']}`) throw new Error(`${name} carries ${event['type']}`);
      return event;
    });
}

/** POST /v1/responses of a gateway. */
export const respond = (url: string, body: Json, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${url}/v1/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
