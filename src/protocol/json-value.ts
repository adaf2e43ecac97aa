/** JSON as values: for what Portolan itself reads or builds. Bodies that are only passed on stay bytes. */

/** What JSON.parse gives. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
/** An object of JSON: read its members with `ownMember` where names come from outside. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** Whether a parsed value is an object: not null, not an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The member `key` where the object itself has it: `__proto__` and `constructor` are names like any other. */
export function ownMember(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}
