// The conversation that every client has with the model, and what makes an answer right.
export interface Turn {
  readonly role: 'system' | 'user' | 'assistant';
  readonly text: string;
}

export interface ChatCall {
  readonly model: string;
  readonly turns: readonly Turn[];
  readonly maxTokens: number;
  /** Has no say at temperature 0, but tells the calls of one client from another's: no cache may answer them. */
  readonly seed: number;
}

export interface Answer {
  readonly text: string;
  /** In OpenAI's words. */
  readonly finishReason: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Pieces of text in which it came; 1 when unary. */
  readonly pieces: number;
}

/** A way to ask for a completion at temperature 0. */
export interface ChatClient {
  readonly name: string;
  readonly streamed: boolean;
  ask(call: ChatCall): Promise<Answer>;
}

export const system = 'You are a helpful assistant. Answer in one short sentence.';

/** What the person says, and what the answer has to hold. The second and the last hang on the turns before them. */
export const questions: readonly { readonly text: string; readonly expected: RegExp }[] = [
  { text: 'My dog is called Biscuit.', expected: /Biscuit/ },
  { text: 'What is the name of my dog?', expected: /Biscuit/ },
  { text: 'What is the capital of Italy?', expected: /Rome/ },
  { text: 'And of Japan?', expected: /Tokyo/ },
];

const maxTokens = 48;

export interface Exchange {
  readonly call: ChatCall;
  readonly answer: Answer;
  readonly milliseconds: number;
}

/** Has the whole conversation; each call carries the client's own earlier answers as history. */
export async function converse(client: ChatClient, model: string, seed: number): Promise<Exchange[]> {
  const turns: Turn[] = [{ role: 'system', text: system }];
  const exchanges: Exchange[] = [];
  for (const question of questions) {
    turns.push({ role: 'user', text: question.text });
    const call = { model, turns: [...turns], maxTokens, seed };
    const begun = performance.now();
    const answer = await client.ask(call);
    exchanges.push({ call, answer, milliseconds: Math.round(performance.now() - begun) });
    turns.push({ role: 'assistant', text: answer.text });
  }
  return exchanges;
}

/** What is wrong with the model's own answers, asked without the gateway. */
export async function checkModel(direct: ChatClient, exchanges: readonly Exchange[]): Promise<string[]> {
  const problems: string[] = [];
  for (const [index, { answer }] of exchanges.entries()) {
    const question = questions[index]!;
    if (!question.expected.test(answer.text))
      problems.push(`turn ${index + 1}: ${question.expected} is missing`);
  }
  // The proof that the last answer needs the history: without it the model does not know what is asked.
  const last = exchanges.at(-1)!;
  const alone = await direct.ask({ ...last.call, turns: [last.call.turns[0]!, last.call.turns.at(-1)!] });
  console.log(`  (the last question without history) ${JSON.stringify(alone.text)}`);
  if (questions.at(-1)!.expected.test(alone.text)) problems.push('the last turn does not need the history');
  return problems;
}

/** What differs between the answers that a client got through the gateway and the model's own. */
export function compare(
  client: ChatClient,
  exchanges: readonly Exchange[],
  reference: readonly Exchange[],
): string[] {
  const problems: string[] = [];
  for (const [index, { answer }] of exchanges.entries()) {
    const own = reference[index]!.answer;
    const differ = (what: keyof Answer) => {
      if (answer[what] === own[what]) return;
      problems.push(
        `turn ${index + 1}: ${what} is ${JSON.stringify(answer[what])}, not ${JSON.stringify(own[what])}`,
      );
    };
    differ('text');
    differ('finishReason');
    differ('promptTokens');
    differ('completionTokens');
    if (client.streamed && answer.pieces < 2)
      problems.push(`turn ${index + 1}: not streamed, it came in one piece`);
  }
  return problems;
}
