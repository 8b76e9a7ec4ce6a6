/** The JSON body of an error that the transport itself answers with, in OpenAI's form. */
export function errorBody(message: string, type = 'invalid_request_error'): string {
  return JSON.stringify({ error: { message, type, param: null, code: null } });
}
