/** Name of this dialect in `extras`, opaque parts and opaque events. */
export const dialectName = 'google.gemini';

/** `ReasoningPart.format` of Gemini's thought signatures. */
export const signatureFormat = 'google-gemini-v1';

/** How the hosts of Gemini's form differ. */
export interface GeminiDialect {
  /** Whether ids of calls are sent with calls and results. Older versions of Vertex AI refuse them, and match by name and order. */
  readonly callIds: 'send' | 'omit';
  /** Whether a MIME type has to stand with the address of a file: Vertex AI cannot do without. */
  readonly fileTypes: 'optional' | 'required';
  /** Address of the Files API, to which `files/…` is added; '' where there is none. */
  readonly filesUrl: string;
}

/** generativelanguage.googleapis.com itself. */
export const geminiDialect: GeminiDialect = {
  callIds: 'send',
  fileTypes: 'optional',
  filesUrl: 'https://generativelanguage.googleapis.com/v1beta',
};

/** Vertex AI. */
export const vertexDialect: GeminiDialect = { callIds: 'omit', fileTypes: 'required', filesUrl: '' };
