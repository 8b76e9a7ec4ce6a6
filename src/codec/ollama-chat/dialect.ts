/** Name of this dialect in `extras`, opaque parts and opaque events: Ollama's own API, not its imitation of OpenAI's. */
export const dialectName = 'ollama.chat';

/** What `think` may be: off, on, or a level by the model's own name for it. */
export type ThinkValue = boolean | string;
