/** Who a client or server says it is. Self-reported: for display and logs, never for decisions (S26 basic, `_meta`). */
import { isJsonObject } from './json-value.ts'
import type { JsonObject, JsonValue } from './json-value.ts'

/** `title`, `icons`, `websiteUrl`, `description` and unknown keys are kept as received. */
export interface Implementation extends JsonObject {
  readonly name: string
  readonly version: string
}

/** Whether a received value has the two strings that every revision requires. */
export function isImplementation(value: JsonValue | undefined): value is Implementation {
  return isJsonObject(value) && typeof value['name'] === 'string' && typeof value['version'] === 'string'
}
