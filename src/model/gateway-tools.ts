// How a request names the gateway's own tools (GatewayOptions.gateway_tools): a name; a beginning of names, with "*" after it; or,
// as the only one, "none".

/** None of the gateway's tools, those that stand in `tools` by their names included. */
export const noTools = 'none';

export const isOff = (names: readonly string[]): boolean => names.length === 1 && names[0] === noTools;

/** What a name that ends in "*" stands for: all that begin so. Null for a name. */
export const prefixOf = (name: string): string | null => (name.endsWith('*') ? name.slice(0, -1) : null);

/** Whether a request may have tools by these names; whether it has shows when they are looked up. */
export const mayEnable = (names: readonly string[]): boolean => names.length > 0 && !isOff(names);

/** The same of one tool. */
export const mayEnableTool = (names: readonly string[], tool: string): boolean =>
  mayEnable(names) &&
  names.some((name) => {
    const prefix = prefixOf(name);
    return prefix === null ? name === tool : tool.startsWith(prefix);
  });
