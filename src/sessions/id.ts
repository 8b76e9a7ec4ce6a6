/** Whether a text can be a session's id at all: a UUID in lower case, as `crypto.randomUUID` makes them. */
export const isSessionId = (text: string): boolean =>
  /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/.test(text);
