// What the events of a response have to be, as a client may rely on it: a machine that takes them one by one and says what is wrong.
// The rules are those of OpenAI's API reference and of the Open Responses specification (openresponses.org).

export type Json = Record<string, unknown>;

const ends = ['response.completed', 'response.incomplete', 'response.failed', 'response.cancelled'];

/** Members that every response has, whatever its state; what is not set is null. */
const members = [
  ...[
    'id',
    'object',
    'created_at',
    'completed_at',
    'status',
    'error',
    'incomplete_details',
    'model',
    'output',
  ],
  ...['usage', 'service_tier', 'instructions', 'max_output_tokens', 'max_tool_calls', 'metadata', 'text'],
  ...[
    'parallel_tool_calls',
    'previous_response_id',
    'conversation',
    'background',
    'store',
    'prompt',
    'tools',
  ],
  ...['prompt_cache_key', 'prompt_cache_retention', 'reasoning', 'safety_identifier', 'tool_choice', 'user'],
  ...['temperature', 'top_p', 'top_logprobs', 'presence_penalty', 'frequency_penalty', 'truncation'],
];
/** Those of them that are never null. */
const set = [
  ...[
    'id',
    'object',
    'created_at',
    'status',
    'model',
    'output',
    'metadata',
    'text',
    'parallel_tool_calls',
    'store',
  ],
  ...[
    'background',
    'tools',
    'reasoning',
    'tool_choice',
    'temperature',
    'top_p',
    'top_logprobs',
    'truncation',
  ],
  ...['service_tier', 'presence_penalty', 'frequency_penalty'],
];

interface Growth {
  /** The member that numbers the part; '' where the text is the item's own. */
  readonly place: string;
  /** The member of the event `done` that has the whole text. */
  readonly whole: string;
  /** The type of the part, or of the item. */
  readonly of: string;
}

/** Texts that grow. */
const growths: Readonly<Record<string, Growth>> = {
  'response.output_text': { place: 'content_index', whole: 'text', of: 'output_text' },
  'response.refusal': { place: 'content_index', whole: 'refusal', of: 'refusal' },
  'response.reasoning_text': { place: 'content_index', whole: 'text', of: 'reasoning_text' },
  'response.reasoning_summary_text': { place: 'summary_index', whole: 'text', of: 'summary_text' },
  'response.function_call_arguments': { place: '', whole: 'arguments', of: 'function_call' },
  'response.custom_tool_call_input': { place: '', whole: 'input', of: 'custom_tool_call' },
  'response.audio': { place: 'content_index', whole: '', of: 'output_audio' },
  'response.audio.transcript': { place: 'content_index', whole: '', of: 'output_audio' },
};

interface Part {
  readonly type: string;
  text: string;
  readonly annotations: unknown[];
  /** Its text is complete. */
  told: boolean;
  /** As it was when it was done. */
  done: Json | null;
}

interface OpenItem {
  readonly id: string;
  readonly type: string;
  readonly name: unknown;
  readonly content: Part[];
  readonly summary: Part[];
  /** Arguments or input of a call. */
  own: string;
  told: boolean;
}

type Fail = (why: string) => never;

/**
 * @param from number of the first event; of a stream that does not begin at its beginning less is known, and less is checked
 * @throws Error that says which event is wrong, and why
 */
export function checkEvents(events: readonly Json[], from = 0): void {
  const machine = new Machine(from);
  for (const event of events) machine.take(event);
  machine.finish();
}

/** Whether a response has all members, and those go together. @throws Error that says what is wrong */
export function checkResponse(response: Json): void {
  const status = String(response['status']);
  const fail: Fail = (why) => {
    throw new Error(`a response that is ${status} ${why}`);
  };
  for (const name of members) if (!(name in response)) fail(`has no ${name}`);
  for (const name of set) if (response[name] === null) fail(`has null as its ${name}`);
  if (response['object'] !== 'response') fail('is no response');
  for (const [name, at] of [
    ['error', 'failed'],
    ['incomplete_details', 'incomplete'],
    ['completed_at', 'completed'],
  ] as const) {
    if ((response[name] !== null) !== (status === at)) fail(`has ${name}: ${JSON.stringify(response[name])}`);
  }
  const usage = response['usage'] as Json | null;
  if (usage !== null) {
    const count = (of: unknown, name: string): number => {
      const value = (of as Json | undefined)?.[name];
      return typeof value === 'number' ? value : fail(`has no ${name} in its usage`);
    };
    const total = count(usage, 'input_tokens') + count(usage, 'output_tokens');
    if (count(usage, 'total_tokens') < total) fail('has a total that is no sum');
    count(usage['input_tokens_details'], 'cached_tokens');
    count(usage['output_tokens_details'], 'reasoning_tokens');
  }
  const output = response['output'] as Json[];
  const ids = output.map(({ id }) => id);
  if (new Set(ids).size !== ids.length) fail('has an id twice');
  output.forEach((item, i) => {
    checkItem(item, fail);
    if (item['status'] === 'in_progress' && ends.includes(`response.${status}`))
      fail('has an item in progress');
    if (item['status'] !== 'incomplete') return;
    if (status === 'completed') fail('has an incomplete item');
    if (status === 'incomplete' && i !== output.length - 1) fail('has an incomplete item before its last');
  });
}

/** Members that items have to have, by their types. */
const itemMembers: Readonly<Record<string, readonly string[]>> = {
  message: ['status', 'role', 'content'],
  function_call: ['status', 'call_id', 'name', 'arguments'],
  custom_tool_call: ['call_id', 'name', 'input'],
  reasoning: ['summary'],
  mcp_call: ['status', 'server_label', 'name', 'arguments', 'output', 'error'],
};
const partMembers: Readonly<Record<string, readonly string[]>> = {
  output_text: ['text', 'annotations', 'logprobs'],
  refusal: ['refusal'],
  reasoning_text: ['text'],
  summary_text: ['text'],
};

function checkItem(item: Json, fail: Fail): void {
  const { id, type } = item;
  if (typeof id !== 'string' || id === '') fail(`has an item without id: ${JSON.stringify(item)}`);
  if (typeof type !== 'string' || type === '') fail('has an item without type');
  for (const name of itemMembers[String(type)] ?? [])
    if (!(name in item)) fail(`has a ${type} without ${name}`);
  for (const list of ['content', 'summary'])
    for (const part of (item[list] as Json[]) ?? []) checkPart(part, fail);
}

function checkPart(part: Json, fail: Fail): void {
  for (const name of partMembers[String(part['type'])] ?? ['type']) {
    if (!(name in part)) fail(`has a part ${part['type']} without ${name}`);
  }
}

class Machine {
  readonly #from: number;
  readonly #open = new Map<number, OpenItem>();
  readonly #done: (Json | undefined)[] = [];
  readonly #ids = new Set<string>();
  #number: number;
  #response: Json | null = null;
  /** How far it has begun: the types of the events about the response itself. */
  #states: string[] = [];
  #over = '';
  #fail: Fail = (why) => {
    throw new Error(why);
  };

  constructor(from: number) {
    this.#from = from;
    this.#number = from;
  }

  /** Whether the stream is known from its beginning. */
  get #whole(): boolean {
    return this.#from === 0;
  }

  take(event: Json): void {
    const type = String(event['type']);
    // An error is none of the response's events: it has the number of the one before.
    const number = type === 'error' ? Math.max(this.#number - 1, 0) : this.#number++;
    this.#fail = (why) => {
      throw new Error(`event ${number} (${type}): ${why}: ${JSON.stringify(event).slice(0, 500)}`);
    };
    if (event['sequence_number'] !== number) this.#fail('has another number');
    if (this.#over !== '') this.#fail(`comes after ${this.#over}`);
    if (event['response'] !== undefined) {
      this.#takeState(type, event['response'] as Json);
      return;
    }
    if (this.#whole && this.#states.at(-1) !== 'response.in_progress')
      this.#fail('comes before the beginning');
    if (type === 'error') this.#over = type;
    else if (type === 'response.output_item.added') this.#addItem(event);
    else if (type === 'response.output_item.done') this.#endItem(event);
    else this.#change(type, event);
  }

  finish(): void {
    if (this.#over === '') throw new Error('there is no end');
  }

  #takeState(type: string, response: Json): void {
    const fail = this.#fail;
    checkResponse(response);
    const first = this.#response;
    this.#response ??= response;
    for (const name of ['id', 'created_at', 'object', 'background', 'store', 'previous_response_id']) {
      if (first !== null && first[name] !== response[name]) fail(`has another ${name} than before`);
    }
    const { status } = response;
    const before = this.#states.at(-1) ?? '';
    this.#states.push(type);
    if (this.#whole && this.#states.length === 1) {
      if (type !== 'response.created') fail('is not response.created');
      if (status !== 'queued' && status !== 'in_progress') fail(`has status ${status}`);
    } else if (`response.${status}` !== type) fail(`has status ${status}`);
    if (!ends.includes(type)) {
      const allowed: Readonly<Record<string, readonly string[]>> = {
        'response.created': [''],
        'response.queued': ['', 'response.created'],
        'response.in_progress': ['', 'response.created', 'response.queued'],
      };
      if (this.#whole && !allowed[type]?.includes(before)) fail(`follows ${before}`);
      if (type === 'response.queued' && first !== null && first['status'] !== 'queued')
        fail('was not queued');
      if (this.#whole && (response['output'] as Json[]).length > 0) fail('has output already');
      return;
    }
    this.#over = type;
    // One that has become too large does not say all of it again.
    const { message } = (response['error'] ?? {}) as Json;
    const tooLarge = /is larger than \d+ bytes$/.test(String(message));
    if (this.#whole && !tooLarge) this.#compareOutput(type, response['output'] as Json[]);
  }

  /** The end has the items that were told, in their order. */
  #compareOutput(type: string, output: readonly Json[]): void {
    const fail = this.#fail;
    const all =
      this.#done.length > 0 || this.#open.size > 0
        ? Math.max(this.#done.length, ...[...this.#open.keys()].map((at) => at + 1))
        : 0;
    if (output.length !== all) fail(`has ${output.length} items, not ${all}`);
    if ((type === 'response.completed' || type === 'response.incomplete') && this.#open.size > 0) {
      fail('leaves items open');
    }
    output.forEach((item, at) => {
      const open = this.#open.get(at);
      if (open === undefined) {
        if (JSON.stringify(item) !== JSON.stringify(this.#done[at]))
          fail(`has another item ${at} than was done`);
        return;
      }
      if (item['id'] !== open.id || item['type'] !== open.type) fail(`has another item ${at} than was begun`);
      // What a provider does by itself has its own words for it.
      const allowed = open.type in itemMembers ? ['incomplete'] : ['incomplete', 'failed', 'completed'];
      if (item['status'] !== undefined && !allowed.includes(String(item['status'])))
        fail(`has ${item['status']} as the status of item ${at}`);
      for (const list of ['content', 'summary'] as const) {
        const told = open[list].map(({ text }) => text).filter((text) => text !== '');
        const there = ((item[list] ?? []) as Json[]).map((part) => part['text'] ?? part['refusal'] ?? '');
        if (open.type === 'message' || open.type === 'reasoning') {
          if (JSON.stringify(there.filter((text) => text !== '')) !== JSON.stringify(told))
            fail(`has other ${list} in item ${at} than was told`);
        }
      }
    });
  }

  #addItem(event: Json): void {
    const fail = this.#fail;
    const index = Number(event['output_index']);
    const item = event['item'] as Json;
    checkItem(item, fail);
    const id = String(item['id']);
    if (this.#ids.has(id)) fail('has an id that was there');
    this.#ids.add(id);
    if (this.#open.has(index) || this.#done[index] !== undefined) fail('takes a place that is taken');
    const there = this.#open.size + this.#done.filter((one) => one !== undefined).length;
    if (this.#whole && index !== there) fail('leaves a place out');
    const { status, type, name } = item;
    // A provider may announce what it has done by itself only when it is done.
    const isOurs = type !== undefined && String(type) in itemMembers;
    if (isOurs && status !== undefined && status !== null && status !== 'in_progress')
      fail(`is ${status} at its beginning`);
    for (const list of ['content', 'summary']) {
      if (((item[list] ?? []) as unknown[]).length > 0) fail(`has ${list} already`);
    }
    for (const own of ['arguments', 'input']) {
      if ((type === 'function_call' || type === 'custom_tool_call') && (item[own] ?? '') !== '')
        fail(`has ${own} already`);
    }
    if (type === 'function_call' && name === '') fail('has no name');
    this.#open.set(index, { id, type: String(type), name, content: [], summary: [], own: '', told: false });
  }

  #endItem(event: Json): void {
    const fail = this.#fail;
    const index = Number(event['output_index']);
    const whole = event['item'] as Json;
    const item = this.#open.get(index);
    checkItem(whole, fail);
    if (whole['status'] === 'in_progress') fail('is in progress');
    this.#done[index] = whole;
    if (item === undefined) {
      if (this.#whole) fail('was not announced');
      return;
    }
    this.#open.delete(index);
    if (whole['id'] !== item.id || whole['type'] !== item.type) fail('is not what was announced');
    for (const list of ['content', 'summary'] as const) {
      const open = item[list].findIndex(({ done }) => done === null);
      if (open >= 0) fail(`leaves part ${open} open`);
      const parts = item[list].map(({ done }) => done);
      if (item.type !== 'message' && item.type !== 'reasoning') continue;
      if (JSON.stringify((whole[list] ?? []) as Json[]) !== JSON.stringify(parts))
        fail(`has other ${list} than was done`);
    }
    if (item.type === 'function_call' || item.type === 'custom_tool_call') {
      if (!item.told) fail('is a call whose end was not told');
      if (whole[item.type === 'function_call' ? 'arguments' : 'input'] !== item.own)
        fail('is another call than was told');
      if (whole['name'] !== item.name) fail('has another name than before');
    }
  }

  #change(type: string, event: Json): void {
    const fail = this.#fail;
    const item = this.#open.get(Number(event['output_index']));
    if (item === undefined) {
      if (this.#whole) fail('is about no open item');
      return;
    }
    if (event['item_id'] !== item.id) fail(`is not about item ${item.id}`);
    const dot = type.lastIndexOf('.');
    const subject = type.slice(0, dot);
    const verb = type.slice(dot + 1);
    const growth = growths[subject];
    if (growth !== undefined) this.#grow(growth, verb, item, event);
    else if (type === 'response.output_text.annotation.added') this.#annotate(item, event);
    else if (subject === 'response.content_part') this.#part('content', verb, item, event);
    else if (subject === 'response.reasoning_summary_part') this.#part('summary', verb, item, event);
    else if (!subject.startsWith(`response.${item.type}`)) fail(`is about an item of type ${item.type}`);
  }

  #partOf(item: OpenItem, place: string, event: Json): Part {
    const list = place === 'summary_index' ? item.summary : item.content;
    const part = list[Number(event[place])];
    return part === undefined || part.done !== null ? this.#fail('is about a part that is not open') : part;
  }

  #grow({ place, whole, of }: Growth, verb: string, item: OpenItem, event: Json): void {
    const fail = this.#fail;
    if (place === '') {
      if (item.type !== of) fail(`is about an item of type ${item.type}`);
      if (item.told) fail('comes after the end of it');
      if (verb === 'delta') item.own += String(event['delta']);
      else {
        item.told = true;
        if (this.#whole && event[whole] !== item.own) fail('is not what its deltas say');
        if (of === 'function_call' && event['name'] !== item.name) fail('has another name than before');
      }
      return;
    }
    const part = this.#partOf(item, place, event);
    if (part.type !== of) fail(`is about a part of type ${part.type}`);
    if (part.told) fail('comes after the end of it');
    if (of === 'output_text' && !Array.isArray(event['logprobs'])) fail('has no logprobs');
    if (verb === 'delta') part.text += of === 'output_audio' ? '' : String(event['delta']);
    else {
      part.told = of !== 'output_audio';
      if (whole !== '' && event[whole] !== part.text) fail('is not what its deltas say');
    }
  }

  #annotate(item: OpenItem, event: Json): void {
    const part = this.#partOf(item, 'content_index', event);
    if (part.told) this.#fail('comes after the end of its text');
    if (event['annotation_index'] !== part.annotations.length) this.#fail('has another place');
    part.annotations.push(event['annotation']);
  }

  #part(name: 'content' | 'summary', verb: string, item: OpenItem, event: Json): void {
    const fail = this.#fail;
    const place = `${name}_index`;
    const whole = event['part'] as Json;
    const list = item[name];
    checkPart(whole, fail);
    const growing = Object.values(growths).some(({ of }) => of === whole['type']);
    if (verb === 'added') {
      if (event[place] !== list.length) fail('leaves a place out');
      for (const text of ['text', 'refusal']) if ((whole[text] ?? '') !== '') fail('says something already');
      list.push({ type: String(whole['type']), text: '', annotations: [], told: !growing, done: null });
      return;
    }
    const part = this.#partOf(item, place, event);
    if (part.type !== whole['type']) fail(`was a part of type ${part.type}`);
    if (!part.told && part.type !== 'output_audio') fail('comes before the end of its text');
    if (growing && (whole['text'] ?? whole['refusal'] ?? part.text) !== part.text)
      fail('is not what its deltas say');
    if (JSON.stringify(whole['annotations'] ?? []) !== JSON.stringify(part.annotations))
      fail('has other annotations than were added');
    part.done = whole;
  }
}
