// What builders of messages are made of.

/** Members of a message that a builder takes: all but the type's name, with defaults for what is left out. */
export type Init<T> = Partial<Omit<T, '$typeName' | '$unknown'>>;

export const name = <N extends string>(type: N): `llmgateway.v1.${N}` => `llmgateway.v1.${type}`;
