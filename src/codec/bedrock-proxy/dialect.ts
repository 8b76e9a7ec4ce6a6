/** Name of this dialect in `extras`: the proxy in front of Bedrock that takes a prompt and answers with a text. */
export const dialectName = 'bedrock.proxy';
