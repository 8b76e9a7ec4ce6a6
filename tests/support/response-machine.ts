// What the events of a response have to be, as a client may rely on it: a machine that takes them one by one and says what is wrong.

export type Json = Record<string, unknown>;

interface OpenItem {
  readonly id: string;
  readonly type: string;
  /** Texts by the kind and number of the part. */
  readonly texts: Map<string, string>;
  readonly open: Set<string>;
}

const ends = ['response.completed', 'response.incomplete', 'response.failed', 'response.cancelled'];

/** Growth: event, and the member that says which part. */
const grown: Readonly<Record<string, string>> = {
  'response.output_text': 'content_index',
  'response.refusal': 'content_index',
  'response.reasoning_text': 'content_index',
  'response.reasoning_summary_text': 'summary_index',
  'response.function_call_arguments': '',
  'response.custom_tool_call_input': '',
};
const wholeOf: Readonly<Record<string, string>> = {
  'response.output_text': 'text',
  'response.refusal': 'refusal',
  'response.reasoning_text': 'text',
  'response.reasoning_summary_text': 'text',
  'response.function_call_arguments': 'arguments',
  'response.custom_tool_call_input': 'input',
};

/** @param from number of the first event @throws Error that says which event is wrong, and why */
export function checkEvents(events: readonly Json[], from = 0): void {
  const items = new Map<number, OpenItem>();
  const done: (Json | undefined)[] = [];
  let id = '';
  let over = '';
  for (const [i, event] of events.entries()) {
    const type = String(event['type']);
    const fail = (why: string): never => {
      throw new Error(`event ${i} (${type}): ${why}`);
    };
    if (event['sequence_number'] !== from + i) fail(`has number ${event['sequence_number']}`);
    if (over !== '') fail(`comes after ${over}`);
    const response = event['response'] as Json | undefined;
    if (response !== undefined) {
      if (id === '') id = String(response['id']);
      if (response['id'] !== id) fail('is of another response');
      if (from === 0 && i === 0 && type !== 'response.created') fail('is not response.created');
      if (ends.includes(type)) {
        over = type;
        if (`response.${response['status']}` !== type) fail(`has status ${response['status']}`);
        if (type === 'response.completed') {
          if (items.size > 0) fail('leaves items open');
          const output = response['output'] as Json[];
          if (from === 0 && JSON.stringify(output) !== JSON.stringify(done))
            fail('has other items than were done');
        }
      }
      continue;
    }
    if (from === 0 && i < 1) fail('comes before the response');
    const index = Number(event['output_index']);
    if (type === 'response.output_item.added') {
      const item = event['item'] as Json;
      if (items.has(index) || done[index] !== undefined) fail('takes a place that is taken');
      if (from === 0 && index !== items.size + done.filter((one) => one !== undefined).length)
        fail('leaves a place out');
      items.set(index, {
        id: String(item['id']),
        type: String(item['type']),
        texts: new Map(),
        open: new Set(),
      });
      continue;
    }
    const item = items.get(index);
    if (type === 'response.output_item.done') {
      const whole = event['item'] as Json;
      if (item === undefined) {
        if (from === 0) fail('was not announced');
        continue;
      }
      if (whole['id'] !== item.id || whole['type'] !== item.type) fail('is not what was announced');
      if (item.open.size > 0) fail(`leaves ${[...item.open]} open`);
      items.delete(index);
      done[index] = whole;
      continue;
    }
    if (item === undefined) {
      if (from === 0) fail('is about no open item');
      continue;
    }
    if (event['item_id'] !== item.id) fail(`is about item ${event['item_id']}, not ${item.id}`);
    const subject = type.slice(0, type.lastIndexOf('.'));
    const verb = type.slice(type.lastIndexOf('.') + 1);
    const place = grown[subject];
    if (place !== undefined) {
      const key = `${place} ${place === '' ? 0 : event[place]}`;
      if (place !== '' && !item.open.has(key) && from === 0) fail('is about a part that is not open');
      const text = item.texts.get(key) ?? '';
      if (verb === 'delta') item.texts.set(key, text + String(event['delta']));
      else if (from === 0 && event[wholeOf[subject] as string] !== text) fail('is not what its deltas say');
      continue;
    }
    if (subject === 'response.content_part' || subject === 'response.reasoning_summary_part') {
      const name = subject === 'response.content_part' ? 'content_index' : 'summary_index';
      const key = `${name} ${event[name]}`;
      if (verb === 'added') item.open.add(key);
      else if (!item.open.delete(key) && from === 0) fail('was not announced');
    }
  }
  if (over === '') throw new Error('there is no end');
}
